// Asks the C library for addresses. IT BLOCKS THE LOOP.
//
// getaddrinfo(3) knows what the machine knows: /etc/hosts, search domains,
// nsswitch.conf and its modules. But it returns only when it has the answer,
// and a name server that is silent makes that ten seconds and more. Meanwhile
// nothing runs on this loop: no connection is read, no timer fires.
//
// For programs that have nothing else to do until they are connected, and for
// their start. It is used where it is asked for, and nowhere else.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::BlockingResolver resolver(**base);
// percore::BufferEvent connection(**base);
// connection.ConnectHost(resolver, "localhost", 80);
// ```
#ifndef PERCORE_NET_BLOCKING_RESOLVER_H_
#define PERCORE_NET_BLOCKING_RESOLVER_H_

#include <memory>
#include <string_view>

#include "percore/net/resolver.h"
#include "percore/runtime/event_base.h"

namespace percore {

// Thread: the base's, which outlives it.
//
// Lookup() returns at once; the loop waits when it comes to the question, after
// the active events of the round. Questions are asked one after the other, and
// those that were taken back by then are not asked.
class BlockingResolver final : public Resolver {
 public:
  explicit BlockingResolver(EventBase& base) : base_(base) {}

  // Errors in the answer: those of AddressInfoError(); InvalidArgument for a
  // name with a NUL.
  std::unique_ptr<Request> Lookup(std::string_view host, int family,
                                  Callback callback, void* argument) override;

 private:
  EventBase& base_;
};

}  // namespace percore

#endif  // PERCORE_NET_BLOCKING_RESOLVER_H_
