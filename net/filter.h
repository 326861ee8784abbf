// Something that stands between a connection and its user, and changes the
// bytes on their way: compression, a header at the beginning, a cipher.
//
//   user <-> BufferEvent <-> Filter <-> BufferEvent <-> socket
//             filtered                  underlying
//
// To its user a filtered BufferEvent is one like any other; another filter may
// stand upon it.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// auto [client, server] = percore::MakeBufferEventPair(**base);
// auto shout = [](percore::Buffer& source, percore::Buffer& destination,
//                 size_t limit, percore::FlushMode) {
//   std::string text(std::min(limit, source.size()), '\0');
//   source.Remove(text);
//   for (char& letter : text) letter = std::toupper(letter);
//   destination.Append(text);
//   return percore::FilterResult::kOk;
// };
// auto loud = percore::MakeFilteredBufferEvent(
//     std::move(client), percore::MakeFilter({.output = shout}));
// loud->output().Append("hello");  // the server reads HELLO
// ```
//
// Back-pressure goes through: while the filtered input() is at its high
// watermark the underlying connection reads nothing, and while the underlying
// output() is full nothing is taken from the filtered one. Of what a filter
// cannot use yet, a bounded amount is held.
#ifndef PERCORE_NET_FILTER_H_
#define PERCORE_NET_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "percore/buffer/buffer.h"
#include "percore/net/buffer_event.h"
#include "percore/net/transport.h"

namespace percore {

enum class FilterResult : uint8_t {
  kOk,        // there may be more to be done with what is in `source`
  kNeedMore,  // not without more bytes in `source`
};

// Thread: its connection's.
class Filter {
 public:
  virtual ~Filter() = default;

  // Takes bytes from `source` and appends what becomes of them, no more than
  // `limit` bytes, to `destination`. Called again as long as it says kOk and
  // does anything: it may do a little at a time. It may also append what it
  // held back, with nothing in `source`. By default bytes move as they are.
  //
  // The first call for output may come before there is any: it is the place for
  // what stands at the beginning, such as a header.
  //
  // With kFlush nothing is to be held back; with kFinished nothing more will
  // come: of input, because the peer has finished; of output, because the user
  // has. Input that then still needs more is an error (DataLoss).
  //
  // An error ends the connection; the user is told it.
  //
  // A function may call the user, who may destroy the connection: the filter
  // lasts until the function returns, the two Buffers do not.
  virtual absl::StatusOr<FilterResult> FilterInput(Buffer& source,
                                                   Buffer& destination,
                                                   size_t limit,
                                                   FlushMode mode);
  virtual absl::StatusOr<FilterResult> FilterOutput(Buffer& source,
                                                    Buffer& destination,
                                                    size_t limit,
                                                    FlushMode mode);
};

// The same as two functions; one that is null moves bytes as they are.
struct FilterFunctions {
  using Function = absl::AnyInvocable<absl::StatusOr<FilterResult>(
      Buffer& source, Buffer& destination, size_t limit, FlushMode mode)>;

  Function input = nullptr;
  Function output = nullptr;
};
std::unique_ptr<Filter> MakeFilter(FilterFunctions functions);

struct FilterOptions {
  // The most that is held of what the filter needs more of: beyond that it is
  // an error (ResourceExhausted).
  size_t max_pending_input = size_t{1} << 20;
  // Nothing is taken from the user while the underlying output() holds as much.
  size_t max_pending_output = size_t{256} * 1024;
  // Of the filtered connection.
  BufferEventOptions connection = {};
};

// A connection that filters what goes through `underlying`, whose callbacks and
// watermarks are the filter's from now on. Its events (connected, end of file,
// errors, timeouts) become those of the filtered one. Thread: the base's.
std::unique_ptr<BufferEvent> MakeFilteredBufferEvent(
    std::unique_ptr<BufferEvent> underlying, std::unique_ptr<Filter> filter,
    const FilterOptions& options = {});
// The same, and `underlying` stays the caller's: it outlives the filtered
// connection, and has neither callbacks nor reads after that.
std::unique_ptr<BufferEvent> MakeFilteredBufferEvent(
    BufferEvent& underlying, std::unique_ptr<Filter> filter,
    const FilterOptions& options = {});

}  // namespace percore

#endif  // PERCORE_NET_FILTER_H_
