#include "percore/bench/buffer/buffer_cases.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace percore::bench {

std::string TestText(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

int FileWith(const std::string& text) {
  const int fd = memfd_create("file", MFD_CLOEXEC);
  Check(
      write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
      "memfd");
  return fd;
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

bool SocketPair::Receive(std::string& text) const {
  for (size_t done = 0; done < text.size();) {
    const ssize_t result =
        read(read_fd(), text.data() + done, text.size() - done);
    if (result <= 0) return false;
    done += static_cast<size_t>(result);
  }
  return true;
}

}  // namespace percore::bench
