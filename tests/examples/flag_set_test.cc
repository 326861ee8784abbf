#include "percore/examples/flag_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace percore {
namespace {

using testing::HasSubstr;

class FlagSetTest : public testing::Test {
 protected:
  void SetUp() override {
    flags_.Add("number", "N", "a number", [this](std::string_view value) {
      return ParseNumberFlag(value, 1, 10, &number_);
    });
    flags_.Add("text", "TEXT", "a text", [this](std::string_view value) {
      text_ = value;
      return absl::OkStatus();
    });
  }

  absl::Status Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "program");
    std::vector<char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    return flags_.Parse(static_cast<int>(arguments.size()), pointers.data());
  }

  FlagSet flags_{"program: does things"};
  int number_ = 0;
  std::string text_;
};

TEST_F(FlagSetTest, ReadsFlagsInAnyOrder) {
  EXPECT_TRUE(Parse({"--text=a=b", "--number", "7"}).ok());
  EXPECT_EQ(number_, 7);
  EXPECT_EQ(text_, "a=b");
  EXPECT_FALSE(flags_.help_requested());
  EXPECT_TRUE(Parse({}).ok());
}

TEST_F(FlagSetTest, SaysWhatIsWrong) {
  EXPECT_EQ(Parse({"--nothing=1"}).message(),
            "unknown flag '--nothing=1': --help lists those there are");
  EXPECT_EQ(Parse({"--number"}).message(), "flag '--number' needs a value");
  EXPECT_EQ(Parse({"--number=11"}).message(),
            "--number: '11' is not a number from 1 to 10");
  EXPECT_EQ(Parse({"--number=1x"}).message(),
            "--number: '1x' is not a number from 1 to 10");
  EXPECT_EQ(Parse({"word"}).message(), "'word' is no flag");
}

TEST_F(FlagSetTest, HelpListsEveryFlag) {
  EXPECT_TRUE(Parse({"--help"}).ok());
  EXPECT_TRUE(flags_.help_requested());
  EXPECT_THAT(flags_.Help(), HasSubstr("program: does things\n"));
  EXPECT_THAT(flags_.Help(), HasSubstr("--number=N"));
  EXPECT_THAT(flags_.Help(), HasSubstr("a text"));
}

}  // namespace
}  // namespace percore
