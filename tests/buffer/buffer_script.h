// What is done to a few Buffers, written down: a sequence of operations that
// can be made up at random, read from any bytes, printed, and shortened.
//
// Each operation says by itself what it does, down to the bytes that it
// appends: whatever operations are taken out of a script, what remains is a
// script.
#ifndef PERCORE_TESTS_BUFFER_BUFFER_SCRIPT_H_
#define PERCORE_TESTS_BUFFER_BUFFER_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace percore {

// The public functions of Buffer, and of what observes it.
enum class OperationCode : uint8_t {
  // Bytes that come from elsewhere.
  kAppend,
  kAppendOwnBytes,
  kAppendExtents,
  kAppendFormat,
  kAppendPrintf,
  kAppendCord,
  kAppendReference,
  kAppendFile,
  kAppendFileRange,
  kPrepend,
  kPrependOwnBytes,
  kReserve,
  kCommit,
  kReserveAndCommit,
  kExpandAndAppend,
  kReadFrom,
  // Bytes that come from another Buffer.
  kAppendShared,
  kAppendBuffer,
  kPrependBuffer,
  kMoveFrom,
  kPrependFrom,
  kMoveAssign,
  kMoveConstruct,
  // Bytes that go, or stay where they are.
  kDrain,
  kClear,
  kRemove,
  kReadLine,
  kWriteTo,
  kPullup,
  kUnshare,
  kReplace,
  // Looking.
  kCopyOut,
  kPeek,
  kToString,
  kToCord,
  kFind,
  kFindLineEnd,
  kSetPosition,
  kAdvancePosition,
  kLookFromPosition,
  kFindFromPosition,
  kFindLineEndFromPosition,
  // What the Buffer is told about itself.
  kFreeze,
  kUnfreeze,
  kSetSizeLimit,
  kSetMaxRead,
  kAddObserver,
  kRemoveObserver,
  kSwitchObserver,
};

inline constexpr size_t kOperationCodes =
    static_cast<size_t>(OperationCode::kSwitchObserver) + 1;
inline constexpr size_t kSubjects = 4;

struct Operation {
  OperationCode code = OperationCode::kAppend;
  // The Buffer, and another one (perhaps the same) where two take part.
  uint8_t subject = 0;
  uint8_t other = 0;
  // The three lowest bits: how large Size() is. The rest: flags.
  uint8_t variant = 0;
  uint32_t value = 0;

  bool operator==(const Operation&) const = default;

  // A number of bytes: small as a rule, sometimes near one of the borders that
  // the code knows, sometimes many segments. Smaller for a smaller `value`.
  size_t Size() const;
  // One of the kFlags flags that choose between variants of the operation.
  static constexpr int kFlags = 5;
  bool Flag(int index) const { return ((variant >> (3 + index)) & 1) != 0; }
  // Any number below `limit`, which is not 0; another one for another `which`.
  size_t Number(uint32_t which, size_t limit) const;
};

using Script = std::vector<Operation>;

// Any bytes are a script, eight an operation; the last ones may be left over.
Script ParseScript(std::span<const uint8_t> bytes);

// The same script for the same seed, of 100 to 1500 operations.
Script RandomScript(uint64_t seed);

// "MoveFrom subject=1 other=2 variant=13 value=400 (size 400)"
std::string Describe(const Operation& operation);
// The same for all, numbered, a line each.
std::string Describe(const Script& script);

const char* NameOf(OperationCode code);

}  // namespace percore

#endif  // PERCORE_TESTS_BUFFER_BUFFER_SCRIPT_H_
