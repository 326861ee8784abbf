// Datagrams that wait: to be looked at, or to be sent.
//
// A Buffer would run their bytes together; a list of Buffers would allocate for
// each of them. This is a FIFO queue in blocks of the segment pool's, some
// dozens of datagrams in each:
//
//   DatagramQueue           block              block
//   +-------+------+---     +---+---+---+-     +---+---+------+
//   | first | last | ...    |   | D | D | ---> | D | D | room |
//   +---|---+--|---+---     +---+---+---+-     +---+---+------+
//       |      |              ^                  ^
//       +------|--------------+                  |
//              +---------------------------------+
//
// What moves to another queue moves as whole blocks, by re-linking, where that
// is less work than to move the few that there are.
//
// ```cpp
// percore::DatagramQueue queue;
// percore::Datagram datagram;
// datagram.payload.Append("hello");
// if (!queue.Push(std::move(datagram))) return;  // full: it is still ours
// percore::DatagramQueue other;
// other.Append(std::move(queue));
// std::string text = other.Pop().payload.ToString();
// ```
#ifndef PERCORE_NET_DATAGRAM_QUEUE_H_
#define PERCORE_NET_DATAGRAM_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>
#include <utility>

#include "percore/buffer/segment_pool.h"
#include "percore/net/datagram.h"

namespace percore {

class DatagramQueue;

// Whoever has a queue as a part, and follows what others do to it.
class DatagramQueueOwner {
 public:
  // `queue` has got and lost so many datagrams. Must not change it, nor destroy
  // it.
  virtual void OnQueueChanged(const DatagramQueue& queue, size_t added,
                              size_t removed) = 0;

 protected:
  ~DatagramQueueOwner() = default;
};

// Thread: one at a time, as a Buffer. An empty one owns no memory.
//
// Cost: Push(), Pop(), size() and bytes() are O(1), and allocate from the
// thread's SegmentPool only: nothing in the steady state.
//
// Refusals: what would make it larger than its limit changes nothing at all,
// and says so.
class DatagramQueue {
 private:
  struct Block;

 public:
  // What a datagram counts for in memory(), beside its payload.
  static constexpr size_t kDatagramMemory = 128;
  static constexpr size_t kNoLimit = SIZE_MAX;

  // Ends with any change of the queue.
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = Datagram;
    using difference_type = ptrdiff_t;
    using pointer = const Datagram*;
    using reference = const Datagram&;

    Iterator() = default;
    reference operator*() const;
    pointer operator->() const { return &**this; }
    Iterator& operator++();
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    friend class DatagramQueue;
    Iterator(const Block* block, size_t place) : block_(block), place_(place) {}

    const Block* block_ = nullptr;
    size_t place_ = 0;
  };
  using iterator = Iterator;
  using const_iterator = Iterator;

  DatagramQueue() = default;
  DatagramQueue(DatagramQueue&& source) noexcept { Append(std::move(source)); }
  DatagramQueue& operator=(DatagramQueue&&) = delete;
  ~DatagramQueue() { Discard(size_); }

  // Datagrams, and the bytes of their payloads.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t bytes() const { return bytes_; }

  // The oldest; there must be one. Pop() gives it to the caller.
  const Datagram& front() const { return *begin(); }
  Datagram Pop();
  // From the oldest on.
  Iterator begin() const;
  Iterator end() const { return {}; }

  // False, and `datagram` stays as it is, if there is no room for it.
  bool Push(Datagram&& datagram);
  // Moves all of `source`, which may be this queue. False, and nothing happens,
  // if there is no room for all.
  bool Append(DatagramQueue&& source);
  // Moves the first `n`, or all there are, or as many as there is room for;
  // returns how many.
  size_t MoveFrom(DatagramQueue& source, size_t n);
  // Drops the first `n`, or all; returns how many.
  size_t Drop(size_t n);
  size_t Clear() { return Drop(size_); }

  // Payloads, and kDatagramMemory for each datagram: about what it costs to
  // keep them, empty ones too. It does not grow beyond the limit; what the
  // queue holds already, stays.
  size_t memory() const { return bytes_ + size_ * kDatagramMemory; }
  void SetMemoryLimit(size_t bytes) { memory_limit_ = bytes; }
  size_t memory_limit() const { return memory_limit_; }

  // --- For the owner, who is not told ---

  // Tells `owner` of every change that somebody else makes. It outlives the
  // queue.
  void SetOwner(DatagramQueueOwner& owner) { owner_ = &owner; }
  // Adds what `make()` returns, made in its place; beyond the limit too.
  template <typename Make>
  void Add(Make make) {
    if (last_ == nullptr || last_->end == kBlockCapacity) AddBlock();
    const Datagram* const datagram =
        new (last_->at(last_->end)) Datagram(make());
    ++last_->end;
    ++size_;
    bytes_ += datagram->payload.size();
  }
  // Drops the first `n`, which there must be.
  void Discard(size_t n);

 private:
  struct BlockHeader {
    Block* next;
    size_t begin;
    size_t end;
  };

  // A batch of 64 fills one.
  static constexpr size_t kBlockBytes = 8192;
  static constexpr size_t kBlockClass = SegmentPool::SizeClassFor(kBlockBytes);
  static constexpr size_t kBlockCapacity =
      (kBlockBytes - sizeof(BlockHeader)) / sizeof(Datagram);

  struct Block : BlockHeader {
    Datagram* at(size_t place) {
      return reinterpret_cast<Datagram*>(memory) + place;
    }
    const Datagram* at(size_t place) const {
      return reinterpret_cast<const Datagram*>(memory) + place;
    }

    alignas(Datagram) unsigned char memory[kBlockCapacity * sizeof(Datagram)];
  };
  static_assert(sizeof(Block) <= kBlockBytes);

  // Up to so many are moved one by one: a block of its own for each short queue
  // that is appended would be a waste.
  static constexpr size_t kMovedOneByOne = 8;

  void AddBlock();
  bool HasRoomFor(size_t bytes, size_t datagrams) const;
  Datagram TakeFront();
  void DropEmptyFront();
  void Link(DatagramQueue& source);
  void Notify(size_t added, size_t removed) {
    if (owner_ != nullptr) owner_->OnQueueChanged(*this, added, removed);
  }

  // No block is empty.
  Block* first_ = nullptr;
  Block* last_ = nullptr;
  size_t size_ = 0;
  size_t bytes_ = 0;
  size_t memory_limit_ = kNoLimit;
  DatagramQueueOwner* owner_ = nullptr;
};

inline DatagramQueue::Iterator DatagramQueue::begin() const {
  return first_ == nullptr ? Iterator() : Iterator(first_, first_->begin);
}

inline const Datagram& DatagramQueue::Iterator::operator*() const {
  return *block_->at(place_);
}

inline DatagramQueue::Iterator& DatagramQueue::Iterator::operator++() {
  if (++place_ == block_->end) {
    block_ = block_->next;
    place_ = block_ == nullptr ? 0 : block_->begin;
  }
  return *this;
}

}  // namespace percore

#endif  // PERCORE_NET_DATAGRAM_QUEUE_H_
