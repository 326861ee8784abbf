#include "percore/bench/load/datagram_flow.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/connection.h"

namespace percore::bench {
namespace {

// What the kernel makes of one message, at most: UDP_MAX_SEGMENTS before Linux
// 6.9, and a little less than an IP packet.
constexpr size_t kMaxSegments = 64;
constexpr size_t kMaxMessage = 65000;
constexpr int kSocketBuffer = 4 << 20;

struct Header {
  uint32_t flow;
  uint32_t place;
  uint64_t number;
  int64_t made_ns;
};
static_assert(sizeof(Header) == DatagramFlow::kMinBytes);

constexpr char kFiller = 'x';

}  // namespace

DatagramRoom::DatagramRoom(size_t datagram_bytes, bool offload)
    : datagram_bytes_(datagram_bytes),
      offload_(offload),
      message_bytes_(offload ? size_t{64} << 10 : datagram_bytes),
      outgoing_(kBatch * datagram_bytes, kFiller),
      incoming_(kBatch * message_bytes_) {}

DatagramFlow::DatagramFlow(uint32_t number, uint32_t depth)
    : flow_(number), expected_(depth) {
  for (uint32_t place = 0; place < depth; ++place) free_.push_back(place);
}

DatagramFlow::~DatagramFlow() {
  if (fd_ >= 0) close(fd_);
}

absl::Status DatagramFlow::Open(const addrinfo& address,
                                const DatagramRoom& room) {
  fd_ = socket(address.ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return SystemError("socket");
  if (setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer,
                 sizeof(kSocketBuffer)) != 0) {
    return SystemError("setsockopt SO_RCVBUF");
  }
  const int on = 1;
  if (room.offload() &&
      setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) != 0) {
    return SystemError("setsockopt UDP_GRO");
  }
  if (connect(fd_, address.ai_addr, address.ai_addrlen) != 0) {
    return SystemError("connect");
  }
  return absl::OkStatus();
}

absl::Status DatagramFlow::Fill(DatagramRoom& room, size_t most,
                                uint64_t* made) {
  const size_t size = room.datagram_bytes_;
  size_t batch = DatagramRoom::kBatch;
  if (room.offload_) {
    batch = std::min(
        {batch, kMaxSegments, std::max(kMaxMessage / size, size_t{1})});
  }
  while (most != 0 && !free_.empty()) {
    const size_t count = std::min({most, batch, free_.size()});
    const int64_t now_ns = MonotonicNow();
    for (size_t i = 0; i < count; ++i) {
      const Header header = {.flow = flow_,
                             .place = free_[free_.size() - 1 - i],
                             .number = next_number_ + i,
                             .made_ns = now_ns};
      std::memcpy(&room.outgoing_[i * size], &header, sizeof(header));
    }
    const int sent = room.offload_ && count > 1 ? SendAsOne(room, count)
                                                : SendEach(room, count);
    if (sent < 0) {
      if (errno == EAGAIN || errno == ENOBUFS) return absl::OkStatus();
      return SystemError("sending datagrams");
    }
    for (int i = 0; i < sent; ++i) {
      expected_[free_.back()] = {.number = next_number_++, .made_ns = now_ns};
      free_.pop_back();
    }
    *made += static_cast<uint64_t>(sent);
    most -= static_cast<size_t>(sent);
    if (static_cast<size_t>(sent) < count) return absl::OkStatus();
  }
  return absl::OkStatus();
}

int DatagramFlow::SendEach(DatagramRoom& room, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    room.extents_[i] = {.iov_base = &room.outgoing_[i * room.datagram_bytes_],
                        .iov_len = room.datagram_bytes_};
    room.messages_[i].msg_hdr = {};
    room.messages_[i].msg_hdr.msg_iov = &room.extents_[i];
    room.messages_[i].msg_hdr.msg_iovlen = 1;
  }
  return sendmmsg(fd_, room.messages_.data(), static_cast<unsigned>(count),
                  MSG_NOSIGNAL);
}

int DatagramFlow::SendAsOne(DatagramRoom& room, size_t count) const {
  iovec extent = {.iov_base = room.outgoing_.data(),
                  .iov_len = count * room.datagram_bytes_};
  msghdr header = {};
  header.msg_iov = &extent;
  header.msg_iovlen = 1;
  header.msg_control = room.controls_[0].bytes;
  header.msg_controllen = CMSG_SPACE(sizeof(uint16_t));
  cmsghdr* const part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = IPPROTO_UDP;
  part->cmsg_type = UDP_SEGMENT;
  part->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  const auto segment = static_cast<uint16_t>(room.datagram_bytes_);
  std::memcpy(CMSG_DATA(part), &segment, sizeof(segment));
  return sendmsg(fd_, &header, MSG_NOSIGNAL) < 0 ? -1 : static_cast<int>(count);
}

absl::Status DatagramFlow::Receive(
    DatagramRoom& room, absl::FunctionRef<void(int64_t made_ns)> answered) {
  for (size_t i = 0; i < DatagramRoom::kBatch; ++i) {
    room.extents_[i] = {.iov_base = &room.incoming_[i * room.message_bytes_],
                        .iov_len = room.message_bytes_};
    room.messages_[i].msg_hdr = {};
    room.messages_[i].msg_hdr.msg_iov = &room.extents_[i];
    room.messages_[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(fd_, room.messages_.data(), DatagramRoom::kBatch,
                             MSG_DONTWAIT | MSG_TRUNC, nullptr);
  if (count < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return SystemError("recvmmsg");
  }
  for (int i = 0; i < count; ++i) {
    // All are of one size: what was coalesced needs no word on where to cut.
    std::string_view bytes(
        &room.incoming_[i * room.message_bytes_],
        std::min<size_t>(room.messages_[i].msg_len, room.message_bytes_));
    while (!bytes.empty()) {
      const std::string_view datagram = bytes.substr(0, room.datagram_bytes_);
      if (absl::Status status = Take(room, datagram, answered); !status.ok()) {
        return status;
      }
      bytes.remove_prefix(datagram.size());
    }
  }
  return absl::OkStatus();
}

absl::Status DatagramFlow::Take(
    DatagramRoom& room, std::string_view datagram,
    absl::FunctionRef<void(int64_t made_ns)> answered) {
  Header header = {};
  if (datagram.size() != room.datagram_bytes_) {
    return absl::DataLossError(
        absl::StrCat("an answer has ", datagram.size(), " bytes"));
  }
  std::memcpy(&header, datagram.data(), sizeof(header));
  if (header.flow != flow_ || header.place >= expected_.size() ||
      std::memcmp(datagram.data() + sizeof(header),
                  room.outgoing_.data() + sizeof(header),
                  datagram.size() - sizeof(header)) != 0) {
    return absl::DataLossError("an answer is not what was asked");
  }
  Expected& expected = expected_[header.place];
  // Late: it has been given up.
  if (expected.number != header.number) return absl::OkStatus();
  if (expected.made_ns != header.made_ns) {
    return absl::DataLossError("an answer is not what was asked");
  }
  expected.number = kNothing;
  free_.push_back(header.place);
  answered(header.made_ns);
  return absl::OkStatus();
}

size_t DatagramFlow::GiveUp(int64_t now_ns, int64_t patience_ns) {
  size_t lost = 0;
  for (uint32_t place = 0; place < expected_.size(); ++place) {
    Expected& expected = expected_[place];
    if (expected.number == kNothing ||
        now_ns - expected.made_ns < patience_ns) {
      continue;
    }
    expected.number = kNothing;
    free_.push_back(place);
    ++lost;
  }
  return lost;
}

}  // namespace percore::bench
