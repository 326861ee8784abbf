// Turns the name of a host into addresses, without making the loop wait.
//
// This is what net/ knows of name resolution. BlockingResolver, which does make
// the loop wait, asks the C library; a test brings one that answers what it
// likes.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::BlockingResolver resolver(**base);
// using Addresses = std::vector<percore::SocketAddress>;
// auto request = resolver.Lookup(
//     "localhost", AF_INET,
//     [](absl::StatusOr<Addresses> addresses, void*) {
//       if (!addresses.ok()) return;  // "localhost: Name or service not known"
//       std::string first = addresses->front().ToString();  // "127.0.0.1:0"
//     },
//     nullptr);
// absl::Status status = (*base)->Run();
// ```
#ifndef PERCORE_NET_RESOLVER_H_
#define PERCORE_NET_RESOLVER_H_

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"

namespace percore {

// Thread: one loop's. Outlives its requests.
class Resolver {
 public:
  // A question that is not answered yet. Destroying it takes the question back:
  // its callback does not run any more. It may be destroyed inside of that, and
  // afterwards is good for nothing else.
  class Request {
   public:
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    virtual ~Request() = default;

   protected:
    Request() = default;
  };

  // At least one address, each with port 0, the best first; or why there is
  // none. NotFound: the name does not exist, or has no address of the family.
  // Unavailable: nobody could say, and trying again may help.
  using Callback = void (*)(
      absl::StatusOr<std::vector<SocketAddress>> addresses, void* argument);

  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;
  virtual ~Resolver() = default;

  // Asks for the addresses of one family: AF_INET (A records), or AF_INET6
  // (AAAA). Who wants both asks twice, and has each answer as soon as there is
  // one. `host` is copied. The answer, errors included, comes once, from the
  // loop, never from inside this call; never null.
  virtual std::unique_ptr<Request> Lookup(std::string_view host, int family,
                                          Callback callback,
                                          void* argument) = 0;

 protected:
  Resolver() = default;
};

}  // namespace percore

#endif  // PERCORE_NET_RESOLVER_H_
