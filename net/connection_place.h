// A connection's place among those that its listener may have at once.
//
// ```cpp
// struct Client {
//   percore::ConnectionPlace place;  // given back after the socket is closed
//   percore::UniqueFd socket;
// };
// ```
#ifndef PERCORE_NET_CONNECTION_PLACE_H_
#define PERCORE_NET_CONNECTION_PLACE_H_

#include <utility>

#include "percore/net/internal/connection_quota.h"

namespace percore {

class Listener;

// From Listener::TakePlace(). Given back when it is destroyed, which happens on
// the thread of the listener's base: a connection that was handed to another
// shard sends it home. May outlive the listener. 8 bytes; giving it back
// allocates nothing, except where somebody waits for it.
class ConnectionPlace {
 public:
  // None.
  ConnectionPlace() = default;
  ConnectionPlace(ConnectionPlace&& other) noexcept
      : quota_(std::exchange(other.quota_, nullptr)) {}
  ConnectionPlace& operator=(ConnectionPlace&& other) noexcept {
    ConnectionPlace old(std::move(*this));
    quota_ = std::exchange(other.quota_, nullptr);
    return *this;
  }
  ~ConnectionPlace() { GiveBack(); }

  bool valid() const { return quota_ != nullptr; }

  // Leaves none.
  void GiveBack() {
    if (quota_ != nullptr) std::exchange(quota_, nullptr)->Return();
  }

 private:
  friend class Listener;

  explicit ConnectionPlace(internal::ConnectionQuota* quota) : quota_(quota) {}

  internal::ConnectionQuota* quota_ = nullptr;
};

}  // namespace percore

#endif  // PERCORE_NET_CONNECTION_PLACE_H_
