#include "percore/bench/buffer/buffer_cases.h"

#include <sys/socket.h>
#include <unistd.h>

namespace percore::bench {

std::string TestText(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

SocketPair::SocketPair() {
  const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  Check(socketpair(AF_UNIX, type, 0, fds_) == 0, "socketpair");
}

SocketPair::~SocketPair() {
  if (fds_[0] < 0) return;
  close(fds_[0]);
  close(fds_[1]);
}

}  // namespace percore::bench
