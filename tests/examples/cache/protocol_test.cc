#include "percore/examples/cache/protocol.h"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

namespace percore::cache {
namespace {

using std::literals::operator""s;

static_assert(std::forward_iterator<WordList::Iterator>);

constexpr std::string_view kAccepted = "(accepted)";
constexpr std::string_view kSilent = {};
constexpr std::string_view kError = "ERROR\r\n";
constexpr std::string_view kBadFormat =
    "CLIENT_ERROR bad command line format\r\n";
constexpr std::string_view kBadDelete =
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
constexpr std::string_view kBadDelta =
    "CLIENT_ERROR invalid numeric delta argument\r\n";
constexpr std::string_view kBadExptime =
    "CLIENT_ERROR invalid exptime argument\r\n";
constexpr std::string_view kTooLarge =
    "SERVER_ERROR object too large for cache\r\n";

const std::string k250 = std::string(250, 'k');
const std::string k251 = std::string(251, 'k');

std::string_view ReplyOf(const ParseResult& result) {
  const auto* error = std::get_if<CommandError>(&result);
  return error == nullptr ? kAccepted : error->reply;
}

Command Parse(std::string_view line) {
  const ParseResult result = ParseCommand(line);
  EXPECT_EQ(ReplyOf(result), kAccepted) << line;
  const auto* command = std::get_if<Command>(&result);
  return command != nullptr ? *command : Command{.kind = CommandKind::kQuit};
}

CommandError ParseError(std::string_view line) {
  const ParseResult result = ParseCommand(line);
  const auto* error = std::get_if<CommandError>(&result);
  EXPECT_NE(error, nullptr) << line;
  return error != nullptr ? *error : CommandError{};
}

std::vector<std::string_view> Words(const WordList& list) {
  std::vector<std::string_view> words;
  for (std::string_view word : list) words.push_back(word);
  return words;
}

struct LineCase {
  std::string line;
  std::string_view reply;
};

void ExpectReplies(const std::vector<LineCase>& cases) {
  for (const LineCase& c : cases) {
    EXPECT_EQ(ReplyOf(ParseCommand(c.line)), c.reply) << "'" << c.line << "'";
  }
}

// The tables hold what memcached 1.6.18 was seen to answer, line by line.
// "(accepted)" stands for any answer of a command that was carried out, or for
// its waiting for the data block.

TEST(ProtocolTest, AnswersWhatIsNoCommandAsMemcachedDoes) {
  ExpectReplies({
      {"", kError},
      {" ", kError},
      {"  ", kError},
      {"\0"s, kError},
      {"g", kError},
      {"GET a", kError},
      {"VERSION", kError},
      {"bogus", kError},
      {"bogus a b c", kError},
      {"bogus noreply", kError},
      {"versionx", kError},
      {"quitx", kError},
      {"statsx", kError},
      {"stats\tx", kError},
      {"\tget a", kError},
      {"get\ta", kError},
      {"get\0 a"s, kError},
      {"set\0 a 0 0 1"s, kError},
      {"version\r", kError},
  });
}

TEST(ProtocolTest, AnswersGetAsMemcachedDoes) {
  ExpectReplies({
      {"get", kError},
      {"get ", kError},
      {"get \0"s, kError},
      {"gets", kError},
      {"get a", kAccepted},
      {"get  a", kAccepted},
      {" get a", kAccepted},
      {"  get  a  ", kAccepted},
      {"get a ", kAccepted},
      {"get a\r", kAccepted},
      {"get a b c", kAccepted},
      {"gets a b c", kAccepted},
      {"get noreply", kAccepted},
      {"get a noreply", kAccepted},
      {"get a\tb", kAccepted},
      {"get a\x01"
       "b",
       kAccepted},
      {"get a\0b"s, kAccepted},
      {"get " + k250, kAccepted},
      {"get " + k251, kBadFormat},
      {"gets " + k251, kBadFormat},
      {"get a " + k251, kBadFormat},
      {"get " + k251 + " noreply", kBadFormat},
      {"get a\0 "s + k251, kAccepted},
  });
}

TEST(ProtocolTest, AnswersStorageCommandsAsMemcachedDoes) {
  ExpectReplies({
      {"set", kError},
      {"set  ", kError},
      {"set a", kError},
      {"set a 0", kError},
      {"set a 0 0", kError},
      {"set noreply", kError},
      {"set a noreply", kError},
      {"set a 0 noreply", kError},
      {"add", kError},
      {"replace a 0 0", kError},
      {"append a", kError},
      {"prepend a", kError},
      {"set a 0 0 1 noreply x", kError},
      {"set a 0 0 3 noreply noreply", kError},
      {"set a 0 0 1 x y", kError},
      {k251, kError},
      {"set " + k251 + " 0 0", kError},

      {"set a 0 0 1", kAccepted},
      {"add a 0 0 1", kAccepted},
      {"replace a 0 0 1", kAccepted},
      {"append a 0 0 1", kAccepted},
      {"prepend a 0 0 1", kAccepted},
      {"set  a  0  0  3", kAccepted},
      {"set a 0 0 3 ", kAccepted},
      {"set a 0 0 1 noreply", kAccepted},
      {"set a 0 0 1 norepl", kAccepted},
      {"set a 0 0 1 x", kAccepted},
      {"set a 0 0 1 noreply\r", kAccepted},
      {"set a 0 0 0", kAccepted},
      {"set a 0 0 +1", kAccepted},
      {"set a 0 0 01", kAccepted},
      {"set a +1 0 1", kAccepted},
      {"set a \t5 0 1", kAccepted},
      {"set a 5\tx 0 1", kAccepted},
      {"set a 5 \v0\tjunk 1\f", kAccepted},
      {"set a 4294967295 0 1", kAccepted},
      {"set a 4294967296 0 1", kAccepted},
      {"set a 18446744073709551615 0 3", kAccepted},
      {"set a 0 -1 1", kAccepted},
      {"set a 0 2147483648 1", kAccepted},
      {"set a 0 99999999999 1", kAccepted},
      {"set a 0 9223372036854775807 3", kAccepted},
      {"set " + k250 + " 0 0 1", kAccepted},
      {"set a\tb 0 0 1", kAccepted},
      {"set a\x01"
       "b 0 0 1",
       kAccepted},
      {"set a\xff"
       "b 0 0 1",
       kAccepted},
      {"set x\ry 0 0 1", kAccepted},
      {"set a\0b 0 0 1"s, kError},
      {"set a 0 0 1\0 noreply x"s, kAccepted},

      {"set " + k251 + " 0 0 1", kBadFormat},
      {"set " + k251 + " 0 0 x", kBadFormat},
      {"set a 0 0 x", kBadFormat},
      {"set a x 0 1", kBadFormat},
      {"set a 0 x 1", kBadFormat},
      {"set a 0 0 -1", kBadFormat},
      {"set a -1 0 1", kBadFormat},
      {"set a 1.5 0 1", kBadFormat},
      {"set a 0x10 0 1", kBadFormat},
      {"set a 0 0 1x", kBadFormat},
      {"set a 5 + 1", kBadFormat},
      {"set a 5 - 1", kBadFormat},
      {"set a 5 +-1 1", kBadFormat},
      {"set a +-5 0 1", kBadFormat},
      {"set a 18446744073709551616 0 3", kBadFormat},
      {"set a -4294967295 0 3", kBadFormat},
      {"set a 0 99999999999999999999 1", kBadFormat},
      {"set a 0 9223372036854775808 3", kBadFormat},
      {"set a 0 -9223372036854775809 3", kBadFormat},
      {"set a 0 0 2147483646", kBadFormat},
      {"set a 0 0 2147483647", kBadFormat},
      {"set a 0 0 2147483648", kBadFormat},
      {"set a 0 0 9223372036854775807", kBadFormat},
      {"set a 0 0 18446744073709551616", kBadFormat},
      {"set a x 0 9999999", kBadFormat},
      {"set " + k251 + " 0 0 9999999", kBadFormat},

      {"set " + k251 + " 0 0 1 noreply", kSilent},
      {"set a 0 0 x noreply", kSilent},
      {"set a x 0 3 noreply", kSilent},
      {"set a 0 x 3 noreply", kSilent},
      {"set a 0 0 -1 noreply", kSilent},
      {"set a 0 0 noreply", kSilent},
      {"set a 0 0 2000000", kTooLarge},
      {"set a 0 0 2147483645", kTooLarge},
      {"set a 0 0 2147483645 noreply", kSilent},
  });
}

TEST(ProtocolTest, AnswersCasAsMemcachedDoes) {
  ExpectReplies({
      {"cas", kError},
      {"cas a", kError},
      {"cas a 0 0 1", kError},
      {"cas a 0 0 noreply", kError},
      {"cas a 0 0 1 1 noreply x", kError},
      {"cas a 0 0 1 1", kAccepted},
      {"cas a 0 0 1 1 noreply", kAccepted},
      {"cas a 0 0 1 5 noreplyx", kAccepted},
      {"cas a 0 0 1 18446744073709551615", kAccepted},
      {"cas a 0 0 1 x", kBadFormat},
      {"cas a 0 0 1 -1", kBadFormat},
      {"cas a 0 0 1 18446744073709551616", kBadFormat},
      {"cas a x 0 3 1", kBadFormat},
      {"cas a 0 0 -3 1", kBadFormat},
      {"cas a 0 0 9999999 x", kBadFormat},
      {"cas a 0 0 1 noreply", kSilent},
      {"cas a 0 0 1 x noreply", kSilent},
      {"cas a 0 0 1 noreply noreply", kSilent},
      {"cas a 0 0 9999999 1", kTooLarge},
  });
}

TEST(ProtocolTest, AnswersDeleteAsMemcachedDoes) {
  ExpectReplies({
      {"delete", kError},
      {"delete a b c d", kError},
      {"delete a b c d noreply", kError},
      {"delete a 0 0 0", kError},
      {"delete a 0 noreply x", kError},
      {"delete a", kAccepted},
      {"delete a 0", kAccepted},
      {"delete a  0", kAccepted},
      {"delete noreply", kAccepted},
      {"delete a noreply", kAccepted},
      {"delete a 0 noreply", kAccepted},
      {"delete a\0 b"s, kAccepted},
      {"delete a 1", kBadDelete},
      {"delete a 00", kBadDelete},
      {"delete a b", kBadDelete},
      {"delete a 0 x", kBadDelete},
      {"delete a 0 0", kBadDelete},
      {"delete a b c", kBadDelete},
      {"delete a noreply 0", kBadDelete},
      {"delete a noreplyx", kBadDelete},
      {"delete a NOREPLY", kBadDelete},
      {"delete " + k251 + " b", kBadDelete},
      {"delete " + k251, kBadFormat},
      {"delete a 1 noreply", kSilent},
      {"delete a b noreply", kSilent},
      {"delete a noreply noreply", kSilent},
      {"delete " + k251 + " noreply", kSilent},
  });
}

TEST(ProtocolTest, AnswersIncrAndDecrAsMemcachedDoes) {
  ExpectReplies({
      {"incr", kError},
      {"incr a", kError},
      {"incr noreply", kError},
      {"incr a 1 2 3", kError},
      {"incr a 1 2 3 noreply", kError},
      {"incr a 1 noreply x", kError},
      {"decr", kError},
      {"incr a 1", kAccepted},
      {"decr a 1", kAccepted},
      {"incr a  1", kAccepted},
      {"incr a 1 ", kAccepted},
      {"incr a +1", kAccepted},
      {"incr a 1 x", kAccepted},
      {"incr a 1 noreply", kAccepted},
      {"incr a 18446744073709551615", kAccepted},
      {"incr a x", kBadDelta},
      {"incr a -1", kBadDelta},
      {"incr a 1x", kBadDelta},
      {"incr a 0x1", kBadDelta},
      {"incr a 18446744073709551616", kBadDelta},
      {"incr a -9223372036854775808", kBadDelta},
      {"incr " + k251 + " 1", kBadFormat},
      {"incr " + k251 + " x", kBadFormat},
      {"incr a x noreply", kSilent},
      {"incr a -1 noreply", kSilent},
      {"incr a noreply", kSilent},
      {"incr noreply noreply", kSilent},
      {"incr a 99999999999999999999 noreply", kSilent},
      {"incr " + k251 + " 1 noreply", kSilent},
  });
}

TEST(ProtocolTest, AnswersTouchAsMemcachedDoes) {
  ExpectReplies({
      {"touch", kError},
      {"touch a", kError},
      {"touch noreply", kError},
      {"touch a 1 2 3", kError},
      {"touch a 0 x noreply", kError},
      {"touch a 0", kAccepted},
      {"touch a -1", kAccepted},
      {"touch a 1 2", kAccepted},
      {"touch a 1 noreply", kAccepted},
      {"touch a 4294967296", kAccepted},
      {"touch a x", kBadExptime},
      {"touch a \t", kBadExptime},
      {"touch a 99999999999999999999", kBadExptime},
      {"touch " + k251 + " 0", kBadFormat},
      {"touch " + k251 + " x", kBadFormat},
      {"touch a x noreply", kSilent},
      {"touch a noreply", kSilent},
      {"touch " + k251 + " 1 noreply", kSilent},
  });
}

TEST(ProtocolTest, AnswersTheOtherCommandsAsMemcachedDoes) {
  ExpectReplies({
      {"flush_all", kAccepted},
      {"flush_all  ", kAccepted},
      {"flush_all 0", kAccepted},
      {"flush_all -1", kAccepted},
      {"flush_all 1 2", kAccepted},
      {"flush_all 5 x", kAccepted},
      {"flush_all noreply", kAccepted},
      {"flush_all  noreply", kAccepted},
      {"flush_all 0 noreply", kAccepted},
      {"flush_all -5 noreply", kAccepted},
      {"flush_all 99999999999", kAccepted},
      {"flush_all x", kBadExptime},
      {"flush_all x 5", kBadExptime},
      {"flush_all 1x", kBadExptime},
      {"flush_all -", kBadExptime},
      {"flush_all 0x", kBadExptime},
      {"flush_all noreply 0", kBadExptime},
      {"flush_all 99999999999999999999", kBadExptime},
      {"flush_all x noreply", kSilent},
      {"flush_all noreply noreply", kSilent},
      {"flush_all 1 2 3", kError},
      {"flush_all 0 0 noreply", kError},
      {"flush_all 0 noreply extra", kError},

      {"verbosity", kError},
      {"verbosity 0 1 2", kError},
      {"verbosity 0 1 noreply", kError},
      {"verbosity 0", kAccepted},
      {"verbosity  1", kAccepted},
      {"verbosity +1", kAccepted},
      {"verbosity 1\tx", kAccepted},
      {"verbosity 0 1", kAccepted},
      {"verbosity 0 noreply", kAccepted},
      {"verbosity 99999999999", kAccepted},
      {"verbosity x", kBadFormat},
      {"verbosity -1", kBadFormat},
      {"verbosity 18446744073709551616", kBadFormat},
      {"verbosity x noreply", kSilent},
      {"verbosity noreply", kSilent},

      {"version", kAccepted},
      {" version", kAccepted},
      {"version ", kAccepted},
      {"version x", kAccepted},
      {"version noreply", kAccepted},
      {"stats", kAccepted},
      {"stats  ", kAccepted},
      {"stats settings noreply", kAccepted},
      {"quit", kAccepted},
      {" quit", kAccepted},
      {"quit noreply", kAccepted},
      {"quit a b c d", kAccepted},
  });
}

// What is unlike memcached on purpose. Behind each line: what it does.
TEST(ProtocolTest, IsStricterThanMemcachedWhereThatProtectsAgainstSmuggling) {
  ExpectReplies({
      {"set a 0 0 4294967299", kBadFormat},               // takes 3 bytes
      {"set a 0 0 4294967296", kBadFormat},               // takes 0 bytes
      {"set a 0 0 -4294967293", kBadFormat},              // takes 3 bytes
      {"set a 0 0 -9223372036854775808", kBadFormat},     // takes 0 bytes
      {"set a -0 0 3", kBadFormat},                       // flags 0
      {"set a -18446744073709551615 0 3", kBadFormat},    // flags 1
      {"incr a -0", kBadDelta},                           // adds 0
      {"incr a -18446744073709551615", kBadDelta},        // adds 1
      {"cas a 0 0 3 -18446744073709551615", kBadFormat},  // unique 1
  });
}

TEST(ProtocolTest, DoesNotKnowTheOtherCommandsOfMemcached) {
  for (std::string_view line :
       {"gat 0 a", "gats 0 a", "bget a", "me a", "mn", "mg a", "ms a 1", "md a",
        "ma a", "slabs", "lru", "watch", "cache_memlimit 64", "shutdown",
        "misbehave"}) {
    EXPECT_EQ(ParseError(line).reply, kError) << line;
  }
}

TEST(ProtocolTest, ReadsEveryKindOfCommand) {
  const std::vector<std::pair<std::string_view, CommandKind>> cases = {
      {"get a", CommandKind::kGet},
      {"gets a", CommandKind::kGets},
      {"set a 0 0 1", CommandKind::kSet},
      {"add a 0 0 1", CommandKind::kAdd},
      {"replace a 0 0 1", CommandKind::kReplace},
      {"append a 0 0 1", CommandKind::kAppend},
      {"prepend a 0 0 1", CommandKind::kPrepend},
      {"cas a 0 0 1 1", CommandKind::kCas},
      {"delete a", CommandKind::kDelete},
      {"incr a 1", CommandKind::kIncr},
      {"decr a 1", CommandKind::kDecr},
      {"touch a 1", CommandKind::kTouch},
      {"flush_all", CommandKind::kFlushAll},
      {"version", CommandKind::kVersion},
      {"verbosity 1", CommandKind::kVerbosity},
      {"stats", CommandKind::kStats},
      {"quit", CommandKind::kQuit},
  };
  for (const auto& [line, kind] : cases) {
    EXPECT_EQ(Parse(line).kind, kind) << line;
    EXPECT_FALSE(Parse(line).noreply) << line;
  }
}

TEST(ProtocolTest, ListsTheKeysOfAGet) {
  EXPECT_EQ(Words(Parse("get one").keys),
            (std::vector<std::string_view>{"one"}));
  EXPECT_EQ(Words(Parse("  gets  one  two one ").keys),
            (std::vector<std::string_view>{"one", "two", "one"}));
  EXPECT_EQ(Words(Parse("get a\tb c\r").keys),
            (std::vector<std::string_view>{"a\tb", "c\r"}));
}

TEST(ProtocolTest, ListsTensOfThousandsOfKeys) {
  std::string line = "get";
  for (int i = 0; i < 20000; ++i) line += " k" + std::to_string(i);
  const std::vector<std::string_view> keys = Words(Parse(line).keys);
  ASSERT_EQ(keys.size(), 20000);
  EXPECT_EQ(keys.front(), "k0");
  EXPECT_EQ(keys.back(), "k19999");
}

TEST(ProtocolTest, ReadsTheFieldsOfAStorageCommand) {
  const Command command = Parse("set greeting 7 -60 5");
  EXPECT_EQ(command.key, "greeting");
  EXPECT_EQ(command.flags, 7);
  EXPECT_EQ(command.exptime, -60);
  EXPECT_EQ(command.value_size, 5);
  EXPECT_FALSE(command.noreply);
  EXPECT_TRUE(Parse("add greeting 7 -60 5 noreply").noreply);
}

TEST(ProtocolTest, KeepsTheLowestBitsOfLargeFlags) {
  EXPECT_EQ(Parse("set a 4294967295 0 1").flags, 4294967295);
  EXPECT_EQ(Parse("set a 4294967297 0 1").flags, 1);
  EXPECT_EQ(Parse("set a 18446744073709551615 0 1").flags, 4294967295);
}

TEST(ProtocolTest, ReadsExptimesAfter2038) {
  EXPECT_EQ(Parse("set a 0 4294967296 1").exptime, 4294967296);
  EXPECT_EQ(Parse("touch a 4294967296").exptime, 4294967296);
}

TEST(ProtocolTest, ReadsTheUniqueOfACas) {
  const Command command = Parse("cas a 1 2 3 18446744073709551615 noreply");
  EXPECT_EQ(command.cas_unique, 18446744073709551615u);
  EXPECT_EQ(command.value_size, 3);
  EXPECT_TRUE(command.noreply);
}

TEST(ProtocolTest, TakesTheOnlyWordOfADeleteForItsKey) {
  EXPECT_EQ(Parse("delete noreply").key, "noreply");
  EXPECT_FALSE(Parse("delete noreply").noreply);
  EXPECT_EQ(Parse("delete a 0 noreply").key, "a");
  EXPECT_TRUE(Parse("delete a 0 noreply").noreply);
}

TEST(ProtocolTest, ReadsDeltas) {
  const Command command = Parse("decr a 18446744073709551615 noreply");
  EXPECT_EQ(command.key, "a");
  EXPECT_EQ(command.delta, 18446744073709551615u);
  EXPECT_TRUE(command.noreply);
}

TEST(ProtocolTest, ReadsTouchAndFlush) {
  EXPECT_EQ(Parse("touch a -1").exptime, -1);
  EXPECT_EQ(Parse("flush_all").exptime, 0);
  EXPECT_EQ(Parse("flush_all 10").exptime, 10);
  EXPECT_EQ(Parse("flush_all 10 noreply").exptime, 10);
  EXPECT_TRUE(Parse("flush_all noreply").noreply);
  EXPECT_EQ(Parse("flush_all noreply").exptime, 0);
}

TEST(ProtocolTest, ListsTheArgumentsOfStats) {
  EXPECT_TRUE(Words(Parse("stats").arguments).empty());
  EXPECT_EQ(Words(Parse("stats items 3").arguments),
            (std::vector<std::string_view>{"items", "3"}));
}

TEST(ProtocolTest, AcceptsValuesUpToOneMebibyte) {
  EXPECT_EQ(Parse("set a 0 0 1048576").value_size, 1048576);
  EXPECT_EQ(ReplyOf(ParseCommand("set a 0 0 1048577")), kTooLarge);
}

TEST(ProtocolTest, SaysHowMuchDataOfATooLargeValueToSkip) {
  EXPECT_EQ(ParseError("set a 0 0 1048577").skip, 1048579);
  EXPECT_EQ(ParseError("set a 0 0 1048577 noreply").skip, 1048579);
  EXPECT_EQ(ParseError("cas a 0 0 2147483645 1").skip, 2147483647);
}

TEST(ProtocolTest, SkipsNothingAfterAnyOtherError) {
  for (std::string_view line :
       {"set a x 0 3", "set a 0 0 -1", "set a 0 0 x", "set a 0 0",
        "set a 0 0 2147483646", "cas a 0 0 3 x", "bogus"}) {
    EXPECT_EQ(ParseError(line).skip, 0) << line;
    EXPECT_EQ(ParseError(line).stale_key, "") << line;
  }
}

TEST(ProtocolTest, NamesTheStaleKeyOfATooLargeSetOnly) {
  EXPECT_EQ(ParseError("set a 0 0 1048577").stale_key, "a");
  EXPECT_EQ(ParseError("set a 0 0 1048577 noreply").stale_key, "a");
  for (std::string_view line :
       {"add a 0 0 1048577", "replace a 0 0 1048577", "append a 0 0 1048577",
        "prepend a 0 0 1048577", "cas a 0 0 1048577 1"}) {
    EXPECT_EQ(ParseError(line).stale_key, "") << line;
    EXPECT_EQ(ParseError(line).skip, 1048579) << line;
  }
}

TEST(UnfinishedLineTest, AnyLineMayGrowToTheLimitOfLines) {
  EXPECT_EQ(CheckUnfinishedLine("", 0), UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("xxxx", 2048), UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("xxxx", 2049), UnfinishedLine::kTooLong);
  EXPECT_EQ(CheckUnfinishedLine("set a", 2049), UnfinishedLine::kTooLong);
}

TEST(UnfinishedLineTest, OnlyGetAndGetsMayBecomeLonger) {
  EXPECT_EQ(CheckUnfinishedLine("get a", 2049), UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("gets a", 2049), UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("  get a", 2049), UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("get\ta", 2049), UnfinishedLine::kTooLong);
  EXPECT_EQ(CheckUnfinishedLine("getx", 2049), UnfinishedLine::kTooLong);
  EXPECT_EQ(CheckUnfinishedLine("gat 0 x", 2049), UnfinishedLine::kTooLong);
}

TEST(UnfinishedLineTest, AGetMayNotGrowForEver) {
  EXPECT_EQ(CheckUnfinishedLine("get a", kMaxGetLineSize),
            UnfinishedLine::kWait);
  EXPECT_EQ(CheckUnfinishedLine("get a", kMaxGetLineSize + 1),
            UnfinishedLine::kTooLong);
}

TEST(UnfinishedLineTest, UpToAHundredBlanksMayStandBeforeALongGet) {
  for (std::string_view get : {"get a", "gets a"}) {
    const std::string hundred = std::string(100, ' ') + std::string(get);
    const std::string more = " " + hundred;
    const auto beginning = [](const std::string& line) {
      return std::string_view(line).substr(0, kLineBeginningSize);
    };
    EXPECT_EQ(CheckUnfinishedLine(beginning(hundred), 4000),
              UnfinishedLine::kWait);
    EXPECT_EQ(CheckUnfinishedLine(beginning(more), 4000),
              UnfinishedLine::kTooLong);
  }
  const std::string blanks(kLineBeginningSize, ' ');
  EXPECT_EQ(CheckUnfinishedLine(blanks, 4000), UnfinishedLine::kTooLong);
}

}  // namespace
}  // namespace percore::cache
