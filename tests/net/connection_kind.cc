#include "percore/tests/net/connection_kind.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "percore/buffer/receive_buffers.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/net/compression/compression_filter.h"
#include "percore/net/filter.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/socket_options.h"
#include "percore/net/socket_pair.h"
#include "percore/net/unique_fd.h"

namespace percore {
namespace {

Ends ConnectTcp(EventBase& base, const BufferEventOptions& options) {
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd listening = sockets.Take(0);
  UniqueFd near(base.kernel().Socket(AF_INET, SOCK_STREAM, 0));
  // Over the loopback the handshake is over when it fails with EINPROGRESS.
  (void)connect(near.get(), sockets.address().native(),
                sockets.address().native_size());
  UniqueFd far(
      accept4(listening.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  // What is written has arrived when the call returns.
  SetNoDelay(near.get()).IgnoreError();
  SetNoDelay(far.get()).IgnoreError();
  return {std::make_unique<BufferEvent>(base, std::move(near), options),
          std::make_unique<BufferEvent>(base, std::move(far), options)};
}

Ends ConnectUnix(EventBase& base, const BufferEventOptions& options) {
  auto [near, far] = *SocketPair();
  return {std::make_unique<BufferEvent>(base, std::move(near), options),
          std::make_unique<BufferEvent>(base, std::move(far), options)};
}

Ends ConnectPair(EventBase& base, const BufferEventOptions& options) {
  auto [near, far] = MakeBufferEventPair(base, options);
  return {std::move(near), std::move(far)};
}

std::unique_ptr<BufferEvent> Filtered(std::unique_ptr<BufferEvent> underlying,
                                      const BufferEventOptions& options) {
  return MakeFilteredBufferEvent(std::move(underlying), MakeFilter({}),
                                 {.connection = options});
}

Ends Filtered(Ends ends, const BufferEventOptions& options) {
  return {Filtered(std::move(ends.near), options),
          Filtered(std::move(ends.far), options)};
}

Ends ConnectFilteredUnix(EventBase& base, const BufferEventOptions& options) {
  return Filtered(ConnectUnix(base, {}), options);
}

Ends ConnectFilteredPair(EventBase& base, const BufferEventOptions& options) {
  return Filtered(ConnectPair(base, {}), options);
}

Ends ConnectTwiceFilteredTcp(EventBase& base,
                             const BufferEventOptions& options) {
  return Filtered(Filtered(ConnectTcp(base, {}), {}), options);
}

std::unique_ptr<BufferEvent> Compressed(std::unique_ptr<BufferEvent> underlying,
                                        const BufferEventOptions& options) {
  return MakeFilteredBufferEvent(std::move(underlying),
                                 *MakeCompressionFilter({.output{.level = 1}}),
                                 {.connection = options});
}

Ends Compressed(Ends ends, const BufferEventOptions& options) {
  return {Compressed(std::move(ends.near), options),
          Compressed(std::move(ends.far), options)};
}

Ends ConnectCompressedTcp(EventBase& base, const BufferEventOptions& options) {
  return Compressed(ConnectTcp(base, {}), options);
}

Ends ConnectCompressedPair(EventBase& base, const BufferEventOptions& options) {
  return Compressed(ConnectPair(base, {}), options);
}

}  // namespace

std::unique_ptr<EventBase> ConnectionKind::MakeBase(TestKernel& kernel) const {
  absl::StatusOr<std::unique_ptr<EventBase>> base = EventBase::Create(
      {.backend = backend, .priorities = 3, .kernel = &kernel});
  if (base.ok()) {
    if (old_kernel) ReceiveBuffers::Of(*(*base)->ring())->CannotBeBounded();
    return *std::move(base);
  }
  [&] { GTEST_SKIP() << "NO io_uring HERE: " << base.status(); }();
  return nullptr;
}

const std::vector<ConnectionKind>& AllConnectionKinds() {
  static const auto& kinds = *[] {
    auto* const made = new std::vector<ConnectionKind>{
        {"Tcp", &ConnectTcp, true},
        {"Unix", &ConnectUnix, true},
        {"Pair", &ConnectPair, false},
        {"FilteredUnix", &ConnectFilteredUnix, true},
        {"FilteredPair", &ConnectFilteredPair, false},
        {"TwiceFilteredTcp", &ConnectTwiceFilteredTcp, true},
        {"CompressedTcp", &ConnectCompressedTcp, true},
        {"CompressedPair", &ConnectCompressedPair, false},
    };
    // What goes through sockets, by the other transport as well.
    for (size_t i = 0, count = made->size(); i < count; ++i) {
      ConnectionKind kind = (*made)[i];
      if (!kind.has_kernel_buffers) continue;
      kind.name += "ByIoUring";
      kind.backend = "io_uring";
      made->push_back(std::move(kind));
    }
    ConnectionKind old = made->front();
    old.name += "ByOldIoUring";
    old.backend = "io_uring";
    old.old_kernel = true;
    made->push_back(std::move(old));
    return made;
  }();
  return kinds;
}

}  // namespace percore
