// The observers of a Buffer, and how they are told.
#include "percore/buffer/buffer_observer.h"

#include "percore/buffer/buffer.h"

namespace percore {

// A change that not all observers of a Buffer have been told of. Those that are
// told may change the Buffer again, destroy it, add observers and remove them.
// The notifications pending on a thread are on its stack, and linked.
//
// Observers are told first to last, new ones are put in front: those in front
// of next_ have been told or came later, those from next_ on have not been
// told. A change meanwhile is therefore a notification to the former, and
// becomes part of the one that is still to be delivered to the latter.
class Buffer::Notification {
 public:
  Notification(Buffer& buffer, size_t added, size_t drained)
      : buffer_(&buffer),
        next_(buffer.observers_.observer()),
        change_{.original_size = buffer.size_ + drained - added,
                .added = added,
                .drained = drained},
        outer_(innermost_) {
    bool is_nearest = true;
    for (Notification* pending = outer_; pending != nullptr;
         pending = pending->outer_) {
      if (pending->buffer_ != &buffer) continue;
      pending->change_.added += added;
      pending->change_.drained += drained;
      if (is_nearest) until_ = pending->next_;
      is_nearest = false;
    }
    innermost_ = this;
  }
  Notification(const Notification&) = delete;
  Notification& operator=(const Notification&) = delete;
  ~Notification() { innermost_ = outer_; }

  void Deliver() {
    while (buffer_ != nullptr && next_ != until_) {
      BufferObserver& observer = *next_;
      next_ = observer.next_.observer();
      if (!observer.enabled()) continue;
      const BufferChange change = change_;
      observer.callback_(*buffer_, change, observer.argument_);
    }
  }

  static void Forget(const Buffer& buffer) {
    for (Notification* pending = innermost_; pending != nullptr;
         pending = pending->outer_) {
      if (pending->buffer_ == &buffer) pending->buffer_ = nullptr;
    }
  }

  static void Forget(const BufferObserver& observer) {
    for (Notification* pending = innermost_; pending != nullptr;
         pending = pending->outer_) {
      if (pending->next_ == &observer) {
        pending->next_ = observer.next_.observer();
      }
      if (pending->until_ == &observer) {
        pending->until_ = observer.next_.observer();
      }
    }
  }

 private:
  static constinit thread_local Notification* innermost_;

  Buffer* buffer_;                   // null once it is gone
  BufferObserver* next_;             // is told next
  BufferObserver* until_ = nullptr;  // is told by another notification
  BufferChange change_;
  Notification* const outer_;
};

constinit thread_local Buffer::Notification* Buffer::Notification::innermost_ =
    nullptr;

BufferObserver::~BufferObserver() {
  if (Buffer* const observed = buffer(); observed != nullptr) {
    observed->RemoveObserver(*this);
  }
}

void Buffer::AddObserver(BufferObserver& observer) {
  if (Buffer* const before = observer.buffer(); before != nullptr) {
    before->RemoveObserver(observer);
  }
  EndReservation();
  observer.set_buffer(this);
  observer.next_ = observers_;
  observers_ = internal::ObserverLink(&observer);
}

void Buffer::RemoveObserver(BufferObserver& observer) {
  EndReservation();
  if (observer.buffer() != this) return;
  Notification::Forget(observer);
  internal::ObserverLink* link = &observers_;
  while (link->observer() != &observer) link = &link->observer()->next_;
  *link = observer.next_;
  observer.next_ = {};
  observer.set_buffer(nullptr);
}

void Buffer::RemoveAllObservers() {
  if (observers_.observer() == nullptr) return;
  Notification::Forget(*this);
  while (observers_.observer() != nullptr) {
    BufferObserver& observer = *observers_.observer();
    observers_ = observer.next_;
    observer.next_ = {};
    observer.set_buffer(nullptr);
  }
}

void Buffer::SetOwner(BufferOwner& owner) {
  observers_ = internal::ObserverLink(&owner);
}

void Buffer::NotifyOwner(size_t added, size_t drained) const {
  internal::ObserverLink link = observers_;
  while (link.observer() != nullptr) link = link.observer()->next_;
  if (BufferOwner* const owner = link.owner(); owner != nullptr) {
    owner->OnBufferChanged(*this, added, drained);
  }
}

void Buffer::NotifyAll(size_t added, size_t drained) {
  NotifyOwner(added, drained);
  if (observers_.observer() == nullptr) return;
  Notification(*this, added, drained).Deliver();
}

void Buffer::NotifyMoved(Buffer& source, Buffer& destination, size_t added,
                         size_t drained) {
  if (!source.observers_.any() || added == 0) {
    if (added + drained != 0) destination.Notify(added, drained);
    return;
  }
  source.NotifyOwner(0, added);
  destination.NotifyOwner(added, drained);
  if (source.observers_.observer() == nullptr &&
      destination.observers_.observer() == nullptr) {
    return;
  }
  // Both know of the change before anybody is told, who might make another.
  Notification to_destination(destination, added, drained);
  Notification(source, 0, added).Deliver();
  to_destination.Deliver();
}

}  // namespace percore
