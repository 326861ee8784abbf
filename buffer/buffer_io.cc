// Reading from and writing to descriptors.
#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// One writev(). Large enough that the fixed cost of the call is spread over
// many segments, small enough that the array is cheap to have on the stack.
constexpr size_t kMaxWrittenExtents = 64;

// Fresh segments of one readv(): 256 KiB.
constexpr size_t kMaxFreshSegments = 4;

// Another fresh segment is not worth having for less.
constexpr size_t kMinFurtherBytes = 16 * 1024;

// Up to this many bytes move from the fresh segment that was read into to one
// that they fill better. Measured: copying 4 KiB that the kernel has just
// written takes 60 ns, the read itself about 1 us.
constexpr size_t kMaxRefittedBytes = 4096;

// Calls `system_call` until it is not interrupted.
template <typename SystemCall>
ssize_t RetryInterrupted(SystemCall system_call) {
  ssize_t result;
  do {
    result = system_call();
  } while (result == -EINTR);
  return result;
}

}  // namespace

ssize_t Buffer::ReadFrom(Kernel& kernel, int fd, size_t max_bytes) {
  EndReservation();
  if (max_bytes == 0) return -EINVAL;

  std::array<iovec, 1 + kMaxFreshSegments> extents;
  std::array<Segment*, kMaxFreshSegments> fresh;
  size_t extent_count = 0;
  size_t fresh_count = 0;
  const size_t room =
      tail_ == nullptr ? 0 : std::min(tail_->tailroom(), max_bytes);
  if (room != 0) {
    extents[extent_count++] = {.iov_base = tail_->tail(), .iov_len = room};
  }
  size_t wanted = max_bytes - room;
  while (wanted != 0 && fresh_count != kMaxFreshSegments) {
    Segment* const segment =
        Segment::New(std::min(wanted, Segment::kMaxPooledCapacity));
    const size_t size = std::min(wanted, segment->tailroom());
    fresh[fresh_count++] = segment;
    extents[extent_count++] = {.iov_base = segment->tail(), .iov_len = size};
    wanted -= size;
    if (wanted < kMinFurtherBytes) break;
  }

  const ssize_t result = RetryInterrupted([&] {
    return extent_count == 1
               ? kernel.Read(fd, extents[0].iov_base, extents[0].iov_len)
               : kernel.Readv(fd, extents.data(),
                              static_cast<int>(extent_count));
  });

  const size_t added = result > 0 ? static_cast<size_t>(result) : 0;
  size_t unplaced = added;
  if (room != 0) {
    const size_t filled = std::min(unplaced, room);
    tail_->Extend(filled);
    size_ += filled;
    unplaced -= filled;
  }
  for (Segment* segment : std::span(fresh).first(fresh_count)) {
    const size_t filled = std::min(unplaced, segment->tailroom());
    unplaced -= filled;
    if (filled > kMaxRefittedBytes || filled > segment->tailroom() / 2) {
      segment->Extend(filled);
      LinkToTail({.first = segment, .last = segment, .size = filled});
      continue;
    }
    if (filled != 0) {
      CopyToTail({segment->tail(), filled});
      SegmentPool::ThisThread().CountCopiedBytes(filled);
    }
    Segment::Release(segment);
  }
  if (added != 0) Notify(added, 0);
  return result;
}

ssize_t Buffer::WriteTo(Kernel& kernel, int fd, size_t max_bytes) {
  EndReservation();
  std::array<iovec, kMaxWrittenExtents> extents;
  size_t count = 0;
  size_t left = std::min(max_bytes, size_);
  for (Segment* segment = head_; left != 0 && count != extents.size();
       segment = segment->next()) {
    const size_t size = std::min(left, segment->size());
    extents[count++] = {.iov_base = segment->data(), .iov_len = size};
    left -= size;
  }
  if (count == 0) return 0;
  const ssize_t result = RetryInterrupted([&] {
    return kernel.Writev(fd, extents.data(), static_cast<int>(count));
  });
  if (result > 0) Drain(static_cast<size_t>(result));
  return result;
}

}  // namespace percore
