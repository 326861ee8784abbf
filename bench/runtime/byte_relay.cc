#include "percore/bench/runtime/byte_relay.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "percore/bench/micro/micro.h"

namespace percore::bench {
namespace {

// What a program has open besides.
constexpr rlim_t kOtherDescriptors = 100;

// Raises the limit of descriptors as far as it goes; returns it. Two
// descriptors a pair soon are more than a process has by default.
rlim_t RaiseDescriptorLimit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

bool ByteRelay::CanHave(int pairs) {
  return static_cast<rlim_t>(pairs) * 2 + kOtherDescriptors <=
         RaiseDescriptorLimit();
}

ByteRelay::ByteRelay(int pairs) : pairs_(pairs) {
  Check(CanHave(pairs), "the limit of descriptors is too low (ulimit -Hn)");
  for (Pair& pair : pairs_) {
    int fds[2];
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (!Check(socketpair(AF_UNIX, type, 0, fds) == 0, "socketpair")) return;
    pair = {.read_fd = fds[0], .write_fd = fds[1]};
  }
}

ByteRelay::~ByteRelay() {
  for (const Pair& pair : pairs_) {
    if (pair.read_fd < 0) continue;
    close(pair.read_fd);
    close(pair.write_fd);
  }
}

void ByteRelay::Start(int active, int writes) {
  writes_left_ = writes;
  reads_left_ = writes;
  const int space = pairs() / active;
  for (int i = 0; i < active; ++i) Write(i * space);
}

bool ByteRelay::OnReadable(int pair) {
  char bytes[kReadSize];
  const ssize_t size = read(pairs_[pair].read_fd, bytes, sizeof(bytes));
  if (!Check(size >= 0, "read")) return true;
  return OnRead(pair, static_cast<size_t>(size));
}

bool ByteRelay::OnRead(int pair, size_t size) {
  if (!Check(size == 1, "not one byte was read")) return true;
  if (writes_left_ > 0) Write(pair + 1 < pairs() ? pair + 1 : 0);
  return --reads_left_ == 0 || Failed();
}

void ByteRelay::Write(int pair) {
  --writes_left_;
  Check(write(pairs_[pair].write_fd, "x", 1) == 1, "write");
}

}  // namespace percore::bench
