#include "percore/buffer/deferred_buffer_observer.h"

#include "percore/buffer/buffer.h"

namespace percore {

DeferredBufferObserver::DeferredBufferObserver(EventBase& base,
                                               Callback callback,
                                               void* argument)
    : callback_(callback),
      argument_(argument),
      observer_(
          [](Buffer& /*buffer*/, const BufferChange& change, void* self) {
            auto& observer = *static_cast<DeferredBufferObserver*>(self);
            if (!observer.run_.scheduled()) {
              observer.change_ = change;
              observer.run_.Schedule();
              return;
            }
            observer.change_.added += change.added;
            observer.change_.drained += change.drained;
          },
          this),
      run_(
          base,
          [](void* self) { static_cast<DeferredBufferObserver*>(self)->Run(); },
          this) {}

void DeferredBufferObserver::Observe(Buffer& buffer) {
  Stop();
  buffer.AddObserver(observer_);
}

void DeferredBufferObserver::Stop() {
  run_.Cancel();
  if (Buffer* const buffer = observer_.buffer(); buffer != nullptr) {
    buffer->RemoveObserver(observer_);
  }
}

void DeferredBufferObserver::Run() {
  Buffer* const buffer = observer_.buffer();
  const BufferChange change = change_;
  if (buffer != nullptr) callback_(*buffer, change, argument_);
}

}  // namespace percore
