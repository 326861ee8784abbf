// How datagrams come out of a socket: many by one system call, into memory that
// becomes their payloads.
#ifndef PERCORE_NET_INTERNAL_DATAGRAM_RECEIVER_H_
#define PERCORE_NET_INTERNAL_DATAGRAM_RECEIVER_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "percore/buffer/segment.h"
#include "percore/net/datagram_queue.h"
#include "percore/net/internal/datagram_socket.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// What one call gave.
struct ReceivedDatagrams {
  int error = 0;        // a positive errno: nothing was received
  size_t messages = 0;  // of the kernel's, each a datagram or several
  size_t datagrams = 0;
  size_t bytes = 0;
  size_t truncated = 0;
};

// A thread has one, for all of its endpoints: the kernel writes to it, and it
// is empty again, within one call. So an endpoint that is idle owns nothing.
//
// A slot for a datagram is a segment, of a size that most of the last ones
// fitted, and behind it memory for the largest that UDP has, which is used by
// few. Segments that are well filled become payloads as they are; what would
// waste a large one is copied out of it.
//
//   slot   +---------------------+      +------------------------------------+
//          | segment: 0.5-64 KiB | ---> | overflow: the rest of up to 64 KiB |
//          +---------------------+      +------------------------------------+
//
// Memory: the segments, at most 1 MiB, and 4 MiB of addresses for the overflow,
// of which is in memory what has been written to since sizes last grew.
class DatagramReceiver {
 public:
  static constexpr size_t kMaxDatagram = 65535;
  static constexpr size_t kMaxBatch = 64;

  static DatagramReceiver& ThisThread();

  DatagramReceiver();
  DatagramReceiver(const DatagramReceiver&) = delete;
  DatagramReceiver& operator=(const DatagramReceiver&) = delete;
  ~DatagramReceiver();

  // Appends what one recvmmsg() gives to `input`. At most `count` messages,
  // from 1 on: of each, which may be many datagrams coalesced, is taken all. Of
  // each datagram the first `max_datagram` bytes are kept. Retries when
  // interrupted.
  ReceivedDatagrams Receive(Kernel& kernel, const DatagramSocket& socket,
                            size_t count, size_t max_datagram,
                            DatagramQueue& input);

 private:
  // Room for in6_pktinfo or in_pktinfo, and UDP_GRO's size.
  static constexpr size_t kControlBytes = 96;
  static constexpr size_t kMaxSlotBytes = size_t{1024} * 1024;
  // A full Ethernet packet's payload fits.
  static constexpr size_t kFirstSegment = 2048 - Segment::kHeaderBytes;
  // Batches of small datagrams, until segments become smaller.
  static constexpr int kPatience = 64;

  // What a message says beside its bytes.
  struct Ancillary {
    size_t datagram_size = 0;  // of those coalesced; 0 for one
    SocketAddress local;
    uint32_t interface = 0;
  };

  size_t slot_count() const;
  void Prepare(size_t count, size_t limit, bool control);
  void PrepareSlot(size_t slot);
  void Take(size_t slot, const DatagramSocket& socket, size_t max_datagram,
            DatagramQueue& input, ReceivedDatagrams& received);
  Ancillary ReadControl(const msghdr& header, const DatagramSocket& socket);
  Buffer TakePayload(size_t slot, size_t size);
  // Makes datagrams of `size` bytes of a message of `message_size`, of whose
  // payload the first part may have been received only.
  static void Split(Datagram message, size_t message_size, size_t size,
                    size_t max_datagram, DatagramQueue& input,
                    ReceivedDatagrams& received);
  void Adapt(size_t largest);
  void ReleaseSegments();

  size_t segment_bytes_ = kFirstSegment;
  size_t limit_ = 0;
  bool control_ = false;
  size_t prepared_ = 0;  // slots that have been, with these settings
  size_t used_ = 0;      // of those, the ones that the last call wrote to
  int small_batches_ = 0;
  size_t largest_of_those_ = 0;
  std::unique_ptr<char[]> overflow_;

  std::array<mmsghdr, kMaxBatch> messages_ = {};
  std::array<std::array<iovec, 2>, kMaxBatch> extents_;
  std::array<Segment*, kMaxBatch> segments_ = {};
  std::array<sockaddr_in6, kMaxBatch> peers_;
  struct alignas(cmsghdr) Control {
    std::array<char, kControlBytes> bytes;
  };
  std::array<Control, kMaxBatch> controls_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_DATAGRAM_RECEIVER_H_
