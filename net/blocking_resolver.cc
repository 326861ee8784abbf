#include "percore/net/blocking_resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

absl::StatusOr<std::vector<SocketAddress>> Ask(Kernel& kernel,
                                               const std::string& host,
                                               int family) {
  // To the C library it would be another, shorter name.
  if (host.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(absl::CHexEscape(host), ": a name has no NUL"));
  }
  addrinfo hints = {};
  hints.ai_family = family;
  // One of each address, not one for every protocol. AI_ADDRCONFIG would spare
  // questions where the machine has no IPv6, but with it even "localhost" is
  // unknown to a machine that has nothing but its loopback interface.
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = kernel.GetAddressInfo(host.c_str(), &hints, &list);
  if (error != 0) return AddressInfoError(error, host);

  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    absl::StatusOr<SocketAddress> address =
        SocketAddress::FromNative(entry->ai_addr, entry->ai_addrlen);
    if (address.ok()) addresses.push_back(*std::move(address));
  }
  kernel.FreeAddressInfo(list);
  if (addresses.empty()) return AddressInfoError(EAI_NODATA, host);
  return addresses;
}

class BlockingRequest final : public Resolver::Request {
 public:
  BlockingRequest(EventBase& base, std::string_view host, int family,
                  Resolver::Callback callback, void* argument)
      : kernel_(base.kernel()),
        host_(host),
        family_(family),
        callback_(callback),
        argument_(argument),
        turn_(
            base,
            [](void* request) {
              static_cast<BlockingRequest*>(request)->Answer();
            },
            this) {
    turn_.Schedule();
  }

 private:
  // It may be gone afterwards.
  void Answer() { callback_(Ask(kernel_, host_, family_), argument_); }

  Kernel& kernel_;
  const std::string host_;
  const int family_;
  const Resolver::Callback callback_;
  void* const argument_;
  DeferredCallback turn_;
};

}  // namespace

std::unique_ptr<Resolver::Request> BlockingResolver::Lookup(
    std::string_view host, int family, Callback callback, void* argument) {
  return std::make_unique<BlockingRequest>(base_, host, family, callback,
                                           argument);
}

}  // namespace percore
