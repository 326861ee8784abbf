// Work to be done soon, in this thread, but not now.
//
// Code deep inside a call chain often must not run a user's callback at once:
// the caller would find its objects changed, or gone, under its feet. A
// DeferredCallback runs it from the loop instead, after the active events of
// the round.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// bool ran = false;
// percore::DeferredCallback later(
//     **base, [](void* ran) { *static_cast<bool*>(ran) = true; }, &ran);
// later.Schedule();
// if (!(*base)->Run().ok()) return;
// ```
#ifndef PERCORE_RUNTIME_DEFERRED_CALLBACK_H_
#define PERCORE_RUNTIME_DEFERRED_CALLBACK_H_

#include "percore/runtime/intrusive_list.h"

namespace percore {

class EventBase;

// Thread: the base's. Ownership: the user's; destroying it, in its own callback
// too, cancels it. Must not outlive its base. Cost: nothing is ever allocated.
class DeferredCallback {
 public:
  using Callback = void (*)(void* argument);

  DeferredCallback(EventBase& base, Callback callback, void* argument)
      : base_(base), callback_(callback), argument_(argument) {}
  DeferredCallback(const DeferredCallback&) = delete;
  DeferredCallback& operator=(const DeferredCallback&) = delete;
  ~DeferredCallback() { Cancel(); }

  // Queues the callback, first in first out; once, however often it is called
  // before that. A round runs a bounded number of them, the rest follow in the
  // next round, without a wait in between.
  void Schedule();
  void Cancel();
  bool scheduled() const { return scheduled_; }

 private:
  friend class EventBase;

  EventBase& base_;
  const Callback callback_;
  void* const argument_;
  ListLink<DeferredCallback> link_;
  bool scheduled_ = false;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_DEFERRED_CALLBACK_H_
