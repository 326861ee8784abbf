#include "percore/tests/buffer/buffer_script.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <random>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

struct CodeInfo {
  OperationCode code;
  const char* name;
  // How often it is in a random script, beside the others.
  int weight;
};

// In the order of their declaration. What grows a Buffer and what shrinks it
// have about the same weight; what makes it refuse changes is rare and does not
// last, or most operations would be refused.
constexpr CodeInfo kCodes[] = {
    {OperationCode::kAppend, "Append", 10},
    {OperationCode::kAppendOwnBytes, "AppendOwnBytes", 3},
    {OperationCode::kAppendExtents, "AppendExtents", 3},
    {OperationCode::kAppendFormat, "AppendFormat", 3},
    {OperationCode::kAppendPrintf, "AppendPrintf", 3},
    {OperationCode::kAppendCord, "AppendCord", 3},
    {OperationCode::kAppendReference, "AppendReference", 6},
    {OperationCode::kAppendFile, "AppendFile", 2},
    {OperationCode::kAppendFileRange, "AppendFileRange", 5},
    {OperationCode::kPrepend, "Prepend", 5},
    {OperationCode::kPrependOwnBytes, "PrependOwnBytes", 2},
    {OperationCode::kReserve, "Reserve", 4},
    {OperationCode::kCommit, "Commit", 4},
    {OperationCode::kReserveAndCommit, "ReserveAndCommit", 6},
    {OperationCode::kExpandAndAppend, "ExpandAndAppend", 5},
    {OperationCode::kReadFrom, "ReadFrom", 6},
    {OperationCode::kAppendShared, "AppendShared", 5},
    {OperationCode::kAppendBuffer, "AppendBuffer", 4},
    {OperationCode::kPrependBuffer, "PrependBuffer", 3},
    {OperationCode::kMoveFrom, "MoveFrom", 14},
    {OperationCode::kPrependFrom, "PrependFrom", 6},
    {OperationCode::kMoveAssign, "MoveAssign", 3},
    {OperationCode::kMoveConstruct, "MoveConstruct", 3},
    {OperationCode::kDrain, "Drain", 14},
    {OperationCode::kClear, "Clear", 5},
    {OperationCode::kRemove, "Remove", 8},
    {OperationCode::kReadLine, "ReadLine", 6},
    {OperationCode::kWriteTo, "WriteTo", 16},
    {OperationCode::kPullup, "Pullup", 10},
    {OperationCode::kUnshare, "Unshare", 4},
    {OperationCode::kReplace, "Replace", 2},
    {OperationCode::kCopyOut, "CopyOut", 5},
    {OperationCode::kPeek, "Peek", 5},
    {OperationCode::kToString, "ToString", 2},
    {OperationCode::kToCord, "ToCord", 2},
    {OperationCode::kFind, "Find", 6},
    {OperationCode::kFindLineEnd, "FindLineEnd", 8},
    {OperationCode::kSetPosition, "SetPosition", 4},
    {OperationCode::kAdvancePosition, "AdvancePosition", 4},
    {OperationCode::kLookFromPosition, "LookFromPosition", 5},
    {OperationCode::kFindFromPosition, "FindFromPosition", 5},
    {OperationCode::kFindLineEndFromPosition, "FindLineEndFromPosition", 5},
    {OperationCode::kFreeze, "Freeze", 1},
    {OperationCode::kUnfreeze, "Unfreeze", 8},
    {OperationCode::kSetSizeLimit, "SetSizeLimit", 3},
    {OperationCode::kSetMaxRead, "SetMaxRead", 1},
    {OperationCode::kAddObserver, "AddObserver", 3},
    {OperationCode::kRemoveObserver, "RemoveObserver", 1},
    {OperationCode::kSwitchObserver, "SwitchObserver", 3},
};
static_assert(std::size(kCodes) == kOperationCodes);

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kOperationCodes; ++i) {
    if (static_cast<size_t>(kCodes[i].code) != i) return false;
  }
  return true;
}
static_assert(IsInOrder());

// What Size() makes of a value: `scale` is the three lowest bits of a variant.
size_t SizeOf(uint32_t value, int scale) {
  // Around these something changes: one byte, copying instead of sharing, the
  // room of a segment of 512 bytes, of 4 KiB, of 64 KiB, what is read of a file
  // instead of mapped, what one read asks for.
  constexpr size_t kBorders[] = {0,   1,    4,      62,     254,
                                 444, 4028, 16'380, 65'468, 131'068};
  constexpr size_t kWidth = 12;
  switch (scale) {
    case 0:
    case 1:
      return value % 64;
    case 2:
    case 3:
      return value % 600;
    case 4:
    case 5:
      return value % 5000;
    case 6: {
      const size_t border = value % (std::size(kBorders) * kWidth);
      return kBorders[border / kWidth] + border % kWidth;
    }
    default:
      return value % 200'000;
  }
}

// SplitMix64's finalizer: numbers that look independent, of those that are not.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

size_t Operation::Size() const { return SizeOf(value, variant & 7); }

size_t Operation::Number(uint32_t which, size_t limit) const {
  const uint64_t fields = uint64_t{value} << 24 | uint64_t{variant} << 16 |
                          uint64_t{other} << 8 | static_cast<uint8_t>(code);
  return static_cast<size_t>(Mix(Mix(fields) + which) % limit);
}

Script ParseScript(std::span<const uint8_t> bytes) {
  constexpr size_t kBytes = 8;
  Script script;
  for (; bytes.size() >= kBytes; bytes = bytes.subspan(kBytes)) {
    Operation& operation = script.emplace_back();
    operation.code = static_cast<OperationCode>(bytes[0] % kOperationCodes);
    operation.subject = static_cast<uint8_t>(bytes[1] % kSubjects);
    operation.other = static_cast<uint8_t>(bytes[2] % kSubjects);
    operation.variant = bytes[3];
    std::memcpy(&operation.value, &bytes[4], sizeof operation.value);
  }
  return script;
}

Script RandomScript(uint64_t seed) {
  std::mt19937_64 engine(seed);
  const auto below = [&](size_t limit) {
    return static_cast<size_t>(engine() % limit);
  };
  std::array<int, kOperationCodes> weights;
  std::ranges::transform(kCodes, weights.begin(), &CodeInfo::weight);
  std::discrete_distribution<size_t> code(weights.begin(), weights.end());
  // A script that uses few Buffers goes deeper with each.
  const size_t subjects = 1 + below(kSubjects);
  Script script(100 + below(1401));
  for (Operation& operation : script) {
    operation.code = static_cast<OperationCode>(code(engine));
    operation.subject = static_cast<uint8_t>(below(subjects));
    operation.other = static_cast<uint8_t>(below(subjects));
    operation.variant = static_cast<uint8_t>(below(256));
    // Long ones take as much time as a hundred short ones.
    if ((operation.variant & 7) == 7 && below(4) != 0) operation.variant ^= 1;
    operation.value = static_cast<uint32_t>(engine());
  }
  return script;
}

const char* NameOf(OperationCode code) {
  return kCodes[static_cast<size_t>(code)].name;
}

std::string Describe(const Operation& operation) {
  return absl::StrCat(
      NameOf(operation.code), " subject=", operation.subject,
      " other=", operation.other, " variant=", operation.variant,
      " value=", operation.value, " (size ", operation.Size(), ")");
}

std::string Describe(const Script& script) {
  std::string text;
  for (size_t i = 0; i < script.size(); ++i) {
    absl::StrAppend(&text, i, ": ", Describe(script[i]), "\n");
  }
  return text;
}

}  // namespace percore
