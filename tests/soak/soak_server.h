// The server of the soak: echoes over TCP and UNIX sockets, and leaves its
// clients in every way there is.
#ifndef PERCORE_TESTS_SOAK_SOAK_SERVER_H_
#define PERCORE_TESTS_SOAK_SOAK_SERVER_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener_stats.h"
#include "percore/net/socket_address.h"
#include "percore/tests/support/running_server.h"

namespace percore {

// What becomes of a connection: its first byte, but for that byte's top bit.
enum class SoakMode : char {
  kEcho = 'e',     // to the end
  kTimeout = 't',  // until the client is silent for kSoakTimeout
  kClose = 'c',  // until kSoakEnough bytes; then closed, whatever is on its way
  kFinish = 'f',  // the same, but closed in order
};
inline constexpr size_t kSoakEnough = 10'000;
inline constexpr Duration kSoakTimeout = std::chrono::milliseconds(20);
// The high watermark of each connection's output.
inline constexpr size_t kSoakWriteHigh = size_t{64} << 10;

// One thread; the shards have theirs.
class SoakServer {
 public:
  // Both kinds of sockets are served when it returns.
  explicit SoakServer(int shards);

  const SocketAddress& tcp_address() const { return server_->address(); }
  const SocketAddress& unix_address() const { return unix_sockets_.address(); }

  // What Runtime::Run() returned.
  absl::Status Stop() { return server_->Stop(); }
  size_t cut_off() { return server_->runtime().cut_off(); }

  // Sums over all shards, and both kinds of sockets.
  uint64_t accepted() const;
  // Given up by their client before they were accepted.
  uint64_t aborted() const;
  uint64_t closed(CloseReason reason) const;
  int64_t open() const;
  uint64_t received_bytes() const;
  uint64_t sent_bytes() const;
  int64_t buffer_bytes() const;
  int64_t buffer_segments() const;

 private:
  absl::StatusOr<std::unique_ptr<Service>> MakeService(Shard& shard,
                                                       UniqueFd tcp_socket);
  template <typename Count>
  int64_t Sum(Count count) const;

  ListenSockets unix_sockets_;
  mutable std::mutex mutex_;  // guards the next two, which the shards fill
  std::vector<std::shared_ptr<ListenerStats>> stats_;
  std::vector<std::shared_ptr<const BufferMemoryStats>> memory_;
  std::unique_ptr<RunningServer> server_;  // last: its threads use the others
};

}  // namespace percore

#endif  // PERCORE_TESTS_SOAK_SOAK_SERVER_H_
