// Events that nobody keeps: each is called once, and goes.
#ifndef PERCORE_RUNTIME_INTERNAL_ONCE_EVENTS_H_
#define PERCORE_RUNTIME_INTERNAL_ONCE_EVENTS_H_

#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "percore/runtime/event.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// Those of one loop, in its thread. Destroys those that are left.
class OnceEvents {
 public:
  using Function = absl::AnyInvocable<void(EventFlags what)>;

  OnceEvents() = default;
  OnceEvents(const OnceEvents&) = delete;
  OnceEvents& operator=(const OnceEvents&) = delete;
  ~OnceEvents();

  // What EventBase::Once() does.
  absl::Status Add(EventBase& base, int fd, EventFlags interest,
                   std::optional<Duration> timeout, Function function);

 private:
  struct OnceEvent {
    OnceEvent(EventBase& base, int fd, EventFlags interest, OnceEvents* owner,
              Function function)
        : event(base, fd, interest, &OnceEvents::Call, this),
          owner(owner),
          function(std::move(function)) {}

    Event event;
    OnceEvents* const owner;
    Function function;
    ListLink<OnceEvent> link;
  };

  static void Call(int fd, EventFlags what, void* once);

  IntrusiveList<OnceEvent, &OnceEvent::link> events_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ONCE_EVENTS_H_
