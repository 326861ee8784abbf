// The two ends of a connected, non-blocking UNIX socket: what most tests of the
// loop watch.
//
// ```cpp
// percore::SocketEnds ends;
// if (write(ends[1], "x", 1) != 1) return;  // ends[0] can be read
// ```
#ifndef PERCORE_TESTS_SUPPORT_SOCKET_ENDS_H_
#define PERCORE_TESTS_SUPPORT_SOCKET_ENDS_H_

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace percore {

// Closes both; an end that a test has closed it sets to -1.
struct SocketEnds : std::array<int, 2> {
  SocketEnds() {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, data()) == 0)
      return;
    std::perror("socketpair");
    std::abort();
  }
  SocketEnds(const SocketEnds&) = delete;
  SocketEnds& operator=(const SocketEnds&) = delete;
  ~SocketEnds() {
    for (const int fd : *this) {
      if (fd >= 0) close(fd);
    }
  }
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SOCKET_ENDS_H_
