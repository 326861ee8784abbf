#include "percore/examples/proxy_service/control_command.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "percore/examples/proxy_service/rate_text.h"

namespace percore::proxy {
namespace {

using Scope = ControlCommand::Scope;
using Verb = ControlCommand::Verb;

TEST(ControlCommandTest, SetsALimit) {
  struct Case {
    std::string_view line;
    Scope scope;
    std::string_view rate;
    std::string_view burst;
  };
  constexpr Case kCases[] = {
      {"set server 10M", Scope::kServer, "10M", ""},
      {"set network 1M/2M", Scope::kNetwork, "1M/2M", ""},
      {"set connection none", Scope::kConnection, "none", ""},
      {"set server 10M 5M", Scope::kServer, "10M", "5M"},
      {"  set\tserver   10M/1M  5M/2M ", Scope::kServer, "10M/1M", "5M/2M"},
  };
  for (const Case& test : kCases) {
    const auto command = ParseControlCommand(test.line);
    ASSERT_TRUE(command.ok()) << test.line << ": " << command.status();
    EXPECT_EQ(command->verb, Verb::kSet);
    EXPECT_EQ(command->scope, test.scope);
    EXPECT_EQ(command->limit, *ParseLimit(test.rate, test.burst)) << test.line;
  }
}

TEST(ControlCommandTest, PausesAndResumes) {
  struct Case {
    std::string_view line;
    Verb verb;
    EventFlags which;
  };
  constexpr Case kCases[] = {
      {"pause server", Verb::kPause, EventFlags::kRead | EventFlags::kWrite},
      {"pause server read", Verb::kPause, EventFlags::kRead},
      {"resume server write", Verb::kResume, EventFlags::kWrite},
      {"resume server", Verb::kResume, EventFlags::kRead | EventFlags::kWrite},
  };
  for (const Case& test : kCases) {
    const auto command = ParseControlCommand(test.line);
    ASSERT_TRUE(command.ok()) << test.line << ": " << command.status();
    EXPECT_EQ(command->verb, test.verb) << test.line;
    EXPECT_EQ(command->which, test.which) << test.line;
  }
}

TEST(ControlCommandTest, KnowsWhatStandsAlone) {
  EXPECT_EQ(ParseControlCommand("show")->verb, Verb::kShow);
  EXPECT_EQ(ParseControlCommand(" help ")->verb, Verb::kHelp);
  EXPECT_EQ(ParseControlCommand("quit")->verb, Verb::kQuit);
}

TEST(ControlCommandTest, SaysWhatIsWrong) {
  struct Case {
    std::string_view line;
    std::string_view error;
  };
  constexpr Case kCases[] = {
      {"", "no command: help lists those there are"},
      {" \t", "no command: help lists those there are"},
      {"stop", "unknown command 'stop': help lists those there are"},
      {"SHOW", "unknown command 'SHOW': help lists those there are"},
      {"show all", "'show' stands alone"},
      {"set", "it is: set server|network|connection RATE [BURST]"},
      {"set server", "it is: set server|network|connection RATE [BURST]"},
      {"set server 1 2 3", "it is: set server|network|connection RATE [BURST]"},
      {"set client 1M",
       "there is no 'client': set server|network|connection RATE [BURST]"},
      {"set server fast",
       "'fast' is no number of bytes: 500, 100k, 10M, 1G or none"},
      {"set server 0",
       "read rate of 0 bytes a second: nothing would ever move (a group can be "
       "paused)"},
      {"pause", "it is: pause server [read|write]"},
      {"pause network", "it is: pause server [read|write]"},
      {"resume server both", "it is: resume server [read|write]"},
      {"resume server read write", "it is: resume server [read|write]"},
      // Not to be taken for more lines of an answer.
      {"x\ny\xff", "unknown command 'x?y?': help lists those there are"},
  };
  for (const Case& test : kCases) {
    const auto command = ParseControlCommand(test.line);
    ASSERT_FALSE(command.ok()) << test.line;
    EXPECT_EQ(std::string(command.status().message()), test.error);
  }
}

TEST(ControlCommandTest, AnyBytesAreAnsweredInOneLine) {
  std::string line;
  for (int byte = 0; byte < 256; ++byte) {
    line.push_back(static_cast<char>(byte));
  }
  for (const std::string_view begin : {"", "set ", "set server ", "pause "}) {
    const auto command = ParseControlCommand(std::string(begin) + line);
    ASSERT_FALSE(command.ok());
    for (const char byte : command.status().message()) {
      EXPECT_TRUE(byte >= ' ' && byte <= '~');
    }
  }
}

}  // namespace
}  // namespace percore::proxy
