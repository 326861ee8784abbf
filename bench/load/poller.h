// The epoll instance of one thread of the load.
#ifndef PERCORE_BENCH_LOAD_POLLER_H_
#define PERCORE_BENCH_LOAD_POLLER_H_

#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/bench/load/connection.h"

namespace percore::bench {

// Level triggered. One thread, which Open() prepares for precise waits.
class Poller {
 public:
  Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();

  absl::Status Open();

  // Watches a connection for `events`; a system call if that is a change.
  absl::Status Watch(Connection& connection, uint32_t events) const;

  // Sleeps for `wait_ns`, below a second, to the nanosecond if nothing happens.
  // The events' data.ptr is a Connection.
  absl::StatusOr<std::span<const epoll_event>> Wait(int64_t wait_ns);

 private:
  int fd_ = -1;
  std::vector<epoll_event> events_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_POLLER_H_
