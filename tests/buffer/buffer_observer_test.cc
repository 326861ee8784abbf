#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// Remembers what the observer of its buffer was told.
class Observed {
 public:
  using Change = std::pair<size_t, size_t>;  // added, drained

  Observed() { buffer.SetObserver(&Observed::OnChange, this); }

  // What was told since the last call.
  std::vector<Change> Take() { return std::exchange(changes_, {}); }

  Buffer buffer;

 private:
  static void OnChange(Buffer& buffer, size_t added, size_t drained,
                       void* argument) {
    auto* const self = static_cast<Observed*>(argument);
    EXPECT_EQ(&buffer, &self->buffer);
    self->size_ += added;
    self->size_ -= drained;
    EXPECT_EQ(buffer.size(), self->size_) << "told before the end of the call";
    self->changes_.emplace_back(added, drained);
  }

  size_t size_ = 0;
  std::vector<Change> changes_;
};

using Changes = std::vector<Observed::Change>;

Buffer Filled(size_t size) {
  Buffer buffer;
  buffer.Append(std::string(size, 'x'));
  return buffer;
}

TEST(BufferObserverTest, IsToldOfEachChangeOnce) {
  Observed observed;
  Buffer& buffer = observed.buffer;
  buffer.Append("0123456789");
  EXPECT_EQ(observed.Take(), (Changes{{10, 0}}));
  buffer.Append("0123456789");
  EXPECT_EQ(observed.Take(), (Changes{{10, 0}}));
  buffer.Append(std::string(500'000, 'x'));
  EXPECT_EQ(observed.Take(), (Changes{{500'000, 0}}));
  buffer.Prepend(std::string(100'000, 'x'));
  EXPECT_EQ(observed.Take(), (Changes{{100'000, 0}}));
  buffer.Drain(1);
  EXPECT_EQ(observed.Take(), (Changes{{0, 1}}));
  buffer.Drain(300'000);
  EXPECT_EQ(observed.Take(), (Changes{{0, 300'000}}));
  buffer.AppendReference("x", 1, nullptr, nullptr);
  EXPECT_EQ(observed.Take(), (Changes{{1, 0}}));
  std::array<char, 100> bytes;
  buffer.Remove(bytes);
  EXPECT_EQ(observed.Take(), (Changes{{0, 100}}));
  iovec extent;
  buffer.Reserve(10, {&extent, 1});
  EXPECT_EQ(observed.Take(), Changes());
  std::memset(extent.iov_base, 'x', 10);
  EXPECT_TRUE(buffer.Commit(10).ok());
  EXPECT_EQ(observed.Take(), (Changes{{10, 0}}));
  const size_t size = buffer.size();
  buffer.Clear();
  EXPECT_EQ(observed.Take(), (Changes{{0, size}}));
}

TEST(BufferObserverTest, IsNotToldOfCallsThatLeaveTheSize) {
  Observed observed;
  Buffer& buffer = observed.buffer;
  Buffer empty;
  buffer.Clear();
  buffer.Append(std::string_view());
  buffer.Append(Buffer());
  buffer.AppendReference("", 0, nullptr, nullptr);
  buffer.Prepend("");
  buffer.MoveFrom(empty, 10);
  buffer = std::move(empty);
  EXPECT_EQ(observed.Take(), Changes());
  buffer.Append(Filled(1000));
  buffer.AppendReference("x", 1, nullptr, nullptr);
  observed.Take();
  buffer.Drain(0);
  buffer.Pullup(1001);
  buffer.Unshare();
  iovec extent;
  buffer.Reserve(10, {&extent, 1});
  EXPECT_TRUE(buffer.Commit(0).ok());
  EXPECT_FALSE(buffer.Commit(1).ok());
  EXPECT_EQ(observed.Take(), Changes());
}

TEST(BufferObserverTest, BothAreToldOfAMove) {
  for (size_t size : {10, 100'000}) {
    Observed from;
    Observed to;
    from.buffer.Append(std::string(2 * size, 'x'));
    to.buffer.Append("start");
    from.Take();
    to.Take();
    to.buffer.MoveFrom(from.buffer, size);
    EXPECT_EQ(from.Take(), (Changes{{0, size}}));
    EXPECT_EQ(to.Take(), (Changes{{size, 0}}));
    to.buffer.Append(std::move(from.buffer));
    EXPECT_EQ(from.Take(), (Changes{{0, size}}));
    EXPECT_EQ(to.Take(), (Changes{{size, 0}}));
  }
}

TEST(BufferObserverTest, StaysWithItsObjectWhenTheContentsMove) {
  Observed from;
  from.buffer.Append("text");
  from.Take();
  Buffer constructed(std::move(from.buffer));
  EXPECT_EQ(from.Take(), (Changes{{0, 4}}));
  constructed.Append("unobserved");
  EXPECT_EQ(from.Take(), Changes());

  Observed to;
  to.buffer.Append("old contents");
  from.buffer.Append("new");
  from.Take();
  to.Take();
  to.buffer = std::move(from.buffer);
  EXPECT_EQ(from.Take(), (Changes{{0, 3}}));
  EXPECT_EQ(to.Take(), (Changes{{3, 12}}));
  to.buffer = Buffer();
  EXPECT_EQ(to.Take(), (Changes{{0, 3}}));
  to.buffer.Append("x");
  EXPECT_EQ(to.Take(), (Changes{{1, 0}}));
}

TEST(BufferObserverTest, IsNotToldOfTheDestructor) {
  Changes changes;
  {
    Buffer buffer;
    buffer.Append("text");
    buffer.SetObserver(
        [](Buffer&, size_t added, size_t drained, void* argument) {
          static_cast<Changes*>(argument)->emplace_back(added, drained);
        },
        &changes);
  }
  EXPECT_EQ(changes, Changes());
}

TEST(BufferObserverTest, MayBeTakenAway) {
  Observed observed;
  observed.buffer.SetObserver(nullptr, nullptr);
  observed.buffer.Append("text");
  EXPECT_EQ(observed.Take(), Changes());
}

TEST(BufferObserverTest, MayChangeItsBuffer) {
  Buffer buffer;
  buffer.SetObserver(
      [](Buffer& changed, size_t added, size_t, void*) {
        if (added != 0) changed.Drain(added - 1);
      },
      nullptr);
  for (int i = 0; i < 3; ++i) buffer.Append(std::string(100'000, 'x'));
  EXPECT_EQ(buffer.ToString(), "xxx");
}

// Deletes the buffer that its argument points to.
void DeleteBuffer(Buffer&, size_t, size_t, void* argument) {
  delete std::exchange(*static_cast<Buffer**>(argument), nullptr);
}

TEST(BufferObserverTest, MayDestroyItsBufferInEveryCall) {
  const std::vector<void (*)(Buffer&)> changes = {
      [](Buffer& buffer) { buffer.Append("x"); },
      [](Buffer& buffer) { buffer.Append(std::string(100'000, 'x')); },
      [](Buffer& buffer) { buffer.Append(Filled(10)); },
      [](Buffer& buffer) { buffer.Append(Filled(100'000)); },
      [](Buffer& buffer) { buffer.AppendReference("x", 1, nullptr, nullptr); },
      [](Buffer& buffer) { Filled(1).Append(std::move(buffer)); },
      [](Buffer& buffer) { Filled(1).MoveFrom(buffer, 10); },
      [](Buffer& buffer) { buffer.Prepend("x"); },
      [](Buffer& buffer) { buffer.Drain(1); },
      [](Buffer& buffer) { buffer.Drain(70'000); },
      [](Buffer& buffer) { buffer.Clear(); },
      [](Buffer& buffer) {
        std::array<char, 10> bytes;
        EXPECT_EQ(buffer.Remove(bytes), 10u);
      },
      [](Buffer& buffer) {
        iovec extent;
        buffer.Reserve(10, {&extent, 1});
        EXPECT_TRUE(buffer.Commit(1).ok());
      },
      [](Buffer& buffer) { Buffer other(std::move(buffer)); },
      [](Buffer& buffer) { buffer = Filled(1); },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    auto* buffer = new Buffer(Filled(100'000));
    buffer->SetObserver(DeleteBuffer, &buffer);
    changes[i](*buffer);
    EXPECT_EQ(buffer, nullptr) << "change " << i;
  }
}

TEST(BufferObserverTest, OfTheSourceMayDestroyTheDestination) {
  auto* destination = new Buffer;
  int told = 0;
  destination->SetObserver(
      [](Buffer&, size_t, size_t, void* argument) {
        ++*static_cast<int*>(argument);
      },
      &told);
  Buffer source = Filled(100'000);
  source.SetObserver(DeleteBuffer, &destination);
  EXPECT_EQ(destination->MoveFrom(source, 50'000), 50'000u);
  EXPECT_EQ(destination, nullptr);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(source.size(), 50'000u);
}

TEST(BufferObserverTest, OfTheSourceMayTakeTheDestinationsObserverAway) {
  Observed destination;
  Buffer source = Filled(10);
  source.SetObserver(
      [](Buffer&, size_t, size_t, void* argument) {
        static_cast<Buffer*>(argument)->SetObserver(nullptr, nullptr);
      },
      &destination.buffer);
  destination.buffer.Append(std::move(source));
  EXPECT_EQ(destination.Take(), Changes());
}

TEST(BufferObserverTest, OfTheDestinationMayDestroyTheSource) {
  auto* source = new Buffer(Filled(100'000));
  int told = 0;
  source->SetObserver([](Buffer&, size_t, size_t,
                         void* argument) { ++*static_cast<int*>(argument); },
                      &told);
  Buffer destination;
  destination.SetObserver(DeleteBuffer, &source);
  destination.MoveFrom(*source, 50'000);
  EXPECT_EQ(source, nullptr);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(destination.size(), 50'000u);
}

TEST(BufferObserverTest, ObserversMayMoveBackAndForth) {
  // Each buffer hands on all it gets, a byte less each time.
  struct Pair {
    Buffer first;
    Buffer second;
  } pair;
  constexpr auto kHandOn = [](Buffer& buffer, size_t added, size_t,
                              void* argument) {
    if (added == 0) return;
    buffer.Drain(1);
    static_cast<Buffer*>(argument)->Append(std::move(buffer));
  };
  pair.first.SetObserver(kHandOn, &pair.second);
  pair.second.SetObserver(kHandOn, &pair.first);
  pair.first.Append(std::string(500, 'x'));
  EXPECT_TRUE(pair.first.empty());
  EXPECT_TRUE(pair.second.empty());
}

}  // namespace
}  // namespace percore
