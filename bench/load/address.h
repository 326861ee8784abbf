// The server's address.
#ifndef PERCORE_BENCH_LOAD_ADDRESS_H_
#define PERCORE_BENCH_LOAD_ADDRESS_H_

#include <netdb.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace percore::bench {

using AddressPtr = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// `host_port` is "host:port" or "[IPv6 address]:port". May ask the DNS.
absl::StatusOr<AddressPtr> Resolve(const std::string& host_port);

// In 127.0.0.0/8.
bool IsLoopback(const addrinfo& address);

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_ADDRESS_H_
