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

  Observed() { buffer.AddObserver(observer); }

  // What was told since the last call.
  std::vector<Change> Take() { return std::exchange(changes_, {}); }

  Buffer buffer;
  BufferObserver observer{&Observed::OnChange, this};

 private:
  static void OnChange(Buffer& buffer, const BufferChange& change,
                       void* argument) {
    auto* const self = static_cast<Observed*>(argument);
    EXPECT_EQ(&buffer, &self->buffer);
    EXPECT_EQ(change.original_size, self->size_);
    self->size_ += change.added - change.drained;
    EXPECT_EQ(buffer.size(), self->size_) << "told before the end of the call";
    self->changes_.emplace_back(change.added, change.drained);
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
    BufferObserver observer(
        [](Buffer&, const BufferChange& change, void* argument) {
          static_cast<Changes*>(argument)->emplace_back(change.added,
                                                        change.drained);
        },
        &changes);
    buffer.AddObserver(observer);
  }
  EXPECT_EQ(changes, Changes());
}

TEST(BufferObserverTest, MayBeTakenAway) {
  Observed observed;
  observed.buffer.RemoveObserver(observed.observer);
  EXPECT_EQ(observed.observer.buffer(), nullptr);
  observed.buffer.Append("text");
  EXPECT_EQ(observed.Take(), Changes());
}

