#include "percore/net/internal/datagram_sender.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace percore::internal {
SentDatagrams DatagramSender::Send(DatagramQueue& output, size_t room) {
  SentDatagrams sent;
  const uint32_t limit_before = socket_.segment_limit;
  Gather(output, room);
  int result;
  while (true) {
    result = kernel_.SendMessages(socket_.fd, messages_.data(),
                                  static_cast<unsigned>(count_));
    if (result >= 0) break;
    if (result == -EINTR) continue;
    if (!LearnFrom(-result)) {
      // By itself it is refused, too: the run was not to blame.
      socket_.segment_limit = limit_before;
      sent.error = -result;
      return sent;
    }
    Gather(output, room);
  }
  for (int i = 0; i < result; ++i) {
    sent.datagrams += runs_[i].datagrams;
    sent.bytes += runs_[i].bytes;
  }
  output.Discard(sent.datagrams);
  return sent;
}

void DatagramSender::Gather(DatagramQueue& output, size_t room) {
  count_ = 0;
  extent_count_ = 0;
  size_t bytes = 0;
  const Datagram* last = nullptr;
  for (const Datagram& datagram : output) {
    if (bytes >= room && last != nullptr) break;
    const bool extends = Extends(datagram, last);
    if (!extends && count_ == kMaxBatch) break;
    const size_t extents = AddExtents(datagram);
    if (extents == 0 && !datagram.payload.empty()) break;
    if (extends) {
      ExtendRun(datagram, extents);
    } else {
      if (count_ != 0) FinishRun();
      BeginRun(datagram, extents);
    }
    bytes += datagram.payload.size();
    last = &datagram;
  }
  FinishRun();
}

bool DatagramSender::Extends(const Datagram& datagram,
                             const Datagram* last) const {
  if (last == nullptr) return false;
  const Run& run = runs_[count_ - 1];
  const size_t size = datagram.payload.size();
  return run.open && size != 0 && size <= run.segment &&
         run.datagrams < kMaxSegments && run.bytes + size <= kMaxRunBytes &&
         datagram.peer == last->peer &&
         (!socket_.wildcard || datagram.local == last->local);
}

// Returns how many; 0 also if there is no room.
size_t DatagramSender::AddExtents(const Datagram& datagram) {
  const size_t size = datagram.payload.size();
  const std::span<iovec> room = std::span(extents_).subspan(
      extent_count_, std::min(kMaxPieces, kMaxExtents - extent_count_));
  if (size == 0 || room.empty()) return 0;
  // What is in files is fetched.
  const std::string_view front = datagram.payload.Front();
  size_t count = 1;
  if (front.size() == size) {
    room[0] = {.iov_base = const_cast<char*>(front.data()), .iov_len = size};
  } else {
    count = datagram.payload.Peek(room);
    size_t described = 0;
    for (size_t i = 0; i < count; ++i) described += room[i].iov_len;
    if (described < size) {
      if (room.size() < kMaxPieces) return 0;  // it has a call of its own
      // Of no datagram that is const: it is in a queue.
      const std::string_view bytes =
          const_cast<Datagram&>(datagram).payload.Pullup(size);
      room[0] = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = size};
      count = 1;
    }
  }
  extent_count_ += count;
  return count;
}

void DatagramSender::BeginRun(const Datagram& datagram, size_t extents) {
  const size_t size = datagram.payload.size();
  runs_[count_] = {.datagrams = 1,
                   .bytes = size,
                   .segment = size,
                   .open = size != 0 && size < socket_.segment_limit};
  msghdr& header = messages_[count_].msg_hdr;
  header = {};
  // The kernel knows the way to the peer of a connected socket.
  if (datagram.peer.port() != 0 && datagram.peer != socket_.peer) {
    header.msg_name = const_cast<sockaddr*>(datagram.peer.native());
    header.msg_namelen = datagram.peer.native_size();
  }
  header.msg_iov = &extents_[extent_count_ - extents];
  header.msg_iovlen = extents;
  ++count_;
  if (socket_.wildcard) AddSource(datagram.local);
}

void DatagramSender::ExtendRun(const Datagram& datagram, size_t extents) {
  Run& run = runs_[count_ - 1];
  const size_t size = datagram.payload.size();
  ++run.datagrams;
  run.bytes += size;
  run.open = size == run.segment;
  messages_[count_ - 1].msg_hdr.msg_iovlen += extents;
}

void DatagramSender::FinishRun() {
  const Run& run = runs_[count_ - 1];
  if (run.datagrams == 1) return;
  const auto segment = static_cast<uint16_t>(run.segment);
  AddControl(IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
}

void DatagramSender::AddControl(int level, int type, const void* data,
                                size_t size) {
  msghdr& header = messages_[count_ - 1].msg_hdr;
  char* const bytes = controls_[count_ - 1].bytes.data();
  const cmsghdr part = {
      .cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
  char* const place = bytes + header.msg_controllen;
  std::memset(place, 0, CMSG_SPACE(size));
  std::memcpy(place, &part, sizeof(part));
  std::memcpy(place + CMSG_LEN(0), data, size);
  header.msg_control = bytes;
  header.msg_controllen += CMSG_SPACE(size);
}

void DatagramSender::AddSource(const SocketAddress& local) {
  if (local.family() != socket_.local.family()) return;
  if (local.family() == AF_INET6) {
    const auto& native = *reinterpret_cast<const sockaddr_in6*>(local.native());
    const in6_addr& address = native.sin6_addr;
    if (IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_MULTICAST(&address)) {
      return;
    }
    const in6_pktinfo info = {.ipi6_addr = address,
                              .ipi6_ifindex = native.sin6_scope_id};
    AddControl(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    return;
  }
  const auto& native = *reinterpret_cast<const sockaddr_in*>(local.native());
  const uint32_t number = ntohl(native.sin_addr.s_addr);
  if (number == INADDR_ANY || IN_MULTICAST(number)) return;
  const in_pktinfo info = {
      .ipi_ifindex = 0, .ipi_spec_dst = native.sin_addr, .ipi_addr = {}};
  AddControl(IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

bool DatagramSender::LearnFrom(int error) {
  const Run& first = runs_[0];
  if (first.datagrams == 1) return false;
  switch (error) {
    case EINVAL:    // with its headers, a segment is more than the path takes
    case EMSGSIZE:  // the same, where the kernel looks at the path first
      socket_.segment_limit = static_cast<uint32_t>(first.segment);
      return true;
    case EIO:          // no checksums
    case EOPNOTSUPP:   // IPsec
    case ENOPROTOOPT:  // before Linux 4.18
      socket_.segment_limit = 0;
      return true;
    default:
      return false;
  }
}

}  // namespace percore::internal
