// An address that is kept for as long as a connection lasts, in 8 bytes.
//
// A SocketAddress is as large as an IPv6 address makes it, and ready for system
// calls. What a server keeps of each client is looked at once, if at all, and
// is mostly an IPv4 address and a port: 6 bytes.
#ifndef PERCORE_NET_INTERNAL_STORED_ADDRESS_H_
#define PERCORE_NET_INTERNAL_STORED_ADDRESS_H_

#include <netinet/in.h>

#include <cstdint>

#include "percore/net/socket_address.h"

namespace percore::internal {

// Any thread, as any value. Allocates for what is not IPv4.
class StoredAddress {
 public:
  explicit StoredAddress(const SocketAddress& address);
  StoredAddress(const StoredAddress&) = delete;
  StoredAddress& operator=(const StoredAddress&) = delete;
  ~StoredAddress() {
    if (!is_ipv4()) delete elsewhere();
  }

  // A copy of what it was made of.
  SocketAddress Get() const;

 private:
  // In the lowest bit, which is free in a pointer.
  static constexpr uint64_t kIpv4 = 1;
  static constexpr int kAddressShift = 32;
  static constexpr int kPortShift = 16;

  static uint64_t Pack(const sockaddr_in& native);
  bool is_ipv4() const { return (bits_ & kIpv4) != 0; }
  const SocketAddress* elsewhere() const {
    return reinterpret_cast<const SocketAddress*>(bits_);
  }

  // Address and port, as the network orders their bytes, or a pointer.
  const uint64_t bits_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_STORED_ADDRESS_H_
