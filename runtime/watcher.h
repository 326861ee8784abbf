// Looks at every round of a loop: right before it waits, or right after.
//
// Whoever joins another library's loop to this one must know when this one is
// about to sleep, and for how long; whoever measures a loop must know when its
// rounds begin and end. Events cannot tell: they run in the middle.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::Duration longest{};
// percore::Watcher watcher(
//     **base, percore::Watcher::When::kCheck,
//     [](percore::Watcher&, percore::Duration waited, void* longest) {
//       auto& most = *static_cast<percore::Duration*>(longest);
//       most = std::max(most, waited);
//     },
//     &longest);
// if (!(*base)->Run(percore::RunMode::kNonBlocking).ok()) return;
// ```
#ifndef PERCORE_RUNTIME_WATCHER_H_
#define PERCORE_RUNTIME_WATCHER_H_

#include <cstdint>

#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/time.h"

namespace percore {

class EventBase;

namespace internal {
class WatcherSet;
}  // namespace internal

// Watches from its construction to its destruction, which is legal in any
// callback, its own included. It does not keep the loop running. Watchers of a
// kind are called in the order in which they were made.
//
// Thread: that of the loop.
class Watcher {
 public:
  enum class When : uint8_t {
    // Before the wait. `duration` is how long the loop is going to wait at
    // most: kForever, or nothing. What the callback adds or activates is taken
    // into account.
    kPrepare,
    // After the wait, when the clock has been read and nothing has run yet.
    // `duration` is how long the wait took.
    kCheck,
  };
  using Callback = void (*)(Watcher& watcher, Duration duration,
                            void* argument);

  Watcher(EventBase& base, When when, Callback callback, void* argument);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher();

  EventBase& base() const { return base_; }

 private:
  friend class internal::WatcherSet;

  EventBase& base_;
  const Callback callback_;
  void* const argument_;
  const When when_;
  ListLink<Watcher> link_;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_WATCHER_H_
