#include "percore/metrics/bounded_labels.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

TEST(BoundedLabelsTest, ANameIsItsLabel) {
  BoundedLabels labels(2);
  EXPECT_EQ(labels.LabelOf("web"), "web");
  EXPECT_EQ(labels.LabelOf("admin"), "admin");
}

TEST(BoundedLabelsTest, NamesBeyondTheLimitShareOne) {
  BoundedLabels labels(3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(labels.LabelOf(absl::StrCat(i)), absl::StrCat(i));
  }
  EXPECT_EQ(labels.LabelOf("3"), "_other");
  EXPECT_EQ(labels.LabelOf("4"), "_other");
}

TEST(BoundedLabelsTest, ANameKeepsItsLabelWhenTheLimitIsReached) {
  BoundedLabels labels(1);
  EXPECT_EQ(labels.LabelOf("web"), "web");
  EXPECT_EQ(labels.LabelOf("admin"), "_other");
  EXPECT_EQ(labels.LabelOf("web"), "web");
  EXPECT_EQ(labels.LabelOf("admin"), "_other");
}

TEST(BoundedLabelsTest, BytesThatAreNotPrintableAreShownAsQuestionMarks) {
  BoundedLabels labels(9);
  EXPECT_EQ(labels.LabelOf("a\xff\n\"b\x7f~ "), "a??\"b?~ ");
}

TEST(BoundedLabelsTest, NamesThatLookTheSameHaveOneLabel) {
  BoundedLabels labels(9);
  EXPECT_EQ(labels.LabelOf("web\x01"), "web?");
  EXPECT_EQ(labels.LabelOf("web\x02"), "web?");
}

}  // namespace
}  // namespace percore
