// Transports that connect, or fail to, when a test says so: an attempt that
// hangs, without a network that swallows packets.
//
// ```cpp
// percore::ScriptedTransports transports;
// percore::HostConnectorOptions options = {
//     .make_transport = &percore::ScriptedTransports::Make,
//     .transport_argument = &transports};
// // ... something connects ...
// transports.Connect("192.0.2.1:80");
// ```
#ifndef PERCORE_TESTS_SUPPORT_SCRIPTED_TRANSPORTS_H_
#define PERCORE_TESTS_SUPPORT_SCRIPTED_TRANSPORTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/transport.h"
#include "percore/runtime/event_base.h"

namespace percore {

// Thread: one. Outlives its transports.
class ScriptedTransports {
 public:
  ScriptedTransports() = default;
  ScriptedTransports(const ScriptedTransports&) = delete;
  ScriptedTransports& operator=(const ScriptedTransports&) = delete;
  ~ScriptedTransports();

  // As HostConnectorOptions has it; `self` is the ScriptedTransports.
  static absl::StatusOr<TransportPtr> Make(EventBase& base,
                                           const SocketAddress& peer,
                                           void* self);

  // Ends the attempt that goes on for this address.
  void Connect(const std::string& address);
  void Fail(const std::string& address, const absl::Status& status);
  // Transport::Connect() to this address fails at once.
  void Refuse(const std::string& address, const absl::Status& status);

  // All addresses that were ever tried, in their order.
  const std::vector<std::string>& tried() const { return tried_; }
  // Those whose transports exist, sorted.
  std::vector<std::string> open() const;
  // All that was sent, through any of them.
  const std::string& sent() const { return sent_; }

 private:
  class Scripted;

  std::vector<std::string> tried_;
  std::map<std::string, Scripted*> open_;
  std::map<std::string, absl::Status> refused_;
  std::string sent_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SCRIPTED_TRANSPORTS_H_
