// The note that debug mode keeps of every event.
#ifndef PERCORE_RUNTIME_INTERNAL_EVENT_REGISTRY_H_
#define PERCORE_RUNTIME_INTERNAL_EVENT_REGISTRY_H_

#include <atomic>
#include <string>

#include "absl/status/status.h"

namespace percore {

class BasicEvent;

namespace internal {

// Any thread. Events are known by their address alone: they may be gone.
class EventRegistry {
 public:
  static bool enabled() { return enabled_.load(std::memory_order_relaxed); }
  static void Enable() { enabled_.store(true); }

  static void Constructed(const BasicEvent* event);
  static void Destroyed(const BasicEvent* event, std::string description);
  // FailedPrecondition if the event has been destroyed.
  static absl::Status CheckAlive(const BasicEvent* event);
  static void Pending(const BasicEvent* event, std::string description);
  static void NotPending(const BasicEvent* event);

 private:
  static std::atomic<bool> enabled_;
};

}  // namespace internal
}  // namespace percore

#endif  // PERCORE_RUNTIME_INTERNAL_EVENT_REGISTRY_H_
