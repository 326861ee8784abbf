// Reading from and writing to descriptors.
#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>

#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// One writev(). Large enough that the fixed cost of the call is spread over
// many segments, small enough that the array is cheap to have on the stack.
constexpr size_t kMaxWrittenExtents = 64;

// One read asks for at most four segments of 64 KiB, and at least one of 4 KiB,
// which costs no more to ask for than fewer.
constexpr uint8_t kMaxReadExponent = 18;
constexpr uint8_t kMinReadExponent = 12;
constexpr uint8_t kLargestSegmentExponent = 16;
constexpr size_t kMaxFreshSegments = 4;

// Whole segments, which have 2^exponent bytes with their headers.
constexpr size_t ReadSize(uint8_t exponent) {
  const uint8_t of_segment = std::min(exponent, kLargestSegmentExponent);
  return ((size_t{1} << of_segment) - Segment::kHeaderBytes)
         << (exponent - of_segment);
}

// Up to this many bytes move from the fresh segment that was read into to one
// that they fill better. Measured: copying 4 KiB that the kernel has just
// written takes 60 ns, the read itself about 1 us.
constexpr size_t kMaxRefittedBytes = 4096;

// Of a range that is neither sent nor mapped, so many bytes are in memory at a
// time when it is written.
constexpr size_t kMaxLoadedBytes = 256 * 1024;

// Whether `bytes` are better copied out of a segment of such a capacity.
bool FitsASmallerOne(size_t bytes, size_t capacity) {
  return bytes <= kMaxRefittedBytes && bytes < capacity - bytes &&
         Segment::SizeClassFor(bytes) < Segment::SizeClassFor(capacity);
}

// Calls `system_call` until it is not interrupted.
template <typename SystemCall>
ssize_t RetryInterrupted(SystemCall system_call) {
  ssize_t result;
  do {
    result = system_call();
  } while (result == -EINTR);
  return result;
}

ssize_t ReadInto(Kernel& kernel, int fd, std::span<const iovec> extents) {
  return RetryInterrupted([&] {
    return kernel.Readv(fd, extents.data(), static_cast<int>(extents.size()));
  });
}

}  // namespace

ssize_t Buffer::ReadFrom(Kernel& kernel, int fd, size_t max_bytes) {
  EndReservation();
  if (max_bytes == 0) return -EINVAL;
  if (Is(kFrozenBack)) return -EPERM;
  max_bytes = std::min({max_bytes, RoomAt(BufferEnd::kBack), max_read()});
  if (max_bytes == 0) return -ENOBUFS;
  const size_t wanted = std::min(max_bytes, ReadSize(read_exponent_));
  const bool has_room = tail_ != nullptr && tail_->tailroom() != 0;
  const ssize_t result = !has_room && wanted <= Segment::kMaxPooledCapacity
                             ? ReadByScratch(kernel, fd, wanted)
                             : ReadScattered(kernel, fd, wanted, max_bytes);
  if (result > 0) Notify(static_cast<size_t>(result), 0);
  return result;
}

ssize_t Buffer::ReadByScratch(Kernel& kernel, int fd, size_t wanted) {
  SegmentPool& pool = SegmentPool::ThisThread();
  const size_t size_class = Segment::SizeClassFor(wanted);
  auto* const scratch = static_cast<char*>(pool.BeginScratch(size_class));
  if (scratch == nullptr) return ReadScattered(kernel, fd, wanted, wanted);
  const std::string_view bytes(scratch + Segment::kHeaderBytes, wanted);
  const ssize_t result =
      ReadInto(kernel, fd,
               std::array{iovec{.iov_base = scratch + Segment::kHeaderBytes,
                                .iov_len = wanted}});
  if (result > 0) {
    const auto added = static_cast<size_t>(result);
    AdaptReads(wanted, added);
    // As CopyToTail() would choose.
    const size_t fitting = Segment::SizeClassFor(std::max(added, size_));
    if (added <= kMaxRefittedBytes && fitting < size_class) {
      CopyToTail(bytes.substr(0, added));
      pool.CountCopiedBytes(added);
    } else {
      Segment* const segment = Segment::New(wanted);
      segment->Extend(added);
      LinkToTail({.first = segment, .last = segment, .size = added});
      return result;
    }
  }
  pool.EndScratch(size_class);
  return result;
}

ssize_t Buffer::ReadScattered(Kernel& kernel, int fd, size_t wanted,
                              size_t max_bytes) {
  std::array<iovec, 1 + kMaxFreshSegments> extents;
  std::array<Segment*, kMaxFreshSegments> fresh;
  size_t extent_count = 0;
  size_t fresh_count = 0;
  const size_t room =
      tail_ == nullptr ? 0 : std::min(tail_->tailroom(), max_bytes);
  if (room != 0) {
    extents[extent_count++] = {.iov_base = tail_->tail(), .iov_len = room};
  }
  size_t asked = room;
  // The last few bytes are not worth a segment.
  while (asked < wanted && (asked == 0 || wanted - asked >= wanted / 4) &&
         fresh_count != kMaxFreshSegments) {
    Segment* const segment =
        Segment::New(std::min(wanted - asked, Segment::kMaxPooledCapacity));
    const size_t size = std::min(max_bytes - asked, segment->tailroom());
    fresh[fresh_count++] = segment;
    extents[extent_count++] = {.iov_base = segment->tail(), .iov_len = size};
    asked += size;
  }

  const ssize_t result =
      ReadInto(kernel, fd, std::span(extents).first(extent_count));

  const size_t added = result > 0 ? static_cast<size_t>(result) : 0;
  if (result > 0) AdaptReads(asked, added);
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
  return result;
}

