#include "percore/runtime/gate.h"

#include <gtest/gtest.h>

#include <optional>

namespace percore {
namespace {

TEST(GateTest, NotifiesAtOnceWhenNobodyHoldsIt) {
  Gate gate;
  int notified = 0;
  gate.NotifyWhenEmpty([&notified] { ++notified; });
  EXPECT_EQ(notified, 1);
}

TEST(GateTest, NotifiesOnceTheLastHolderIsGone) {
  Gate gate;
  int notified = 0;
  std::optional<Gate::Holder> first(std::in_place, gate);
  std::optional<Gate::Holder> second(std::in_place, gate);
  gate.NotifyWhenEmpty([&notified] { ++notified; });
  EXPECT_EQ(gate.holders(), 2u);
  first.reset();
  EXPECT_EQ(notified, 0);
  second.reset();
  EXPECT_EQ(notified, 1);
}

TEST(GateTest, NotifiesOnlyOnce) {
  Gate gate;
  int notified = 0;
  gate.NotifyWhenEmpty([&notified] { ++notified; });
  { Gate::Holder again(gate); }
  EXPECT_EQ(notified, 1);
}

}  // namespace
}  // namespace percore
