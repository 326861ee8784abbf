#include "percore/examples/proxy_service/upstream.h"

#include <sys/socket.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/net/blocking_resolver.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/error.h"

namespace percore::proxy {
namespace {

using Addresses = absl::StatusOr<std::vector<SocketAddress>>;

absl::Status BadAddress(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", ToAbsl(text), "' is neither HOST:PORT nor unix:PATH"));
}

// Waits for the answer.
Addresses LookUp(std::string_view host, int family) {
  absl::StatusOr<std::unique_ptr<EventBase>> base = EventBase::Create({});
  if (!base.ok()) return base.status();
  BlockingResolver resolver(**base);
  Addresses answer;
  const std::unique_ptr<Resolver::Request> request = resolver.Lookup(
      host, family,
      [](Addresses addresses, void* answer) {
        *static_cast<Addresses*>(answer) = std::move(addresses);
      },
      &answer);
  if (absl::Status status = (*base)->Run(); !status.ok()) return status;
  return answer;
}

class KnownAnswer final : public Resolver::Request {
 public:
  KnownAnswer(EventBase& base, Addresses addresses, Resolver::Callback callback,
              void* argument)
      : addresses_(std::move(addresses)),
        callback_(callback),
        argument_(argument),
        turn_(
            base,
            [](void* answer) {
              auto& self = *static_cast<KnownAnswer*>(answer);
              // It may be gone afterwards.
              self.callback_(std::move(self.addresses_), self.argument_);
            },
            this) {
    turn_.Schedule();
  }

 private:
  Addresses addresses_;
  const Resolver::Callback callback_;
  void* const argument_;
  DeferredCallback turn_;
};

}  // namespace

absl::StatusOr<Upstream> Upstream::Resolve(std::string_view text) {
  Upstream upstream;
  if (absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
      address.ok()) {
    // Numbers, or a path, which HostConnector takes as they are.
    upstream.port_ = address->port();
    if (!address->is_unix() && upstream.port_ == 0) return BadAddress(text);
    upstream.host_ = text.substr(
        0, address->is_unix() ? std::string_view::npos : text.rfind(':'));
    return upstream;
  }
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == std::string_view::npos || colon == 0 ||
      text.find(':') != colon ||
      !absl::SimpleAtoi(ToAbsl(text.substr(colon + 1)), &port) || port == 0 ||
      port > UINT16_MAX) {
    return BadAddress(text);
  }
  upstream.host_ = text.substr(0, colon);
  upstream.port_ = static_cast<uint16_t>(port);
  absl::Status failure;
  for (const int family : {AF_INET6, AF_INET}) {
    const Addresses found = LookUp(upstream.host_, family);
    if (!found.ok()) {
      failure = found.status();
      continue;
    }
    upstream.addresses_.insert(upstream.addresses_.end(), found->begin(),
                               found->end());
  }
  if (upstream.addresses_.empty()) return failure;
  return upstream;
}

std::vector<SocketAddress> Upstream::AddressesOf(int family) const {
  std::vector<SocketAddress> addresses;
  for (const SocketAddress& address : addresses_) {
    if (address.family() == family) addresses.push_back(address);
  }
  return addresses;
}

std::unique_ptr<Resolver::Request> UpstreamResolver::Lookup(
    std::string_view host, int family, Callback callback, void* argument) {
  std::vector<SocketAddress> addresses = upstream_.AddressesOf(family);
  Addresses answer = absl::NotFoundError(
      absl::StrCat(ToAbsl(host), ": no address of that family"));
  if (!addresses.empty()) answer = std::move(addresses);
  return std::make_unique<KnownAnswer>(base_, std::move(answer), callback,
                                       argument);
}

}  // namespace percore::proxy
