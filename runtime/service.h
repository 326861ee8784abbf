// What an application runs on a shard.
//
// A Runtime makes one Service on each shard's own thread. Everything a service
// touches belongs to its shard.
//
// ```cpp
// class Quiet : public percore::Service {
//   void Drain() override {}  // has nothing to finish
// };
// Quiet service;
// ```
#ifndef PERCORE_RUNTIME_SERVICE_H_
#define PERCORE_RUNTIME_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"

namespace percore {

class Shard;

// Thread: made, called and destroyed on its shard's thread.
class Service {
 public:
  // Closes what is left. Messages that it posts are not delivered any more.
  virtual ~Service() = default;

  // The runtime stops: take in no new work and finish what is under way. What
  // must be waited for holds the shard's gate().
  virtual void Drain() = 0;
};

// Makes a shard's service. An error stops the runtime: its Run() returns it.
using ServiceFactory =
    std::function<absl::StatusOr<std::unique_ptr<Service>>(Shard& shard)>;

}  // namespace percore

#endif  // PERCORE_RUNTIME_SERVICE_H_
