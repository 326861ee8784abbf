#include "percore/net/connection_event.h"

#include <gtest/gtest.h>

namespace percore {
namespace {

TEST(ConnectionEventTest, IsSaidInWords) {
  EXPECT_EQ(ToString(ConnectionEvent::kNone), "none");
  EXPECT_EQ(ToString(ConnectionEvent::kTimeout | ConnectionEvent::kReading),
            "reading, timeout");
  EXPECT_EQ(ToString(~ConnectionEvent::kNone),
            "reading, writing, end of file, error, timeout, connected");
}

}  // namespace
}  // namespace percore
