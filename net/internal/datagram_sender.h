// How datagrams go into a socket: many by one system call, and runs that the
// kernel can cut by itself as one of them.
#ifndef PERCORE_NET_INTERNAL_DATAGRAM_SENDER_H_
#define PERCORE_NET_INTERNAL_DATAGRAM_SENDER_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "percore/net/datagram_queue.h"
#include "percore/net/internal/datagram_socket.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// What one call took.
struct SentDatagrams {
  // A positive errno, and then nothing was sent: it is the first datagram's
  // (or, of a connected socket, maybe one's that was sent before).
  int error = 0;
  size_t datagrams = 0;
  size_t bytes = 0;
};

// One sendmmsg(), made on the stack.
//
// Datagrams in a row to one peer, all of one size but for the last, which may
// be smaller, become one message (UDP_SEGMENT): the kernel takes it through all
// its layers once, and cuts it at the end, or has the network card do that.
// What a device cannot send so, since it has no checksums, or its packets are
// smaller, the kernel refuses: the socket then remembers, and they are sent one
// by one.
class DatagramSender {
 public:
  static constexpr size_t kMaxBatch = 64;

  DatagramSender(Kernel& kernel, DatagramSocket& socket)
      : kernel_(kernel), socket_(socket) {}
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  // Sends from the front of `output`, which has some, datagrams until they have
  // `room` bytes or more, and discards what the kernel took. Retries when
  // interrupted.
  SentDatagrams Send(DatagramQueue& output, size_t room);

 private:
  // UDP_MAX_SEGMENTS, before Linux 6.9; and a little less than an IP packet.
  static constexpr size_t kMaxSegments = 64;
  static constexpr size_t kMaxRunBytes = 65000;
  static constexpr size_t kMaxExtents = 256;
  // Of one datagram: more pieces are put together first.
  static constexpr size_t kMaxPieces = 32;

  // Messages that are being made.
  struct Run {
    size_t datagrams;
    size_t bytes;
    size_t segment;  // the size of all but the last
    bool open;       // more may follow
  };

  void Gather(DatagramQueue& output, size_t room);
  bool Extends(const Datagram& datagram, const Datagram* last) const;
  size_t AddExtents(const Datagram& datagram);
  void BeginRun(const Datagram& datagram, size_t extents);
  void ExtendRun(const Datagram& datagram, size_t extents);
  void FinishRun();
  void AddControl(int level, int type, const void* data, size_t size);
  void AddSource(const SocketAddress& local);
  // Whether the error may be due to the first message's being a run, which the
  // socket then will not make again.
  bool LearnFrom(int error);

  Kernel& kernel_;
  DatagramSocket& socket_;
  size_t count_ = 0;  // of messages
  size_t extent_count_ = 0;
  std::array<mmsghdr, kMaxBatch> messages_;
  std::array<Run, kMaxBatch> runs_;
  std::array<iovec, kMaxExtents> extents_;
  // Room for in6_pktinfo or in_pktinfo, and UDP_SEGMENT's size.
  struct alignas(cmsghdr) Control {
    std::array<char, 72> bytes;
  };
  std::array<Control, kMaxBatch> controls_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_DATAGRAM_SENDER_H_
