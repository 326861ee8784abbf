#include "percore/runtime/internal/once_events.h"

#include <memory>

namespace percore::internal {

OnceEvents::~OnceEvents() {
  while (!events_.empty()) delete events_.PopFront();
}

absl::Status OnceEvents::Add(EventBase& base, int fd, EventFlags interest,
                             std::optional<Duration> timeout,
                             Function function) {
  if (Any(interest & EventFlags::kPersist)) {
    return absl::InvalidArgumentError(
        "an event that is called once cannot be persistent");
  }
  auto once = std::make_unique<OnceEvent>(base, fd, interest, this,
                                          std::move(function));
  absl::Status added =
      timeout.has_value() ? once->event.Add(*timeout) : once->event.Add();
  if (added.ok()) events_.PushBack(once.release());
  return added;
}

void OnceEvents::Call(int /*fd*/, EventFlags what, void* once) {
  const std::unique_ptr<OnceEvent> self(static_cast<OnceEvent*>(once));
  self->owner->events_.Remove(self.get());
  self->function(what);
}

}  // namespace percore::internal
