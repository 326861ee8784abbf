#include "percore/bench/load/address.h"

#include <netinet/in.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace percore::bench {

absl::StatusOr<AddressPtr> Resolve(const std::string& host_port) {
  const auto complain = [&](const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat("--host_port=", host_port, ": ", what));
  };
  const size_t colon = host_port.rfind(':');
  if (colon == std::string::npos) return complain("there is no port");
  std::string host = host_port.substr(0, colon);
  const std::string port = host_port.substr(colon + 1);
  int number = 0;
  if (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) {
    return complain("the port must be 1 to 65535");
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) return complain("there is no host");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return complain(gai_strerror(error));
  return AddressPtr(found, &freeaddrinfo);
}

bool IsLoopback(const addrinfo& address) {
  if (address.ai_family != AF_INET) return false;
  sockaddr_in in = {};
  std::memcpy(&in, address.ai_addr, sizeof(in));
  return ntohl(in.sin_addr.s_addr) >> 24 == 127;
}

}  // namespace percore::bench
