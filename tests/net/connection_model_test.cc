// Watermarks and timeouts of connections of every kind, against a model of
// them: random operations on both ends, under a clock that moves when told to.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/net/buffer_event.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/net/connection_kind.h"
#include "percore/tests/support/sanitizers.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::seconds;

// What is known of one end, in bytes and seconds.
struct ModelEnd {
  bool Reading() const {
    return read_enabled && (read.high == 0 || input < read.high) &&
           (write.high == 0 || output <= write.high);
  }
  bool Writing() const { return write_enabled && output > 0; }

  size_t input = 0;
  size_t output = 0;
  // Left output, and has not reached the other end's input.
  size_t on_the_way = 0;
  bool read_enabled = false;
  bool write_enabled = true;
  Watermarks read;
  Watermarks write;
  int64_t read_timeout = 0;
  int64_t write_timeout = 0;
  // When they run out; negative while they rest.
  int64_t read_deadline = -1;
  int64_t write_deadline = -1;

  // What the callbacks are to have been told since the last check.
  bool told_read = false;
  bool told_written = false;
  int read_timeouts = 0;
  int write_timeouts = 0;
};

class Model {
 public:
  explicit Model(bool holds_nothing) : holds_nothing_(holds_nothing) {}

  // After each change: timers begin and end.
  void Settle() {
    for (ModelEnd& end : ends) {
      SettleTimer(end.Reading(), end.read_timeout, end.read_deadline);
      SettleTimer(end.Writing(), end.write_timeout, end.write_deadline);
    }
  }

  // Until nothing moves any more.
  void Run() {
    Expire();
    while (Move(ends[0], ends[1]) || Move(ends[1], ends[0])) Settle();
    Settle();
  }

  void RestartTimers(ModelEnd& end) {
    end.read_deadline = end.write_deadline = -1;
    Settle();
  }

  std::array<ModelEnd, 2> ends;
  int64_t now = 0;

 private:
  void SettleTimer(bool waits, int64_t timeout, int64_t& deadline) const {
    if (!waits || timeout == 0) {
      deadline = -1;
    } else if (deadline < 0) {
      deadline = now + timeout;
    }
  }

  void Expire() {
    for (ModelEnd& end : ends) {
      if (end.read_deadline >= 0 && end.read_deadline <= now) {
        end.read_enabled = false;
        ++end.read_timeouts;
      }
      if (end.write_deadline >= 0 && end.write_deadline <= now) {
        end.write_enabled = false;
        ++end.write_timeouts;
      }
    }
    Settle();
  }

  bool Move(ModelEnd& from, ModelEnd& to) {
    const size_t room = !to.Reading()       ? 0
                        : to.read.high == 0 ? SIZE_MAX
                                            : to.read.high - to.input;
    const size_t sent = !from.Writing()  ? 0
                        : holds_nothing_ ? std::min(from.output, room)
                                         : from.output;
    from.output -= sent;
    from.on_the_way += sent;
    if (sent > 0) {
      from.write_deadline = -1;  // progress: from now on
      from.told_written |= from.output <= from.write.low;
    }
    const size_t received = std::min(from.on_the_way, room);
    from.on_the_way -= received;
    to.input += received;
    if (received > 0) {
      to.read_deadline = -1;
      to.told_read |= to.input >= to.read.low;
    }
    return sent + received > 0;
  }

  const bool holds_nothing_;
};

struct RealEnd {
  void Take(std::unique_ptr<BufferEvent> taken) {
    connection = std::move(taken);
    connection->SetCallbacks(
        {.read =
             [](BufferEvent&, void* end) {
               static_cast<RealEnd*>(end)->told_read = true;
             },
         .write =
             [](BufferEvent&, void* end) {
               static_cast<RealEnd*>(end)->told_written = true;
             },
         .event =
             [](BufferEvent&, ConnectionEvent what, const absl::Status& status,
                void* end) {
               EXPECT_TRUE(status.ok()) << status;
               ASSERT_TRUE(Any(what & ConnectionEvent::kTimeout));
               ++(Any(what & ConnectionEvent::kReading)
                      ? static_cast<RealEnd*>(end)->read_timeouts
                      : static_cast<RealEnd*>(end)->write_timeouts);
             }},
        this);
  }

  std::unique_ptr<BufferEvent> connection;
  bool told_read = false;
  bool told_written = false;
  int read_timeouts = 0;
  int write_timeouts = 0;
};