void Buffer::AdaptReads(size_t asked, size_t read) {
  // Up quickly: each read that is too small costs a system call. Down slowly:
  // one that is too large costs memory.
  const size_t guess = ReadSize(read_exponent_);
  if (read == asked && asked >= guess / 2) {
    read_exponent_ = std::min<uint8_t>(read_exponent_ + 2, kMaxReadExponent);
  } else if (read <= guess / 2 && read_exponent_ > kMinReadExponent) {
    --read_exponent_;
  }
}

bool Buffer::AppendSegment(Segment* segment) {
  const size_t added = segment->size();
  if (!MayAppend(added)) return false;
  if (FitsASmallerOne(added, added + segment->tailroom())) {
    CopyToTail(segment->view());
    SegmentPool::ThisThread().CountCopiedBytes(added);
    Segment::Release(segment);
  } else {
    LinkToTail({.first = segment, .last = segment, .size = added});
  }
  Notify(added, 0);
  return true;
}

bool Buffer::WouldCopy(const Segment& segment, size_t bytes) {
  return FitsASmallerOne(bytes, segment.tailroom());
}

ssize_t Buffer::WriteTo(Kernel& kernel, int fd, size_t max_bytes) {
  EndReservation();
  if (Is(kFrozenFront)) return -EPERM;
  std::array<iovec, kMaxWrittenExtents> extents;
  const Written written = Gather(extents, max_bytes);
  if (written.file_first) {
    return SendFileTo(kernel, fd, std::min(max_bytes, size_));
  }
  if (written.count <= 0) return written.count;
  const ssize_t result = RetryInterrupted([&] {
    return written.file_follows
               ? kernel.WritevMore(fd, extents.data(), written.count)
               : kernel.Writev(fd, extents.data(), written.count);
  });
  if (result > 0) Drain(static_cast<size_t>(result));
  return result;
}

size_t Buffer::PeekToWrite(std::span<iovec> extents, size_t max_bytes) {
  EndReservation();
  if (Is(kFrozenFront)) return 0;
  return static_cast<size_t>(std::max(Gather(extents, max_bytes).count, 0));
}

Buffer::Written Buffer::Gather(std::span<iovec> extents, size_t max_bytes) {
  Written written;
  size_t count = 0;
  size_t left = std::min(max_bytes, size_);
  for (Segment* segment = head_; left != 0 && count != extents.size();
       segment = segment->next()) {
    if (segment->absent()) {
      const bool is_large = segment->size() > FileSegment::kMaxReadBytes;
      if (is_large && count != 0) {
        written.file_follows = true;
        break;
      }
      if (is_large && segment->file().transmission() ==
                          FileSegmentOptions::Transmission::kSendFile) {
        written.file_first = true;
        break;
      }
      if (const int error = count == 0 ? LoadHead() : segment->Load();
          error < 0) {
        // What is in front of it can be written yet.
        if (count == 0) written.count = error;
        break;
      }
      if (count == 0) segment = head_;
    }
    const size_t size = std::min(left, segment->size());
    extents[count++] = {.iov_base = const_cast<char*>(segment->data()),
                        .iov_len = size};
    left -= size;
  }
  if (count > 0) written.count = static_cast<int>(count);
  return written;
}

ssize_t Buffer::SendFileTo(Kernel& kernel, int fd, size_t max_bytes) {
  const FileSegment& file = head_->file();
  const auto offset = static_cast<off_t>(file.offset() + head_->file_offset());
  const size_t size = std::min(max_bytes, head_->size());
  const ssize_t result = RetryInterrupted(
      [&] { return kernel.SendFile(fd, file.fd(), offset, size); });
  if (result == -EINVAL || result == -ENOSYS) {
    // Not from this file, or not to this descriptor: as any other bytes then.
    if (const int error = LoadHead(); error < 0) return error;
    return WriteTo(kernel, fd, max_bytes);
  }
  if (result == 0) return -EIO;
  if (result > 0) Drain(static_cast<size_t>(result));
  return result;
}

int Buffer::LoadHead() {
  if (head_->size() > kMaxLoadedBytes &&
      head_->file().access() == FileSegmentOptions::Access::kRead) {
    Segment* const front = head_->SplitFront(kMaxLoadedBytes);
    front->set_next(head_);
    head_ = front;
    InvalidatePositions();
  }
  return head_->Load();
}

}  // namespace percore
