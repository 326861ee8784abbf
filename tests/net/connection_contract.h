// What the tests of the contract of connections begin with: two connected ends
// of a kind, on a loop with three priorities and a clock that stands still.
#ifndef PERCORE_TESTS_NET_CONNECTION_CONTRACT_H_
#define PERCORE_TESTS_NET_CONNECTION_CONTRACT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/net/connection_kind.h"
#include "percore/tests/net/connection_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {

class ConnectionContractTest : public testing::TestWithParam<ConnectionKind> {
 protected:
  void SetUp() override {
    if (!IsSkipped()) Connect({});
  }

  void Connect(const BufferEventOptions& options) {
    Ends ends = GetParam().connect(*base_, options);
    near_.Take(std::move(ends.near));
    far_.Take(std::move(ends.far));
    ASSERT_TRUE(near_.connection->Enable(EventFlags::kRead).ok());
    ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
    Run();
  }

  // Until nothing more happens.
  void Run(int rounds = 40) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void Pass(Duration duration) {
    kernel_.Advance(duration);
    // A loop that has nothing to wait for does not look at the clock.
    base_->UpdateNow();
    Run();
  }
  bool RunUntil(const std::function<bool()>& condition) {
    for (int i = 0; i < 200'000; ++i) {
      if (condition()) return true;
      if (!base_->Run(RunMode::kNonBlocking).ok()) return false;
    }
    return false;
  }
  // More than all buffers in between hold, and no smaller when compressed.
  static const std::string& ALot() {
    static const auto& bytes = *new std::string([] {
      std::string bytes(8 << 20, '\0');
      std::mt19937_64 random(1);
      for (char& byte : bytes) byte = static_cast<char>(random());
      return bytes;
    }());
    return bytes;
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ = GetParam().MakeBase(kernel_);
  ConnectionSide near_;
  ConnectionSide far_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_NET_CONNECTION_CONTRACT_H_