class ConnectionModelTest : public testing::TestWithParam<ConnectionKind> {
 protected:
  void RunScript(uint32_t seed, int operations) {
    std::mt19937 random(seed);
    auto one_of = [&](int count) {
      return static_cast<size_t>(
          std::uniform_int_distribution<int>(0, count - 1)(random));
    };
    Model model(GetParam().name == "Pair");
    Ends ends = GetParam().connect(*base_, {});
    std::array<RealEnd, 2> real;
    real[0].Take(std::move(ends.near));
    real[1].Take(std::move(ends.far));
    for (int i = 0; i < operations; ++i) {
      const size_t side = one_of(2);
      std::string text;
      Apply(one_of(8), one_of, model, model.ends[side], *real[side].connection,
            text);
      model.Settle();
      if (one_of(3) != 0) {
        Run();
        model.Run();
      }
      for (size_t end = 0; end < 2; ++end) {
        ASSERT_TRUE(Matches(model.ends[end], real[end]))
            << "seed " << seed << ", operation " << i << ": " << text
            << " at end " << side << "; seen at end " << end;
      }
    }
  }

  template <typename OneOf>
  void Apply(size_t operation, OneOf one_of, Model& model, ModelEnd& end,
             BufferEvent& connection, std::string& text) {
    const EventFlags which =
        one_of(2) == 0 ? EventFlags::kRead : EventFlags::kWrite;
    const bool reads = which == EventFlags::kRead;
    switch (operation) {
      case 0:
      case 1: {
        const size_t size = 1 + one_of(one_of(4) == 0 ? 1000 : 20);
        text = absl::StrCat("append ", size);
        connection.output().Append(std::string(size, 'x'));
        end.output += size;
        break;
      }
      case 2: {
        const size_t size = 1 + one_of(one_of(2) == 0 ? 1000 : 20);
        text = absl::StrCat("drain ", size);
        connection.input().Drain(size);
        end.input -= std::min(end.input, size);
        break;
      }
      case 3:
        text = "enable";
        ASSERT_TRUE(connection.Enable(which).ok());
        (reads ? end.read_enabled : end.write_enabled) = true;
        break;
      case 4:
        if (one_of(2) == 0) break;
        text = "disable";
        connection.Disable(which);
        (reads ? end.read_enabled : end.write_enabled) = false;
        break;
      case 5: {
        const Watermarks marks = {.low = one_of(20), .high = one_of(60)};
        text = absl::StrCat("watermarks ", marks.low, " ", marks.high);
        connection.SetWatermarks(which, marks.low, marks.high);
        (reads ? end.read : end.write) = marks;
        break;
      }
      case 6:
        end.read_timeout = static_cast<int64_t>(one_of(10));
        end.write_timeout = static_cast<int64_t>(one_of(10));
        text =
            absl::StrCat("timeouts ", end.read_timeout, " ", end.write_timeout);
        connection.SetTimeouts(seconds(end.read_timeout),
                               seconds(end.write_timeout));
        model.RestartTimers(end);
        break;
      default: {
        // Nothing is under way when time passes.
        Run();
        model.Run();
        const int64_t passed = static_cast<int64_t>(one_of(6));
        text = absl::StrCat("pass ", passed);
        kernel_.Advance(seconds(passed));
        base_->UpdateNow();
        model.now += passed;
        Run();
        model.Run();
      }
    }
  }

  void Run() {
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }

  // And forgets what was told.
  static testing::AssertionResult Matches(ModelEnd& model, RealEnd& real) {
    const BufferEvent& connection = *real.connection;
    auto describe = [](size_t input, size_t output, bool reads, bool writes,
                       bool told_read, bool told_written, int read_timeouts,
                       int write_timeouts) {
      return absl::StrCat("input ", input, ", output ", output, ", reads ",
                          reads, ", writes ", writes, ", told of reading ",
                          told_read, ", of writing ", told_written,
                          ", timeouts ", read_timeouts, " ", write_timeouts);
    };
    const std::string expected =
        describe(model.input, model.output, model.read_enabled,
                 model.write_enabled, model.told_read, model.told_written,
                 model.read_timeouts, model.write_timeouts);
    const std::string actual = describe(
        connection.input().size(), connection.output().size(),
        connection.read_enabled(), connection.write_enabled(), real.told_read,
        real.told_written, real.read_timeouts, real.write_timeouts);
    model.told_read = model.told_written = false;
    real.told_read = real.told_written = false;
    if (expected == actual) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "expected: " << expected << "\nactual:   " << actual << '\n';
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ = GetParam().MakeBase(kernel_);
};

TEST_P(ConnectionModelTest, BehavesAsTheModel) {
  if (base_ == nullptr) return;
  for (uint32_t seed = 0; seed < (kSanitized ? 25U : 60U); ++seed) {
    ASSERT_NO_FATAL_FAILURE(RunScript(seed, 100));
  }
}

INSTANTIATE_TEST_SUITE_P(AllKinds, ConnectionModelTest,
                         testing::ValuesIn(AllConnectionKinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace percore
