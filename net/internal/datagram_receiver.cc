#include "percore/net/internal/datagram_receiver.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace percore::internal {
namespace {

// What the kernel put behind the header of a control message.
template <typename T>
T Read(const cmsghdr& header) {
  T value;
  std::memcpy(&value, CMSG_DATA(&header), sizeof(value));
  return value;
}

SocketAddress LocalOf(const in_pktinfo& info, uint16_t port) {
  sockaddr_in native = {};
  native.sin_family = AF_INET;
  native.sin_port = htons(port);
  // Of a broadcast, which nothing can be sent from, the second is an address
  // that something can.
  native.sin_addr = IN_MULTICAST(ntohl(info.ipi_addr.s_addr))
                        ? info.ipi_addr
                        : info.ipi_spec_dst;
  sockaddr_in6 larger = {};
  std::memcpy(&larger, &native, sizeof(native));
  return SocketAddress::FromInternet(larger);
}

SocketAddress LocalOf(const in6_pktinfo& info, uint16_t port) {
  sockaddr_in6 native = {};
  native.sin6_family = AF_INET6;
  native.sin6_port = htons(port);
  native.sin6_addr = info.ipi6_addr;
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ||
      IN6_IS_ADDR_MC_LINKLOCAL(&info.ipi6_addr) ||
      IN6_IS_ADDR_MC_NODELOCAL(&info.ipi6_addr)) {
    native.sin6_scope_id = info.ipi6_ifindex;
  }
  return SocketAddress::FromInternet(native);
}

}  // namespace

DatagramReceiver& DatagramReceiver::ThisThread() {
  static thread_local const std::unique_ptr<DatagramReceiver> receiver =
      std::make_unique<DatagramReceiver>();
  return *receiver;
}

DatagramReceiver::DatagramReceiver() {
  for (size_t slot = 0; slot < kMaxBatch; ++slot) {
    msghdr& header = messages_[slot].msg_hdr;
    header.msg_name = &peers_[slot];
    header.msg_iov = extents_[slot].data();
  }
}

DatagramReceiver::~DatagramReceiver() { ReleaseSegments(); }

ReceivedDatagrams DatagramReceiver::Receive(Kernel& kernel,
                                            const DatagramSocket& socket,
                                            size_t count, size_t max_datagram,
                                            DatagramQueue& input) {
  count = std::min(count, slot_count());
  Prepare(count, socket.coalesces ? kMaxDatagram : max_datagram,
          socket.coalesces || socket.wildcard);
  ReceivedDatagrams received;
  int result;
  do {
    result = kernel.ReceiveMessages(socket.fd, messages_.data(),
                                    static_cast<unsigned>(count));
  } while (result == -EINTR);
  if (result < 0) {
    received.error = -result;
    return received;
  }
  used_ = static_cast<size_t>(result);
  received.messages = used_;
  size_t largest = 0;
  for (size_t slot = 0; slot < used_; ++slot) {
    largest = std::max<size_t>(largest, messages_[slot].msg_len);
    Take(slot, socket, max_datagram, input, received);
  }
  Adapt(std::min(largest, limit_));
  return received;
}

size_t DatagramReceiver::slot_count() const {
  return std::min(kMaxBatch,
                  kMaxSlotBytes / (segment_bytes_ + Segment::kHeaderBytes));
}

void DatagramReceiver::Prepare(size_t count, size_t limit, bool control) {
  if (limit != limit_ || control != control_) {
    limit_ = limit;
    control_ = control;
    prepared_ = 0;
  }
  if (overflow_ == nullptr && limit_ > segment_bytes_) {
    // Uninitialised: what nobody writes to takes no memory.
    overflow_ =
        std::make_unique_for_overwrite<char[]>(kMaxBatch * kMaxDatagram);
  }
  for (size_t slot = 0; slot < std::min(used_, prepared_); ++slot) {
    PrepareSlot(slot);
  }
  used_ = 0;
  for (; prepared_ < count; ++prepared_) PrepareSlot(prepared_);
}

void DatagramReceiver::PrepareSlot(size_t slot) {
  Segment*& segment = segments_[slot];
  if (segment == nullptr) segment = Segment::New(segment_bytes_);
  const size_t first = std::min(segment->tailroom(), limit_);
  extents_[slot][0] = {.iov_base = segment->tail(), .iov_len = first};
  msghdr& header = messages_[slot].msg_hdr;
  header.msg_iovlen = 1;
  if (first < limit_) {
    extents_[slot][1] = {.iov_base = &overflow_[slot * kMaxDatagram],
                         .iov_len = limit_ - first};
    header.msg_iovlen = 2;
  }
  header.msg_namelen = sizeof(sockaddr_in6);
  header.msg_control = control_ ? controls_[slot].bytes.data() : nullptr;
  header.msg_controllen = control_ ? kControlBytes : 0;
}

