// Which events watch which descriptor, and what the kernel has been told.
//
// Interest changes are gathered during a round and made known once, before the
// loop waits: write interest that is switched on and off again within a round
// costs nothing. Two cases need more than bookkeeping, because the kernel
// forgets a registration when its file is closed and not when its number is:
//
//  - A descriptor loses its last event, is closed, and a new file with the same
//    number gets an event in the same round. The registration looks unchanged
//    and is gone. So a first event on a descriptor that still counts as
//    registered is always made known to the kernel, at once.
//  - A descriptor is closed while a duplicate (dup(2), a child) keeps its file
//    open. The registration lives on and can no longer be named. Reports carry
//    the generation of their registration; one from a dead generation makes the
//    table start the back end afresh.
#ifndef PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_TABLE_H_
#define PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "percore/runtime/basic_event.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/internal/chunked_array.h"
#include "percore/runtime/internal/watch_list.h"
#include "percore/runtime/stats.h"

namespace percore::internal {

// One thread: the loop's.
class DescriptorTable {
 public:
  // `changes` counts the calls made to change registrations.
  DescriptorTable(Backend& backend, Counter& changes)
      : backend_(backend), changes_(changes) {}

  // Watches a descriptor of the loop's own for reading, which has no event:
  // what wakes the loop, say. 0 or -errno.
  int WatchInternal(int fd, EventFlags flags = EventFlags::kNone);
  // They are the caller's to watch anew after the next StartAfresh().
  void ForgetInternal() { internal_.clear(); }

  // The events that watch `fd`; null if it was never seen.
  const WatchList* EventsOn(int fd) const {
    const Descriptor* const descriptor = FindDescriptor(fd);
    return descriptor == nullptr ? nullptr : &descriptor->events;
  }

  // Puts a descriptor event in. 0, or -errno when the kernel refuses the
  // descriptor; the table is then unchanged.
  int Insert(BasicEvent* event);
  void Remove(BasicEvent* event);
  // To be called when the interest of an event in the table changed.
  void Changed(const BasicEvent* event) { MarkChanged(event->fd()); }
  // The descriptor is about to be closed, and with it its registration.
  void Forget(int fd);

  // Whether there is something to Apply().
  bool HasChanges() const { return !changed_.empty() || needs_rebuild_; }
  // Makes the gathered changes known. Events whose descriptor turns out to be
  // closed are reported through `broken`, so that their owners find out.
  // Returns false if the kernel was short of memory: call again soon.
  bool Apply(std::vector<BasicEvent*>& broken);

  // The events that watch `ready`, or null if the report is stale.
  const WatchList* Find(const ReadyDescriptor& ready);
  // True once a stale report was seen; the next Apply() starts afresh.
  bool needs_rebuild() const { return needs_rebuild_; }

  // Gives up all that the kernel knows; the next Apply() makes it known anew.
  // 0, or -errno: then the next Apply() tries again.
  int StartAfresh();

  // Calls `visit` with the events of each descriptor until it returns false;
  // returns whether it never did.
  template <typename Visit>
  bool ForEachList(Visit visit) const {
    return descriptors_.ForEach(
        [&](size_t /*fd*/, const Descriptor& descriptor) {
          return visit(descriptor.events);
        });
  }

  size_t event_count() const { return event_count_; }
  // Descriptors with at least one event.
  size_t descriptor_count() const { return descriptor_count_; }

 private:
  struct Descriptor {
    WatchList events;
    uint32_t generation = 0;
    EventFlags registered = EventFlags::kNone;  // what the kernel knows
    bool changed = false;                       // in changed_
  };
  static_assert(sizeof(Descriptor) == 16, "every descriptor has one");

  // Null if it was never seen, as those below 0.
  Descriptor* FindDescriptor(int fd) const {
    return descriptors_.Find(static_cast<size_t>(fd));
  }
  // Of one that was seen.
  Descriptor& DescriptorOf(int fd) const {
    return descriptors_[static_cast<size_t>(fd)];
  }
  static EventFlags Wanted(const Descriptor& descriptor);

  // Each returns 0 or -errno.
  int Register(int fd, Descriptor& descriptor, EventFlags wanted);
  int Reregister(int fd, Descriptor& descriptor, EventFlags wanted);
  int Update(int fd, Descriptor& descriptor);

  void MarkChanged(int fd);

  struct Internal {
    int fd;
    EventFlags interest;
  };

  Backend& backend_;
  std::vector<Internal> internal_;
  Counter& changes_;
  ChunkedArray<Descriptor> descriptors_;  // by number
  std::vector<int> changed_;
  std::vector<int> applying_;
  size_t event_count_ = 0;
  size_t descriptor_count_ = 0;
  bool needs_rebuild_ = false;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_TABLE_H_
