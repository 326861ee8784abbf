// Who wants to know that a Buffer changed, and by how much.
//
// A protocol wants to know how much of a message has left, a log how much there
// was: without asking, again and again, how large a Buffer is. They observe it.
//
// ```cpp
// percore::Buffer output;
// size_t added = 0;
// percore::BufferObserver observer(
//     [](percore::Buffer&, const percore::BufferChange& change, void* added) {
//       *static_cast<size_t*>(added) += change.added;
//     },
//     &added);
// output.AddObserver(observer);
// output.Append("hello");  // added is 5
// ```
#ifndef PERCORE_BUFFER_BUFFER_OBSERVER_H_
#define PERCORE_BUFFER_BUFFER_OBSERVER_H_

#include <cstddef>
#include <cstdint>

namespace percore {

class Buffer;

// The Buffer now has original_size + added - drained bytes.
struct BufferChange {
  size_t original_size;
  size_t added;
  size_t drained;

  bool operator==(const BufferChange&) const = default;
};

// Whose Buffer it is, as a connection's: told of every change, as it is made,
// before any observer. One for each Buffer, set by Buffer::SetOwner().
class BufferOwner {
 public:
  // The Buffer's size has grown by `added` - `drained`. Must not change it, nor
  // destroy it.
  virtual void OnBufferChanged(const Buffer& buffer, size_t added,
                               size_t drained) = 0;

 protected:
  ~BufferOwner() = default;
};

class BufferObserver;

namespace internal {

// From a Buffer, or one of its observers, to the next observer; from the last
// one to the owner: they share the room of a pointer, whose lowest bit is free.
class ObserverLink {
 public:
  ObserverLink() = default;
  explicit ObserverLink(BufferObserver* observer)
      : bits_(reinterpret_cast<uintptr_t>(observer)) {}
  explicit ObserverLink(BufferOwner* owner)
      : bits_(reinterpret_cast<uintptr_t>(owner) | kOwner) {}

  // Whether there is anybody.
  bool any() const { return bits_ != 0; }
  // Null if it does not lead to an observer, or to the owner.
  BufferObserver* observer() const {
    return (bits_ & kOwner) != 0 ? nullptr
                                 : reinterpret_cast<BufferObserver*>(bits_);
  }
  BufferOwner* owner() const {
    return (bits_ & kOwner) == 0
               ? nullptr
               : reinterpret_cast<BufferOwner*>(bits_ & ~kOwner);
  }

 private:
  static constexpr uintptr_t kOwner = 1;

  uintptr_t bits_ = 0;
};

}  // namespace internal

// Thread: the Buffer's. Ownership: the user's, who may destroy it at any time,
// in its own callback too; it observes nothing any more then, and neither when
// its Buffer is gone. Cost: 32 bytes, nothing is ever allocated.
class BufferObserver {
 public:
  // Runs at the end of each call that changed the Buffer's size, on the calling
  // thread. It may change the Buffer, or destroy it. An observer is told of all
  // changes in their order; a change made by another observer in between is
  // told together with the one before.
  using Callback = void (*)(Buffer& buffer, const BufferChange& change,
                            void* argument);

  BufferObserver(Callback callback, void* argument)
      : callback_(callback), argument_(argument) {}
  BufferObserver(const BufferObserver&) = delete;
  BufferObserver& operator=(const BufferObserver&) = delete;
  ~BufferObserver();

  // Null for none. Buffer::AddObserver() and RemoveObserver() set it.
  Buffer* buffer() const {
    return reinterpret_cast<Buffer*>(buffer_ & ~kDisabled);
  }

  // What happens to the Buffer while the observer is disabled is not told
  // later. Enabled at the beginning.
  void Enable() { buffer_ &= ~kDisabled; }
  void Disable() { buffer_ |= kDisabled; }
  bool enabled() const { return (buffer_ & kDisabled) == 0; }

 private:
  friend class Buffer;

  static constexpr uintptr_t kDisabled = 1;

  void set_buffer(Buffer* buffer) {
    buffer_ = reinterpret_cast<uintptr_t>(buffer) | (buffer_ & kDisabled);
  }

  const Callback callback_;
  void* const argument_;
  internal::ObserverLink next_;
  // The Buffer's address, in which the lowest bit is free.
  uintptr_t buffer_ = 0;
};

static_assert(sizeof(BufferObserver) == 32);

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_OBSERVER_H_
