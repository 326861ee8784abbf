// A UDP echo server on bare system calls: about the least that one thread can
// do, and so the line that no library gets below.
//
// All modes receive a batch of 64 datagrams by recvmmsg() into buffers that are
// used again and again, and send them from there, to where they came from, by
// sendmmsg(). What the socket does not take at once is waited for, with nothing
// received meanwhile; what cannot be sent at all is left out.
//
// `epoll`: waits in epoll_wait(), as whoever has more than this one socket
// must.
//
// `blocking`: waits in recvmmsg() itself, which spares a system call a batch,
// and the server can do nothing else.
//
// `offload`: as `epoll`, but takes datagrams that came together as one
// (UDP_GRO), and sends them back as one (UDP_SEGMENT).
//
// Tuned: nothing by measurement; the batch is Percore's. Datagrams of more than
// 2,048 bytes are cut, but for `offload`.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

constexpr unsigned kBatch = 64;
constexpr size_t kDatagramBytes = 2048;
// As many as a coalesced message has.
constexpr size_t kMessageBytes = size_t{64} * 1024;

enum class Mode { kEpoll, kBlocking, kOffload };

absl::Status SystemError(const char* call) {
  return absl::UnavailableError(absl::StrCat(call, ": ", strerror(errno)));
}

class UdpServer {
 public:
  UdpServer(int fd, Mode mode)
      : fd_(fd),
        mode_(mode),
        bytes_each_(mode == Mode::kOffload ? kMessageBytes : kDatagramBytes),
        bytes_(kBatch * bytes_each_) {
    for (unsigned i = 0; i < kBatch; ++i) {
      extents_[i].iov_base = &bytes_[i * bytes_each_];
      messages_[i].msg_hdr.msg_name = &peers_[i];
      messages_[i].msg_hdr.msg_iov = &extents_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  absl::Status Serve() {
    absl::Status status = Prepare();
    while (status.ok()) {
      if (mode_ != Mode::kBlocking) {
        epoll_event event;
        if (epoll_wait(epoll_fd_, &event, 1, -1) < 0 && errno != EINTR) {
          return SystemError("epoll_wait");
        }
      }
      const int received = Receive();
      if (received > 0) {
        Send(static_cast<unsigned>(received));
      } else if (received < 0 && errno != EAGAIN && errno != EINTR) {
        status = SystemError("recvmmsg");
      }
    }
    return status;
  }

 private:
  absl::Status Prepare() {
    if (mode_ == Mode::kBlocking) {
      const int flags = fcntl(fd_, F_GETFL);
      return fcntl(fd_, F_SETFL, flags & ~O_NONBLOCK) == 0
                 ? absl::OkStatus()
                 : SystemError("fcntl");
    }
    const int on = 1;
    if (mode_ == Mode::kOffload &&
        setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
      return SystemError("setsockopt UDP_GRO");
    }
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event = {};
    event.events = EPOLLIN;
    return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd_, &event) == 0
               ? absl::OkStatus()
               : SystemError("epoll_ctl");
  }

  int Receive() {
    for (unsigned i = 0; i < used_; ++i) PrepareMessage(i);
    const int received =
        recvmmsg(fd_, messages_.data(), kBatch,
                 mode_ == Mode::kBlocking ? MSG_WAITFORONE : 0, nullptr);
    used_ = received < 0 ? 0 : static_cast<unsigned>(received);
    return received;
  }

  void PrepareMessage(unsigned i) {
    extents_[i].iov_len = bytes_each_;
    messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    if (mode_ == Mode::kOffload) {
      messages_[i].msg_hdr.msg_control = controls_[i].bytes;
      messages_[i].msg_hdr.msg_controllen = sizeof(controls_[i].bytes);
    }
  }

  void Send(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      extents_[i].iov_len = messages_[i].msg_len;
      if (mode_ == Mode::kOffload) SetSegment(messages_[i].msg_hdr);
    }
    for (unsigned sent = 0; sent < count;) {
      const int result =
          sendmmsg(fd_, &messages_[sent], count - sent, MSG_NOSIGNAL);
      if (result > 0) {
        sent += static_cast<unsigned>(result);
      } else if (errno == EAGAIN) {
        pollfd room = {.fd = fd_, .events = POLLOUT, .revents = 0};
        poll(&room, 1, -1);
      } else if (errno != EINTR) {
        ++sent;
      }
    }
  }

  // What the kernel said of the size of the datagrams is, in the same place,
  // what it is told: an int when receiving, 16 bits when sending.
  static void SetSegment(msghdr& header) {
    cmsghdr* const part =
        header.msg_controllen == 0 ? nullptr : CMSG_FIRSTHDR(&header);
    if (part == nullptr || part->cmsg_type != UDP_GRO) {
      header.msg_controllen = 0;
      return;
    }
    int size = 0;
    std::memcpy(&size, CMSG_DATA(part), sizeof(size));
    const auto segment = static_cast<uint16_t>(size);
    part->cmsg_type = UDP_SEGMENT;
    part->cmsg_len = CMSG_LEN(sizeof(segment));
    std::memcpy(CMSG_DATA(part), &segment, sizeof(segment));
    header.msg_controllen = CMSG_SPACE(sizeof(segment));
  }

  const int fd_;
  const Mode mode_;
  int epoll_fd_ = -1;
  const size_t bytes_each_;
  unsigned used_ = kBatch;
  std::vector<char> bytes_;
  std::array<mmsghdr, kBatch> messages_ = {};
  std::array<iovec, kBatch> extents_ = {};
  std::array<sockaddr_in, kBatch> peers_ = {};
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  };
  std::array<Control, kBatch> controls_ = {};
};

template <Mode mode>
absl::Status Serve(int fd) {
  // Not on the stack: it holds the buffers.
  static UdpServer server(fd, mode);
  return server.Serve();
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  using percore::bench::Mode;
  using percore::bench::PeerMain;
  using percore::bench::PeerProgram;
  using percore::bench::Serve;
  return PeerMain({.name = "recvmmsg_echo",
                   .summary = "recvmmsg_echo: sends every datagram back",
                   .modes = {{.name = "epoll",
                              .summary = "epoll_wait(), recvmmsg(), sendmmsg()",
                              .serve = &Serve<Mode::kEpoll>},
                             {.name = "blocking",
                              .summary = "recvmmsg() that waits, sendmmsg()",
                              .serve = &Serve<Mode::kBlocking>},
                             {.name = "offload",
                              .summary = "epoll, with UDP_GRO and UDP_SEGMENT",
                              .serve = &Serve<Mode::kOffload>}},
                   .socket = PeerProgram::Socket::kUdp},
                  argc, argv);
}
