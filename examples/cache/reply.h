// What the server says, byte for byte as memcached 1.6.18 says it.
//
// Fixed replies are constants that live for ever: a buffer may refer to them
// without a copy. Lines with numbers are written into memory of the caller, so
// that no reply allocates.
//
// ```cpp
// char scratch[cache::kMaxValueLineSize];
// std::string_view line =
//     cache::ValueLine("key", /*flags=*/7, /*value_size=*/5, std::nullopt,
//                      scratch);  // "VALUE key 7 5\r\n"
// if (line.size() != 15) return;
// ```
#ifndef PERCORE_EXAMPLES_CACHE_REPLY_H_
#define PERCORE_EXAMPLES_CACHE_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "percore/examples/cache/item.h"
#include "percore/examples/cache/store.h"

namespace percore::cache {

inline constexpr std::string_view kStoredReply = "STORED\r\n";
inline constexpr std::string_view kNotStoredReply = "NOT_STORED\r\n";
inline constexpr std::string_view kExistsReply = "EXISTS\r\n";
inline constexpr std::string_view kNotFoundReply = "NOT_FOUND\r\n";
inline constexpr std::string_view kDeletedReply = "DELETED\r\n";
inline constexpr std::string_view kTouchedReply = "TOUCHED\r\n";
inline constexpr std::string_view kOkReply = "OK\r\n";
// Ends the values of "get" and "gets", and the lines of "stats".
inline constexpr std::string_view kEndReply = "END\r\n";
// The answer to "stats reset".
inline constexpr std::string_view kResetReply = "RESET\r\n";

// The answer to what is no command, and to a wrong number of words.
inline constexpr std::string_view kErrorReply = "ERROR\r\n";
inline constexpr std::string_view kBadFormatReply =
    "CLIENT_ERROR bad command line format\r\n";
inline constexpr std::string_view kBadDeleteReply =
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
inline constexpr std::string_view kBadDeltaReply =
    "CLIENT_ERROR invalid numeric delta argument\r\n";
inline constexpr std::string_view kBadExptimeReply =
    "CLIENT_ERROR invalid exptime argument\r\n";
inline constexpr std::string_view kNotANumberReply =
    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
// The answer to a data block without a line end at its end.
inline constexpr std::string_view kBadDataChunkReply =
    "CLIENT_ERROR bad data chunk\r\n";
inline constexpr std::string_view kTooLargeReply =
    "SERVER_ERROR object too large for cache\r\n";
// Also where there is no memory for the item itself: its data is then skipped
// first, and "set" drops the old value (Store::Discard).
inline constexpr std::string_view kOutOfMemoryReply =
    "SERVER_ERROR out of memory storing object\r\n";
// The same for "incr" and "decr".
inline constexpr std::string_view kOutOfMemoryCountingReply =
    "SERVER_ERROR out of memory\r\n";

// What the results of a Store are called.
std::string_view ReplyTo(StoreResult result);
std::string_view ReplyTo(DeleteResult result);
std::string_view ReplyTo(TouchResult result);

// "VALUE ", key, flags, size, cas unique, blanks between them and a line end.
inline constexpr size_t kMaxValueLineSize = 6 + kMaxKeySize + 11 + 11 + 21 + 2;

// The line before a value, "VALUE <key> <flags> <value_size> [<cas>]\r\n",
// written to `scratch`. `key` has at most kMaxKeySize bytes, `value_size` is at
// most kMaxValueSize.
std::string_view ValueLine(std::string_view key, uint32_t flags,
                           size_t value_size,
                           std::optional<uint64_t> cas_unique,
                           std::span<char, kMaxValueLineSize> scratch);

inline constexpr size_t kMaxNumberLineSize = 20 + 2;

// The answer to "incr" and "decr", "<number>\r\n", written to `scratch`.
std::string_view NumberLine(uint64_t number,
                            std::span<char, kMaxNumberLineSize> scratch);

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_REPLY_H_