TEST(BufferObserverTest, MayChangeItsBuffer) {
  Buffer buffer;
  BufferObserver observer(
      [](Buffer& changed, const BufferChange& change, void*) {
        if (change.added != 0) changed.Drain(change.added - 1);
      },
      nullptr);
  buffer.AddObserver(observer);
  for (int i = 0; i < 3; ++i) buffer.Append(std::string(100'000, 'x'));
  EXPECT_EQ(buffer.ToString(), "xxx");
}

// Deletes the buffer that its argument points to.
void DeleteBuffer(Buffer&, const BufferChange&, void* argument) {
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
    BufferObserver observer(DeleteBuffer, &buffer);
    buffer->AddObserver(observer);
    changes[i](*buffer);
    EXPECT_EQ(buffer, nullptr) << "change " << i;
    EXPECT_EQ(observer.buffer(), nullptr);
  }
}

void CountCalls(Buffer&, const BufferChange&, void* calls) {
  ++*static_cast<int*>(calls);
}

TEST(BufferObserverTest, OfTheSourceMayDestroyTheDestination) {
  auto* destination = new Buffer;
  int told = 0;
  BufferObserver counter(CountCalls, &told);
  destination->AddObserver(counter);
  Buffer source = Filled(100'000);
  BufferObserver observer(DeleteBuffer, &destination);
  source.AddObserver(observer);
  EXPECT_EQ(destination->MoveFrom(source, 50'000), 50'000u);
  EXPECT_EQ(destination, nullptr);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(source.size(), 50'000u);
}

TEST(BufferObserverTest, OfTheSourceMayTakeTheDestinationsObserverAway) {
  Observed destination;
  Buffer source = Filled(10);
  BufferObserver observer(
      [](Buffer&, const BufferChange&, void* argument) {
        auto& other = *static_cast<Observed*>(argument);
        other.buffer.RemoveObserver(other.observer);
      },
      &destination);
  source.AddObserver(observer);
  destination.buffer.Append(std::move(source));
  EXPECT_EQ(destination.Take(), Changes());
}

TEST(BufferObserverTest, OfTheDestinationMayDestroyTheSource) {
  auto* source = new Buffer(Filled(100'000));
  int told = 0;
  BufferObserver counter(CountCalls, &told);
  source->AddObserver(counter);
  Buffer destination;
  BufferObserver observer(DeleteBuffer, &source);
  destination.AddObserver(observer);
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
  constexpr auto kHandOn = [](Buffer& buffer, const BufferChange& change,
                              void* argument) {
    if (change.added == 0) return;
    buffer.Drain(1);
    static_cast<Buffer*>(argument)->Append(std::move(buffer));
  };
  BufferObserver of_first(kHandOn, &pair.second);
  BufferObserver of_second(kHandOn, &pair.first);
  pair.first.AddObserver(of_first);
  pair.second.AddObserver(of_second);
  pair.first.Append(std::string(500, 'x'));
  EXPECT_TRUE(pair.first.empty());
  EXPECT_TRUE(pair.second.empty());
}

// Several observers of one buffer, each remembering what it was told, and
// running a function of the test's.
class Witness {
 public:
  using Then = void (*)(Witness& self, Buffer& buffer, const BufferChange&);

  explicit Witness(Then then = nullptr) : then_(then) {}

  std::vector<BufferChange> told;
  Witness* other = nullptr;
  BufferObserver observer{
      [](Buffer& buffer, const BufferChange& change, void* argument) {
        auto& self = *static_cast<Witness*>(argument);
        EXPECT_EQ(change.original_size + change.added - change.drained,
                  buffer.size());
        self.told.push_back(change);
        if (self.then_ != nullptr) self.then_(self, buffer, change);
      },
      this};

 private:
  const Then then_;
};

TEST(BufferObserverTest, AnyNumberIsToldTheNewestFirst) {
  Buffer buffer;
  static std::string order;
  order.clear();
  Witness first([](Witness&, Buffer&, const BufferChange&) { order += "1"; });
  Witness second([](Witness&, Buffer&, const BufferChange&) { order += "2"; });
  Witness third([](Witness&, Buffer&, const BufferChange&) { order += "3"; });
  buffer.AddObserver(first.observer);
  buffer.AddObserver(second.observer);
  buffer.AddObserver(third.observer);
  EXPECT_EQ(second.observer.buffer(), &buffer);
  buffer.Append("text");
  EXPECT_EQ(order, "321");
  buffer.RemoveObserver(second.observer);
  buffer.Drain(1);
  EXPECT_EQ(order, "32131");
  EXPECT_EQ(first.told, (std::vector<BufferChange>{{0, 4, 0}, {4, 0, 1}}));
}

TEST(BufferObserverTest, ADisabledOneIsNotTold) {
  Buffer buffer;
  Witness witness;
  buffer.AddObserver(witness.observer);
  witness.observer.Disable();
  EXPECT_FALSE(witness.observer.enabled());
  EXPECT_EQ(witness.observer.buffer(), &buffer);
  buffer.Append("12");
  witness.observer.Enable();
  buffer.Append("3");
  EXPECT_EQ(witness.told, (std::vector<BufferChange>{{2, 1, 0}}));
}

TEST(BufferObserverTest, ObservesOneBufferAtATime) {
  Buffer one;
  Buffer other;
  Witness witness;
  one.AddObserver(witness.observer);
  other.AddObserver(witness.observer);
  one.Append("1");
  other.Append("23");
  EXPECT_EQ(witness.told, (std::vector<BufferChange>{{0, 2, 0}}));
  one.RemoveObserver(witness.observer);
  EXPECT_EQ(witness.observer.buffer(), &other) << "was not among one's";
}

TEST(BufferObserverTest, AChangeByOneIsToldToTheOthersInItsOrder) {
  Buffer buffer;
  // Told after the one that changes the buffer, and before.
  Witness after;
  Witness changing([](Witness&, Buffer& buffer, const BufferChange& change) {
    if (change.added > 1) buffer.Drain(1);
  });
  Witness before;
  buffer.AddObserver(after.observer);
  buffer.AddObserver(changing.observer);
  buffer.AddObserver(before.observer);
  buffer.Append("text");
  const std::vector<BufferChange> both = {{0, 4, 0}, {4, 0, 1}};
  EXPECT_EQ(before.told, both);
  EXPECT_EQ(changing.told, both);
  EXPECT_EQ(after.told, (std::vector<BufferChange>{{0, 4, 1}}));
}

TEST(BufferObserverTest, ChangesWithinChangesAreToldOnce) {
  Buffer buffer;
  // Each takes one byte as long as there are more than its own number.
  Witness last;
  Witness middle([](Witness&, Buffer& buffer, const BufferChange&) {
    if (buffer.size() > 4) buffer.Drain(1);
  });
  Witness first([](Witness&, Buffer& buffer, const BufferChange&) {
    if (buffer.size() > 2) buffer.Drain(1);
  });
  buffer.AddObserver(last.observer);
  buffer.AddObserver(middle.observer);
  buffer.AddObserver(first.observer);
  buffer.Append("0123456789");
  EXPECT_EQ(buffer.ToString(), "89");
  for (const Witness* witness : {&first, &middle, &last}) {
    size_t size = 0;
    for (const BufferChange& change : witness->told) {
      EXPECT_EQ(change.original_size, size);
      size += change.added - change.drained;
    }
    EXPECT_EQ(size, 2u);
  }
}

TEST(BufferObserverTest, MayRemoveItselfAndTheNextOnes) {
  Buffer buffer;
  Witness last;
  Witness next;
  Witness removing([](Witness& self, Buffer& buffer, const BufferChange&) {
    buffer.RemoveObserver(self.observer);
    if (self.other != nullptr) buffer.RemoveObserver(self.other->observer);
  });
  removing.other = &next;
  buffer.AddObserver(last.observer);
  buffer.AddObserver(next.observer);
  buffer.AddObserver(removing.observer);
  buffer.Append("1");
  buffer.Append("2");
  EXPECT_EQ(removing.told.size(), 1u);
  EXPECT_EQ(next.told.size(), 0u);
  EXPECT_EQ(last.told.size(), 2u);
}

TEST(BufferObserverTest, ThatIsAddedMeanwhileIsToldOfTheNextChange) {
  Buffer buffer;
  Witness added;
  Witness adding([](Witness& self, Buffer& buffer, const BufferChange&) {
    if (self.other->observer.buffer() == nullptr) {
      buffer.AddObserver(self.other->observer);
    }
  });
  adding.other = &added;
  buffer.AddObserver(adding.observer);
  buffer.Append("1");
  EXPECT_EQ(added.told.size(), 0u);
  buffer.Append("2");
  EXPECT_EQ(added.told, (std::vector<BufferChange>{{1, 1, 0}}));
}

TEST(BufferObserverTest, IsForgottenWhenItIsDestroyed) {
  Buffer buffer;
  Witness stays;
  buffer.AddObserver(stays.observer);
  {
    Witness goes;
    buffer.AddObserver(goes.observer);
  }
  buffer.Append("1");
  EXPECT_EQ(stays.told.size(), 1u);
}

// As a connection is of its two.
class Owner final : public BufferOwner {
 public:
  Owner() { buffer.SetOwner(*this); }

  Buffer buffer;
  std::vector<std::string> told;

 private:
  void OnBufferChanged(const Buffer& changed, size_t added,
                       size_t drained) override {
    EXPECT_EQ(&changed, &buffer);
    told.push_back("+" + std::to_string(added) + " -" +
                   std::to_string(drained));
  }
};

TEST(BufferOwnerTest, IsToldOfEachChange) {
  Owner owner;
  owner.buffer.Append("0123456789");
  owner.buffer.Drain(3);
  owner.buffer.Prepend("ab");
  Buffer other;
  other.MoveFrom(owner.buffer, 4);
  owner.buffer.Append(Filled(1000));
  owner.buffer.Clear();
  owner.buffer.Clear();
  EXPECT_EQ(owner.told,
            (std::vector<std::string>{"+10 -0", "+0 -3", "+2 -0", "+0 -4",
                                      "+1000 -0", "+0 -1005"}));
}

TEST(BufferOwnerTest, BothOwnersAreToldOfBytesThatMove) {
  Owner from;
  Owner to;
  from.buffer.Append(Filled(1000));
  to.buffer.Append(std::move(from.buffer));
  EXPECT_EQ(from.told, (std::vector<std::string>{"+1000 -0", "+0 -1000"}));
  EXPECT_EQ(to.told, (std::vector<std::string>{"+1000 -0"}));
}

TEST(BufferOwnerTest, IsToldBeforeObserversThatComeAndGo) {
  Owner owner;
  {
    Witness first;
    Witness second;
    owner.buffer.AddObserver(first.observer);
    owner.buffer.AddObserver(second.observer);
    owner.buffer.Append("x");
    EXPECT_EQ(first.told.size(), 1u);
    owner.buffer.RemoveObserver(first.observer);
    owner.buffer.Append("x");
    EXPECT_EQ(first.told.size(), 1u);
    EXPECT_EQ(second.told.size(), 2u);
  }
  owner.buffer.Append("x");
  EXPECT_EQ(owner.told.size(), 3u);
}

}  // namespace
}  // namespace percore
