#include "percore/runtime/watcher.h"

#include "percore/runtime/event_base.h"

namespace percore {

Watcher::Watcher(EventBase& base, When when, Callback callback, void* argument)
    : base_(base), callback_(callback), argument_(argument), when_(when) {
  base_.WatchersFor(when_).Add(this);
}

Watcher::~Watcher() { base_.WatchersFor(when_).Remove(this); }

}  // namespace percore
