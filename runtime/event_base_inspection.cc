// What a loop shows of itself to people.
#include <ostream>

#include "percore/runtime/event_base.h"

namespace percore {

void EventBase::ForEachEvent(absl::FunctionRef<bool(BasicEvent&)> function) {
  CheckThread();
  // An event stands in several places: it counts where it is found first.
  const auto visit = [&](const internal::WatchList& list) {
    for (BasicEvent* event = list.first(); event != nullptr;
         event = internal::WatchList::Next(event)) {
      if (!function(*event)) return false;
    }
    return true;
  };
  if (!descriptors_.ForEachList(visit)) return;
  if (!signals_.ForEachList(visit)) return;
  const bool all = timers_.ForEach(
      [&](Event* event) { return event->inserted_ || function(*event); });
  if (!all) return;
  active_.ForEach([&](BasicEvent* event) {
    return event->inserted_ || event->pending_timer() != nullptr ||
           function(*event);
  });
}

void EventBase::Dump(std::ostream& out) {
  out << "event base on " << backend_name() << ": " << pending_count()
      << " pending, " << active_.size() << " active, " << virtual_count_
      << " virtual\n";
  ForEachEvent([&](BasicEvent& event) {
    out << "  " << event.Describe() << '\n';
    return true;
  });
}

}  // namespace percore
