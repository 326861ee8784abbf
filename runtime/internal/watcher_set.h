// The watchers of one loop.
#ifndef PERCORE_RUNTIME_INTERNAL_WATCHER_SET_H_
#define PERCORE_RUNTIME_INTERNAL_WATCHER_SET_H_

#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/time.h"
#include "percore/runtime/watcher.h"

namespace percore::internal {

// Those of one kind, in the order they were made. One thread. Watchers may come
// and go while they run.
class WatcherSet {
 public:
  bool empty() const { return watchers_.empty(); }

  void Add(Watcher* watcher) { watchers_.PushBack(watcher); }
  void Remove(Watcher* watcher) {
    if (next_ == watcher) next_ = List::Next(watcher);
    watchers_.Remove(watcher);
  }

  void Run(Duration duration) {
    next_ = watchers_.first();
    while (next_ != nullptr) {
      Watcher* const watcher = next_;
      next_ = List::Next(watcher);
      watcher->callback_(*watcher, duration, watcher->argument_);
    }
  }

 private:
  using List = IntrusiveList<Watcher, &Watcher::link_>;

  List watchers_;
  Watcher* next_ = nullptr;  // while they run
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_WATCHER_SET_H_
