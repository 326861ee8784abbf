#include "percore/runtime/event_flags.h"

#include <gtest/gtest.h>

namespace percore {
namespace {

TEST(EventFlagsTest, CombineAndMask) {
  EventFlags flags = EventFlags::kRead | EventFlags::kPersist;
  EXPECT_TRUE(Any(flags & EventFlags::kRead));
  EXPECT_FALSE(Any(flags & EventFlags::kWrite));
  flags |= EventFlags::kWrite;
  flags &= ~EventFlags::kRead;
  EXPECT_EQ(flags, EventFlags::kWrite | EventFlags::kPersist);
  EXPECT_FALSE(Any(EventFlags::kNone));
}

TEST(EventFlagsTest, SayThemselvesInWords) {
  EXPECT_EQ(ToString(EventFlags::kNone), "none");
  EXPECT_EQ(ToString(EventFlags::kPersist | EventFlags::kRead),
            "read, persist");
}

}  // namespace
}  // namespace percore
