#include "percore/net/datagram_queue.h"

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

namespace percore {

Datagram DatagramQueue::Pop() {
  Datagram datagram = TakeFront();
  Notify(0, 1);
  return datagram;
}

bool DatagramQueue::Push(Datagram&& datagram) {
  if (!HasRoomFor(datagram.payload.size(), 1)) return false;
  Add([&] { return std::move(datagram); });
  Notify(1, 0);
  return true;
}

bool DatagramQueue::Append(DatagramQueue&& source) {
  if (&source == this || source.empty()) return true;
  if (!HasRoomFor(source.bytes_, source.size_)) return false;
  const size_t moved = source.size_;
  if (moved <= kMovedOneByOne && last_ != nullptr) {
    while (!source.empty()) Add([&] { return source.TakeFront(); });
  } else {
    Link(source);
  }
  source.Notify(0, moved);
  Notify(moved, 0);
  return true;
}

size_t DatagramQueue::MoveFrom(DatagramQueue& source, size_t n) {
  if (&source == this) return 0;
  n = std::min(n, source.size_);
  size_t moved = 0;
  while (moved < n && HasRoomFor(source.front().payload.size(), 1)) {
    Add([&] { return source.TakeFront(); });
    ++moved;
  }
  if (moved != 0) {
    source.Notify(0, moved);
    Notify(moved, 0);
  }
  return moved;
}

size_t DatagramQueue::Drop(size_t n) {
  n = std::min(n, size_);
  if (n == 0) return 0;
  // What their payloads release, last of all, may change this queue, or destroy
  // it.
  DatagramQueue dropped;
  if (n == size_) {
    dropped.Link(*this);
  } else {
    for (size_t i = 0; i < n; ++i) dropped.Add([&] { return TakeFront(); });
  }
  Notify(0, n);
  return n;
}

void DatagramQueue::Discard(size_t n) {
  size_ -= n;
  while (n != 0) {
    Block& block = *first_;
    const size_t dropped = std::min(n, block.end - block.begin);
    for (size_t i = 0; i < dropped; ++i) {
      Datagram* const datagram = block.at(block.begin++);
      bytes_ -= datagram->payload.size();
      std::destroy_at(datagram);
    }
    n -= dropped;
    DropEmptyFront();
  }
}

void DatagramQueue::AddBlock() {
  auto* const block =
      static_cast<Block*>(SegmentPool::ThisThread().Allocate(kBlockClass));
  new (block) BlockHeader{.next = nullptr, .begin = 0, .end = 0};
  (last_ == nullptr ? first_ : last_->next) = block;
  last_ = block;
}

bool DatagramQueue::HasRoomFor(size_t bytes, size_t datagrams) const {
  return memory_limit_ == kNoLimit ||
         memory() + bytes + datagrams * kDatagramMemory <= memory_limit_;
}

Datagram DatagramQueue::TakeFront() {
  Datagram* const front = first_->at(first_->begin++);
  Datagram datagram = std::move(*front);
  std::destroy_at(front);
  --size_;
  bytes_ -= datagram.payload.size();
  DropEmptyFront();
  return datagram;
}

void DatagramQueue::DropEmptyFront() {
  Block* const block = first_;
  if (block->begin != block->end) return;
  first_ = block->next;
  if (first_ == nullptr) last_ = nullptr;
  SegmentPool::ThisThread().Free(block, kBlockClass);
}

void DatagramQueue::Link(DatagramQueue& source) {
  (last_ == nullptr ? first_ : last_->next) = source.first_;
  last_ = source.last_;
  size_ += std::exchange(source.size_, 0);
  bytes_ += std::exchange(source.bytes_, 0);
  source.first_ = nullptr;
  source.last_ = nullptr;
}

}  // namespace percore
