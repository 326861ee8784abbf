#include "percore/runtime/internal/descriptor_table.h"

#include <cerrno>

namespace percore::internal {
namespace {

constexpr EventFlags kKernelFlags = EventFlags::kRead | EventFlags::kWrite |
                                    EventFlags::kClosed |
                                    EventFlags::kEdgeTriggered;

bool WatchesSomething(EventFlags flags) {
  return Any(flags & ~EventFlags::kEdgeTriggered);
}

}  // namespace

int DescriptorTable::WatchInternal(int fd, EventFlags flags) {
  const EventFlags interest = EventFlags::kRead | flags;
  const int result = backend_.Add(fd, interest, 0);
  if (result == 0) internal_.push_back({fd, interest});
  return result;
}

int DescriptorTable::Insert(BasicEvent* event) {
  Descriptor& descriptor = descriptors_.Make(static_cast<size_t>(event->fd()));
  const bool is_first = descriptor.events.empty();
  descriptor.events.PushBack(event);
  if (is_first) {
    const EventFlags wanted = Wanted(descriptor);
    const int result = WatchesSomething(wanted)
                           ? Reregister(event->fd(), descriptor, wanted)
                           : 0;
    if (result < 0) {
      descriptor.events.Remove(event);
      return result;
    }
    ++descriptor_count_;
  } else {
    MarkChanged(event->fd());
  }
  ++event_count_;
  return 0;
}

void DescriptorTable::Remove(BasicEvent* event) {
  Descriptor& descriptor = DescriptorOf(event->fd());
  descriptor.events.Remove(event);
  --event_count_;
  if (descriptor.events.empty()) --descriptor_count_;
  MarkChanged(event->fd());
}

void DescriptorTable::Forget(int fd) {
  Descriptor* const descriptor = FindDescriptor(fd);
  if (descriptor == nullptr || !Any(descriptor->registered)) return;
  descriptor->registered = EventFlags::kNone;
  backend_.Forget(fd);
}

bool DescriptorTable::Apply(std::vector<BasicEvent*>& broken) {
  // Without a fresh set the stale registration only costs spurious wake-ups:
  // keep what there is, and try again in the next round.
  if (needs_rebuild_) StartAfresh();
  if (changed_.empty()) return true;

  bool complete = true;
  applying_.swap(changed_);
  for (const int fd : applying_) {
    Descriptor& descriptor = DescriptorOf(fd);
    descriptor.changed = false;
    const int result = Update(fd, descriptor);
    if (result == -ENOMEM || result == -ENOSPC) {
      MarkChanged(fd);
      complete = false;
    } else if (result < 0) {
      for (BasicEvent* event = descriptor.events.first(); event != nullptr;
           event = WatchList::Next(event)) {
        broken.push_back(event);
      }
    }
  }
  applying_.clear();
  return complete;
}

const WatchList* DescriptorTable::Find(const ReadyDescriptor& ready) {
  const Descriptor* const descriptor = FindDescriptor(ready.fd);
  if (descriptor != nullptr && descriptor->generation == ready.generation &&
      Any(descriptor->registered)) {
    return &descriptor->events;
  }
  needs_rebuild_ = true;
  return nullptr;
}

EventFlags DescriptorTable::Wanted(const Descriptor& descriptor) {
  EventFlags wanted = EventFlags::kNone;
  for (const BasicEvent* event = descriptor.events.first(); event != nullptr;
       event = WatchList::Next(event)) {
    const EventFlags flags = event->interest() & kKernelFlags;
    if (WatchesSomething(flags)) wanted |= flags;
  }
  return wanted;
}

int DescriptorTable::Register(int fd, Descriptor& descriptor,
                              EventFlags wanted) {
  const uint32_t generation = descriptor.generation + 1;
  int result = 0;
  // Another thread may close the descriptor between two calls: twice is enough.
  for (int tries = 0; tries < 2; ++tries) {
    changes_.Add();
    result = backend_.Add(fd, wanted, generation);
    if (result != -EEXIST) break;
    // Forgotten, but never closed: its registration is still there.
    changes_.Add();
    result = backend_.Modify(fd, wanted, generation);
    if (result != -ENOENT) break;
  }
  if (result < 0) return result;
  ++descriptor.generation;
  descriptor.registered = wanted;
  return 0;
}

// For a registration that may be gone without our knowing.
int DescriptorTable::Reregister(int fd, Descriptor& descriptor,
                                EventFlags wanted) {
  if (Any(descriptor.registered)) {
    changes_.Add();
    const int result = backend_.Modify(fd, wanted, descriptor.generation);
    if (result == 0) {
      descriptor.registered = wanted;
      return 0;
    }
    if (result != -ENOENT) return result;
    descriptor.registered = EventFlags::kNone;
  }
  return Register(fd, descriptor, wanted);
}

int DescriptorTable::Update(int fd, Descriptor& descriptor) {
  const EventFlags wanted = Wanted(descriptor);
  if (wanted == descriptor.registered) return 0;
  if (Any(wanted)) return Reregister(fd, descriptor, wanted);

  // Nobody watches any more. Failure means that the descriptor was closed, and
  // its registration with it.
  changes_.Add();
  descriptor.registered = EventFlags::kNone;
  backend_.Remove(fd);
  return 0;
}

void DescriptorTable::MarkChanged(int fd) {
  Descriptor& descriptor = DescriptorOf(fd);
  if (descriptor.changed) return;
  descriptor.changed = true;
  changed_.push_back(fd);
}

int DescriptorTable::StartAfresh() {
  needs_rebuild_ = true;
  int result = backend_.Reset();
  for (const Internal& internal : internal_) {
    if (result < 0) break;
    result = backend_.Add(internal.fd, internal.interest, 0);
  }
  if (result < 0) return result;
  needs_rebuild_ = false;
  descriptors_.ForEach([this](size_t fd, Descriptor& descriptor) {
    // Those too that the kernel refused: it may think otherwise now.
    if (!descriptor.events.empty() || Any(descriptor.registered)) {
      descriptor.registered = EventFlags::kNone;
      MarkChanged(static_cast<int>(fd));
    }
    return true;
  });
  return 0;
}

}  // namespace percore::internal
