// Compresses a stream, in the formats that zlib, gzip and HTTP know, from one
// Buffer into another.
//
// Input is read where it lies, extent by extent, and output written straight
// into the Buffer's room: nothing is copied but what compression is. Each step
// is bounded, so that a connection can stop where its reader does.
//
// ```cpp
// auto deflater = percore::Deflater::Create(
//     {.format = percore::CompressionFormat::kGzip});
// if (!deflater.ok()) return;  // bad options, or no memory
// percore::Buffer page;
// percore::Buffer body;
// page.Append("<!doctype html>");
// auto step = percore::CompressionStep::kOutputFull;
// while (step == percore::CompressionStep::kOutputFull) {
//   auto result = deflater->Step(page, body, 16 * 1024,
//                                percore::FlushKind::kFinish);
//   if (!result.ok()) return;
//   step = *result;  // in the end kFinished
// }
// ```
#ifndef PERCORE_NET_COMPRESSION_DEFLATER_H_
#define PERCORE_NET_COMPRESSION_DEFLATER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "percore/buffer/buffer.h"
#include "percore/net/compression/compression.h"
#include "percore/net/compression/internal/output_room.h"
#include "percore/net/compression/internal/zlib_stream.h"

namespace percore {

struct DeflaterOptions {
  CompressionFormat format = CompressionFormat::kZlib;
  // 0 (only wraps) to 9 (slowest); -1 is zlib's choice, which is 6.
  int level = -1;
  // Looks for repetitions in the last 2^window_bits bytes: 9 to 15.
  int window_bits = 15;
  // Memory for the symbols of a block, 1 to 9: less of it is slower, and
  // compresses worse.
  int memory_level = 8;
};

// Thread: one at a time. Movable; what has been moved from may be destroyed or
// assigned to, and nothing else.
//
// Memory: 2^(window_bits + 2) + 2^(memory_level + 9) bytes and some 6 KiB,
// allocated by Create(): 262 KiB with the defaults, 9 KiB with the least of
// both. No step allocates, but for segments of the destination.
class Deflater {
 public:
  // InvalidArgument names the option that is wrong; ResourceExhausted if there
  // is no memory.
  static absl::StatusOr<Deflater> Create(const DeflaterOptions& options = {});

  // Takes all of `source`, or so much that the output reaches its bound, and
  // appends what comes of it to `destination`, at most `max_output` bytes and
  // not beyond its size limit.
  //
  //   kNeedsInput  `source` is empty. After kSync all of it has come out, and
  //                nothing does if nothing came in since the last time.
  //   kOutputFull  Call again with the same `flush`. Before a kFinish has
  //                ended, nothing more may be appended to `source`.
  //   kFinished    After kFinish only: the stream is complete. `source` is left
  //                alone from now on.
  //
  // A bound on the output is none on the work: a step takes a gigabyte of
  // zeros at once. Give it what a round of the loop has time for.
  //
  // FailedPrecondition: an end is frozen, or there is input behind what kFinish
  // was to end. The stream is as good as before: the step can be repeated
  // without what was wrong.
  //
  // The two Buffers' observers are called while the step is under way: they
  // must not change either, nor call the Deflater.
  absl::StatusOr<CompressionStep> Step(Buffer& source, Buffer& destination,
                                       size_t max_output, FlushKind flush);

  // Begins another stream, with the same options and the same memory. What the
  // last one had still to give is lost.
  void Reset();

  // Since the last Reset().
  uint64_t total_input() const { return total_input_; }
  uint64_t total_output() const { return total_output_; }

 private:
  explicit Deflater(internal::ZlibStream stream) : stream_(std::move(stream)) {}

  absl::StatusOr<CompressionStep> Run(Buffer& source,
                                      internal::OutputRoom& room,
                                      FlushKind flush);
  // Moves what is in marker_; false if it does not all fit.
  bool MoveMarker(internal::OutputRoom& room);

  internal::ZlibStream stream_;
  uint64_t total_input_ = 0;
  uint64_t total_output_ = 0;
  // The end of a flush. Where zlib cannot write it at once, it writes it again
  // and again.
  std::array<char, 16> marker_ = {};
  size_t marker_begin_ = 0;
  size_t marker_end_ = 0;
  // Whether nothing came in since the last marker.
  bool flushed_ = false;
  bool finished_ = false;
};

}  // namespace percore

#endif  // PERCORE_NET_COMPRESSION_DEFLATER_H_
