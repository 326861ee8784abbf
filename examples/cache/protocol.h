// memcached's text protocol: from a line to a command.
//
// A client sends lines; some announce a block of data that follows. Everything
// in a line may be wrong, and what the server answers then, and how many bytes
// it skips, decides whether client and server still agree on where the next
// command begins. ParseCommand() therefore gives back either a Command, checked
// in every part, or the very answer of memcached 1.6.18 (observed, and recorded
// case by case in tests/examples/cache/protocol_test.cc).
//
// ```cpp
// const cache::ParseResult result = cache::ParseCommand("set greeting 0 60 5");
// if (const auto* error = std::get_if<cache::CommandError>(&result)) {
//   if (error->reply.empty()) return;  // the client wants no answer
// } else {
//   const auto& command = std::get<cache::Command>(result);
//   if (command.kind != cache::CommandKind::kSet) return;
//   // Now command.value_size + 2 bytes follow: the value and a line end.
// }
// ```
//
// A line ends at '\n', which one '\r' may precede; both are no part of it. A
// zero byte ends it, too. The words of a line stand between blanks (' ' only:
// other control characters belong to a word, and may even be in a key).
//
// What this parser does unlike memcached, on purpose:
//  - It knows get, gets, set, add, replace, append, prepend, cas, delete, incr,
//    decr, touch, flush_all, version, verbosity, stats and quit; any other
//    command is an ERROR.
//  - The size of a value is read in full, where memcached keeps the lowest 32
//    bits: it takes "set k 0 0 4294967299" for 3 bytes, and runs what follows
//    in the value as commands. Here that is a bad format.
//  - An exptime is read in full, too (see ExpiryOf).
//  - A minus sign is refused where a number cannot be negative (ParseNumber).
//  - Values of exactly 1 MiB fit.
#ifndef PERCORE_EXAMPLES_CACHE_PROTOCOL_H_
#define PERCORE_EXAMPLES_CACHE_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <variant>

namespace percore::cache {

// A line above this size must be a "get" or "gets", with many keys.
inline constexpr size_t kMaxLineSize = 2048;
// memcached knows no limit for these; a client must not fill our memory.
inline constexpr size_t kMaxGetLineSize = 1024 * 1024;

// As many bytes of an unfinished line as CheckUnfinishedLine() wants to see.
inline constexpr size_t kLineBeginningSize = 105;

enum class UnfinishedLine {
  kWait,     // It may still become a command.
  kTooLong,  // It will not; memcached closes the connection without a word.
};

// What to do while no line end has come. `beginning` is the first
// kLineBeginningSize bytes received (all, if these are fewer), `received` the
// number of all.
UnfinishedLine CheckUnfinishedLine(std::string_view beginning, size_t received);

enum class CommandKind : uint8_t {
  kGet,
  kGets,
  kSet,
  kAdd,
  kReplace,
  kAppend,
  kPrepend,
  kCas,
  kDelete,
  kIncr,
  kDecr,
  kTouch,
  kFlushAll,
  kVersion,
  kVerbosity,
  kStats,
  kQuit,
};

// The words of a text, found while iterating: `for (std::string_view key :
// command.keys)`. Refers to the text, and allocates nothing.
class WordList {
 public:
  class Iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    explicit Iterator(std::string_view text) : rest_(text) { ++*this; }

    std::string_view operator*() const { return word_; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(std::default_sentinel_t) const { return word_.empty(); }
    bool operator==(const Iterator& other) const {
      return word_.data() == other.word_.data();
    }

    // What follows the present word.
    std::string_view rest() const { return rest_; }

   private:
    std::string_view word_;
    std::string_view rest_;
  };

  WordList() = default;
  explicit WordList(std::string_view text) : text_(text) {}

  Iterator begin() const { return Iterator(text_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::string_view text_;
};

// A command that can be carried out. Its texts refer to the line. Fields that
// the kind does not name are as initialized here.
struct Command {
  CommandKind kind = CommandKind::kGet;
  // The client wants no answer, and no error either. Never set for get, gets,
  // version, stats and quit.
  bool noreply = false;

  // get and gets: at least one key, each of at most kMaxKeySize bytes.
  WordList keys = {};

  // Storage commands, delete, incr, decr and touch: at most kMaxKeySize bytes.
  std::string_view key = {};

  // Storage commands. `value_size` (at most kMaxValueSize) bytes of data
  // follow, and then two more: if these are not a line end, the answer is
  // kBadDataChunkReply (none with noreply), nothing is stored, and the next
  // line begins behind these two bytes.
  uint32_t flags = 0;
  size_t value_size = 0;

  // Storage commands and touch: see ExpiryOf(). flush_all: see FlushMomentOf().
  int64_t exptime = 0;

  uint64_t cas_unique = 0;  // cas
  uint64_t delta = 0;       // incr and decr
  WordList arguments = {};  // stats: what follows the name
};

// Why a line is no command.
struct CommandError {
  // Lives for ever. Empty if the client wants no answer. memcached sends it
  // after the last skipped byte, not before.
  std::string_view reply;

  // So many bytes after the line are data that belongs to it, and are to be
  // skipped. Only a value that is too large has any.
  size_t skip = 0;

  // If not empty: "set" was to give this key a value that is too large. The old
  // value must go at once (Store::Discard), or clients would be served it for
  // ever.
  std::string_view stale_key = {};
};

using ParseResult = std::variant<Command, CommandError>;

// Parses one line without its line end, of any length. Allocates nothing; the
// result refers to `line`.
ParseResult ParseCommand(std::string_view line);

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_PROTOCOL_H_