void DatagramReceiver::Take(size_t slot, const DatagramSocket& socket,
                            size_t max_datagram, DatagramQueue& input,
                            ReceivedDatagrams& received) {
  const msghdr& header = messages_[slot].msg_hdr;
  const size_t size = messages_[slot].msg_len;
  Ancillary said;
  if (header.msg_controllen != 0) said = ReadControl(header, socket);
  const auto make = [&] {
    return Datagram{.payload = TakePayload(slot, std::min(size, limit_)),
                    .peer = SocketAddress::FromInternet(peers_[slot]),
                    .local = socket.wildcard ? said.local : socket.local,
                    .interface = socket.wildcard ? said.interface : 0};
  };
  const size_t datagram_size =
      said.datagram_size == 0 ? size : said.datagram_size;
  if (datagram_size < size || size > max_datagram) {
    Split(make(), size, datagram_size, max_datagram, input, received);
    return;
  }
  ++received.datagrams;
  received.bytes += size;
  input.Add(make);
}

DatagramReceiver::Ancillary DatagramReceiver::ReadControl(
    const msghdr& header, const DatagramSocket& socket) {
  Ancillary said;
  auto& mutable_header = const_cast<msghdr&>(header);
  for (cmsghdr* part = CMSG_FIRSTHDR(&mutable_header); part != nullptr;
       part = CMSG_NXTHDR(&mutable_header, part)) {
    if (part->cmsg_level == IPPROTO_UDP && part->cmsg_type == UDP_GRO) {
      said.datagram_size = static_cast<size_t>(std::max(Read<int>(*part), 0));
    } else if (part->cmsg_level == IPPROTO_IP &&
               part->cmsg_type == IP_PKTINFO) {
      const auto info = Read<in_pktinfo>(*part);
      said.local = LocalOf(info, socket.local.port());
      said.interface = static_cast<uint32_t>(info.ipi_ifindex);
    } else if (part->cmsg_level == IPPROTO_IPV6 &&
               part->cmsg_type == IPV6_PKTINFO) {
      const auto info = Read<in6_pktinfo>(*part);
      said.local = LocalOf(info, socket.local.port());
      said.interface = info.ipi6_ifindex;
    }
  }
  return said;
}

Buffer DatagramReceiver::TakePayload(size_t slot, size_t size) {
  Buffer payload;
  const iovec& first = extents_[slot][0];
  const size_t in_segment = std::min(size, first.iov_len);
  if (in_segment != 0) {
    Segment* const segment = segments_[slot];
    if (Buffer::WouldCopy(*segment, in_segment)) {
      payload.Append({segment->tail(), in_segment});
      SegmentPool::ThisThread().CountCopiedBytes(in_segment);
    } else {
      segment->Extend(in_segment);
      payload.AppendSegment(segment);
      segments_[slot] = nullptr;
    }
  }
  if (size > in_segment) {
    payload.Append({&overflow_[slot * kMaxDatagram], size - in_segment});
    SegmentPool::ThisThread().CountCopiedBytes(size - in_segment);
  }
  return payload;
}

void DatagramReceiver::Split(Datagram message, size_t message_size, size_t size,
                             size_t max_datagram, DatagramQueue& input,
                             ReceivedDatagrams& received) {
  // The last may be smaller than the others.
  for (size_t left = message_size; left != 0; left -= size) {
    size = std::min(size, left);
    const size_t kept = std::min(size, max_datagram);
    input.Add([&] {
      Datagram part = {
          .peer = message.peer,
          .local = message.local,
          .truncated_from = static_cast<uint32_t>(kept < size ? size : 0),
          .interface = message.interface};
      part.payload.MoveFrom(message.payload, kept);
      return part;
    });
    ++received.datagrams;
    received.bytes += kept;
    if (kept == size) continue;
    message.payload.Drain(size - kept);
    ++received.truncated;
  }
}

void DatagramReceiver::Adapt(size_t largest) {
  const size_t wanted = std::min(largest, Segment::kMaxPooledCapacity);
  const size_t wanted_class = Segment::SizeClassFor(wanted);
  const size_t present_class = Segment::SizeClassFor(segment_bytes_);
  if (wanted_class == present_class) {
    small_batches_ = 0;
    largest_of_those_ = 0;
    return;
  }
  if (wanted_class > present_class) {
    // Its memory has been written to, and is of less use from now on.
    overflow_ = nullptr;
    largest_of_those_ = 0;
  } else {
    largest_of_those_ = std::max(largest_of_those_, wanted);
    if (++small_batches_ < kPatience) return;
  }
  const size_t size_class = Segment::SizeClassFor(
      std::max(wanted, std::exchange(largest_of_those_, 0)));
  segment_bytes_ = SegmentPool::BytesOf(size_class) - Segment::kHeaderBytes;
  small_batches_ = 0;
  ReleaseSegments();
}

void DatagramReceiver::ReleaseSegments() {
  for (Segment*& segment : segments_) {
    if (segment != nullptr) Segment::Release(std::exchange(segment, nullptr));
  }
  prepared_ = 0;
}

}  // namespace percore::internal
