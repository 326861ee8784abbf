#include "percore/net/internal/lifeline.h"

#include <gtest/gtest.h>

namespace percore::internal {
namespace {

TEST(LifelineTest, IsCutWithItsObjectAlone) {
  const int object = 0;
  const int other = 0;
  const Lifeline to_object(&object);
  const Lifeline to_other(&other);
  const Lifeline to_object_again(&object);
  Lifeline::Cut(&object);
  EXPECT_TRUE(to_object.cut());
  EXPECT_TRUE(to_object_again.cut());
  EXPECT_FALSE(to_other.cut());
}

TEST(LifelineTest, IsForgottenWhenItsFunctionReturns) {
  const int object = 0;
  const Lifeline outer(&object);
  { const Lifeline inner(&object); }
  EXPECT_FALSE(outer.cut());
  Lifeline::Cut(&object);
  EXPECT_TRUE(outer.cut());
  // An object at the same place is another one.
  const Lifeline later(&object);
  EXPECT_FALSE(later.cut());
}

}  // namespace
}  // namespace percore::internal
