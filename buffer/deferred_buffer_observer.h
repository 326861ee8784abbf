// An observer that is told later, from the loop.
//
// What is observed is often changed many times in a row, by code that must not
// find the world changed under its feet after each Append(). This observer is
// told once, when the loop comes to it, of all that happened until then.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::Buffer output;
// size_t calls = 0;
// percore::DeferredBufferObserver observer(
//     **base,
//     [](percore::Buffer&, const percore::BufferChange&, void* calls) {
//       ++*static_cast<size_t*>(calls);
//     },
//     &calls);
// observer.Observe(output);
// output.Append("HTTP/1.1 200 OK\r\n");
// output.Append("\r\n");
// if (!(*base)->Run().ok()) return;  // calls is 1
// ```
#ifndef PERCORE_BUFFER_DEFERRED_BUFFER_OBSERVER_H_
#define PERCORE_BUFFER_DEFERRED_BUFFER_OBSERVER_H_

#include "percore/buffer/buffer_observer.h"
#include "percore/runtime/deferred_callback.h"

namespace percore {

// Thread: the base's, which is also the Buffer's. Ownership: the user's, who
// may destroy it at any time, in its own callback too. Must not outlive its
// base. Cost: nothing is ever allocated.
class DeferredBufferObserver {
 public:
  // As an observer's, in the round of the loop after a change, once for all
  // changes until then. Not called when the Buffer has been destroyed
  // meanwhile.
  using Callback = BufferObserver::Callback;

  DeferredBufferObserver(EventBase& base, Callback callback, void* argument);
  DeferredBufferObserver(const DeferredBufferObserver&) = delete;
  DeferredBufferObserver& operator=(const DeferredBufferObserver&) = delete;

  // Begins to observe `buffer`, instead of the one before. What is still to be
  // told of that is not told any more.
  void Observe(Buffer& buffer);
  // Ends it. What is still to be told is not told any more.
  void Stop();

  // Changes while it is disabled are not told later; those before are.
  void Enable() { observer_.Enable(); }
  void Disable() { observer_.Disable(); }
  bool enabled() const { return observer_.enabled(); }

 private:
  void Run();

  const Callback callback_;
  void* const argument_;
  BufferObserver observer_;
  DeferredCallback run_;
  // Since the callback ran last.
  BufferChange change_{};
};

}  // namespace percore

#endif  // PERCORE_BUFFER_DEFERRED_BUFFER_OBSERVER_H_
