// Takes compressed streams apart: zlib's, gzip's, and bare ones, from one
// Buffer into another, with bounds on what they may grow to.
//
// A kilobyte of input can stand for a megabyte of zeros. Memory is safe from
// that as long as whoever takes the output takes it bit by bit: every step is
// bounded. Time, and those who gather all of it, are not; so a stream ends with
// an error when it grows too much (InflaterOptions).
//
// ```cpp
// auto inflater = percore::Inflater::Create(
//     {.max_output = 8 * 1024 * 1024});
// if (!inflater.ok()) return;  // bad options, or no memory
// percore::Buffer input;  // as it arrives
// percore::Buffer body;
// auto result = inflater->Step(input, body, 64 * 1024,
//                              percore::FlushKind::kNone);
// if (!result.ok()) return;  // "not a gzip stream: incorrect data check"
// if (*result == percore::CompressionStep::kFinished) {
//   // What is left in `input` comes behind the stream.
// }
// ```
#ifndef PERCORE_NET_COMPRESSION_INFLATER_H_
#define PERCORE_NET_COMPRESSION_INFLATER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/buffer/buffer.h"
#include "percore/net/compression/compression.h"
#include "percore/net/compression/internal/output_room.h"
#include "percore/net/compression/internal/zlib_stream.h"

namespace percore {

// Where a gzip stream ends.
enum class GzipMembers : uint8_t {
  // With its last member: files that were put one behind the other are one.
  kAll,
  // With its first.
  kOne,
};

struct InflaterOptions {
  // Absent: zlib's or gzip's, as the first byte says.
  std::optional<CompressionFormat> format = std::nullopt;
  GzipMembers members = GzipMembers::kAll;
  // Refuses streams that look back further than 2^window_bits bytes: 9 to 15.
  // Most do that by 15.
  int window_bits = 15;
  // The most that comes out of a stream, all members together. No limit by
  // default, as a connection may last for years: whoever gathers the output
  // sets one.
  uint64_t max_output = UINT64_MAX;
  // How many bytes may come out for each that went in, once more than
  // `ratio_grace` have come out. Text seldom reaches 20; the most that the
  // format can do is 1,032.
  uint64_t max_ratio = 250;
  uint64_t ratio_grace = 1024 * 1024;
};

// Thread: one at a time. Movable; what has been moved from may be destroyed or
// assigned to, and nothing else.
//
// Memory: some 7 KiB, allocated by Create(), and 2^window_bits more as soon as
// a stream is read in more than one piece: 40 KiB with the defaults. Later
// steps allocate nothing, but for segments of the destination.
class Inflater {
 public:
  // InvalidArgument names the option that is wrong; ResourceExhausted if there
  // is no memory.
  static absl::StatusOr<Inflater> Create(const InflaterOptions& options = {});

  // Takes from `source` what it needs, and appends what comes of it to
  // `destination`, at most `max_output` bytes and not beyond its size limit.
  // kFinish says that `source` has the end of the input; kSync is as kNone.
  //
  //   kNeedsInput  All that could come out has. `source` is empty, but for the
  //                first byte of what may be another member.
  //   kOutputFull  Call again. There may turn out to be nothing more.
  //   kFinished    The stream has ended. What is left in `source` is not part
  //                of it, and is left alone from now on.
  //
  // After the end of a gzip member, kNeedsInput waits for another: only kFinish
  // says that there is none.
  //
  // Errors end the stream: every later step has the same. What came out before
  // is in `destination`; nothing that is beyond a limit.
  // InvalidArgument: no such stream, or one that is corrupt, or cut off, or
  // needs a dictionary. ResourceExhausted: the limits, or no memory. Only
  // FailedPrecondition ends nothing: an end is frozen.
  //
  // The two Buffers' observers are called while the step is under way: they
  // must not change either, nor call the Inflater.
  absl::StatusOr<CompressionStep> Step(Buffer& source, Buffer& destination,
                                       size_t max_output, FlushKind flush);

  // Begins another stream, with the same options and the same memory.
  void Reset();

  // Since the last Reset().
  uint64_t total_input() const { return total_input_; }
  uint64_t total_output() const { return total_output_; }

 private:
  enum class State : uint8_t { kInside, kBetweenMembers, kFinished };

  Inflater(internal::ZlibStream stream, const InflaterOptions& options)
      : stream_(std::move(stream)), options_(options) {}

  absl::StatusOr<CompressionStep> Run(Buffer& source,
                                      internal::OutputRoom& room,
                                      FlushKind flush);
  // Whether another member begins; nothing if that cannot be said yet.
  static std::optional<bool> SeesMember(const Buffer& source, FlushKind flush);
  // Once `produced` bytes more have come out.
  absl::Status CheckLimits(size_t produced) const;
  absl::Status Corrupt(const char* reason) const;

  internal::ZlibStream stream_;
  InflaterOptions options_;
  uint64_t total_input_ = 0;
  uint64_t total_output_ = 0;
  absl::Status error_;
  State state_ = State::kInside;
  bool is_gzip_ = false;
};

}  // namespace percore

#endif  // PERCORE_NET_COMPRESSION_INFLATER_H_
