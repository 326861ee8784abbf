// A message as UDP carries it: bytes that come and go as a whole, and where
// from and to.
//
// ```cpp
// percore::Datagram question = {
//     .peer = *percore::SocketAddress::Parse("192.0.2.1:53")};
// question.payload.Append("...");
// ```
//
// One that was received is ready to be answered: its payload replaced, it goes
// back to `peer`, and comes from the address that `peer` had sent to.
#ifndef PERCORE_NET_DATAGRAM_H_
#define PERCORE_NET_DATAGRAM_H_

#include <cstdint>

#include "percore/buffer/buffer.h"
#include "percore/net/socket_address.h"

namespace percore {

// One thread, as its payload. Moves without copying.
struct Datagram {
  // May be empty: a datagram without bytes is one.
  Buffer payload = {};
  // Where it came from, or goes to. With port 0 it goes to whom the endpoint is
  // connected to.
  SocketAddress peer = {};
  // Where it was sent to: an address of this machine, or a multicast group (of
  // a broadcast: the own address on that network). To be sent, it comes from
  // there, if that is an address of this machine; with the address 0.0.0.0 or
  // [::], from whatever the system chooses. The port is the socket's always.
  SocketAddress local = {};
  // The size that it had when it was sent, if there was no room for all of it
  // and the rest is lost; else 0.
  uint32_t truncated_from = 0;
  // The number of the network interface by which it came, where the endpoint is
  // bound to no single address; else 0. Means nothing for one to be sent.
  uint32_t interface = 0;

  bool truncated() const { return truncated_from != 0; }
};

}  // namespace percore

#endif  // PERCORE_NET_DATAGRAM_H_
