#include <gtest/gtest.h>

namespace {

// header_examples.cc is made of the headers' comments: this program exists if
// they compile.
TEST(HeaderExamplesTest, Compile) { SUCCEED(); }

}  // namespace
