#include "percore/buffer/receive_buffers.h"

#include <liburing.h>

#include <algorithm>
#include <new>
#include <utility>

#include "percore/buffer/segment_pool.h"

namespace percore {
namespace {

constexpr std::align_val_t kPage{4096};

// More than this from one call does not pay: it is not in the cache any more
// when it is looked at. Measured with 512 KiB of second-level cache: without a
// bound, 64 connections that send 16 x 16 KiB cost a fourth more CPU time; with
// one of 256 KiB, 1,000 that send 16 KiB cost twice as much: too many find no
// buffer.
constexpr size_t kMostBytesOfACall =
    ReceiveBuffers::kFirstOffered * ReceiveBuffers::kBufferBytes;

}  // namespace

void ReceiveBuffers::Deleter::operator()(io_uring_buf_ring* memory) const {
  operator delete(memory, kPage);
}

ReceiveBuffers* ReceiveBuffers::Of(Ring& ring) {
  if (ring.buffers() == nullptr) {
    std::unique_ptr<ReceiveBuffers> made(new ReceiveBuffers(ring));
    if (made->Register() < 0) return nullptr;
    ring.set_buffers(std::move(made));
  }
  return static_cast<ReceiveBuffers*>(ring.buffers());
}

ReceiveBuffers::ReceiveBuffers(Ring& ring)
    : ring_(&ring),
      ring_memory_(static_cast<io_uring_buf_ring*>(operator new(
          kMostOffered * sizeof(io_uring_buf), kPage))) {}

ReceiveBuffers::~ReceiveBuffers() {
  CountOffered(0);
  for (Segment* segment : segments_) {
    if (segment != nullptr) Segment::Release(segment);
  }
}

int ReceiveBuffers::Register() {
  CountOffered(0);
  for (Segment*& segment : segments_) {
    if (segment != nullptr) Segment::Release(std::exchange(segment, nullptr));
  }
  // The kernel begins at the front.
  io_uring_buf_ring_init(ring_memory_.get());
  tail_ = 0;
  io_uring_buf_reg registration = {};
  registration.ring_addr = reinterpret_cast<uintptr_t>(ring_memory_.get());
  registration.ring_entries = kMostOffered;
  registration.bgid = kGroup;
  const int result = ring_->RegisterBuffers(&registration);
  registered_ = result >= 0;
  if (!registered_) return result;
  taken_ = here_ = 0;
  Offer(offered_);
  CountOffered(here_);
  return 0;
}

Segment* ReceiveBuffers::TakeOne(uint16_t buffer, size_t bytes) {
  Segment* const segment = std::exchange(segments_[buffer], nullptr);
  segment->Extend(bytes);
  ++taken_;
  bytes_taken_ += bytes;
  return segment;
}

void ReceiveBuffers::PutBack(uint16_t buffer, size_t bytes) {
  TakeAll(buffer, std::max(bytes, size_t{1}), &Segment::Release);
}

void ReceiveBuffers::NoteExhaustion() {
  ++exhaustions_;
  exhausted_ = true;
  ring_->CountExhaustion();
}

void ReceiveBuffers::OnCompletionsTold() {
  if (!registered_) [[unlikely]] {
    Register();
    return;
  }
  if (receives_ > 0) buffers_a_receive_ = (taken_ + receives_ - 1) / receives_;
  receives_ = 0;
  const size_t taken = std::exchange(taken_, 0);
  const size_t bytes = std::exchange(bytes_taken_, 0);
  here_ -= taken;
  admitted_ = 0;
  scarce_ = std::exchange(exhausted_, false);
  if (scarce_ && bytes < kMostBytesOfACall) {
    offered_ = std::min(2 * offered_, kMostOffered);
  }
  if (taken > 0) OfferFewerIfFewAreTaken(taken);
  if (here_ < offered_) Offer(offered_ - here_);
  CountOffered(here_);
}

// What is there already is not taken back: it is not replaced.
void ReceiveBuffers::OfferFewerIfFewAreTaken(size_t taken) {
  most_taken_ = std::max(most_taken_, taken);
  if (++calls_ < kCallsToLookBack) return;
  if (most_taken_ < offered_ / 4) {
    offered_ = std::max(offered_ / 2, kFirstOffered);
  }
  calls_ = most_taken_ = 0;
}

// The kernel has no requests of the old one that could write to them.
void ReceiveBuffers::OnRingRenewed() { Register(); }

void ReceiveBuffers::Offer(size_t count) {
  here_ += count;
  for (; count > 0; --count) {
    const uint16_t place = tail_++ & kMask;
    segments_[place] = Segment::New(kBufferBytes);
    io_uring_buf& entry = ring_memory_->bufs[place];
    entry.addr = reinterpret_cast<uintptr_t>(segments_[place]->tail());
    entry.len = kBufferBytes;
    entry.bid = place;
  }
  __atomic_store_n(&ring_memory_->tail, tail_, __ATOMIC_RELEASE);
}

void ReceiveBuffers::CountOffered(size_t count) {
  if (count == counted_) return;
  SegmentPool::ThisThread().CountOffered(
      static_cast<int64_t>(count) - static_cast<int64_t>(counted_),
      SegmentPool::SizeClassFor(Segment::kHeaderBytes + kBufferBytes));
  counted_ = count;
}

}  // namespace percore
