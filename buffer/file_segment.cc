#include "percore/buffer/file_segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/buffer/segment_pool.h"
#include "percore/runtime/error.h"
#include "percore/runtime/log.h"

namespace percore {
namespace {

size_t PageSize() {
  static const auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const FileSegment>> FileSegment::Create(
    Kernel& kernel, int fd, const FileSegmentOptions& options) {
  struct stat file = {};
  if (const int error = kernel.FileStatus(fd, &file); error < 0) {
    return SystemError(-error, "fstat", absl::StrCat("fd ", fd));
  }
  if (!S_ISREG(file.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat("fd ", fd, " is not a regular file"));
  }
  const auto file_size = static_cast<uint64_t>(file.st_size);
  FileSegmentOptions range = options;
  const bool starts_inside = range.offset <= file_size;
  if (starts_inside && range.size == FileSegmentOptions::kToEndOfFile) {
    range.size = file_size - range.offset;
  }
  if (!starts_inside || range.size > file_size - range.offset) {
    return absl::OutOfRangeError(absl::StrCat(
        "bytes ", options.offset, " to ", options.offset, " + ", options.size,
        " of a file of ", file_size, " bytes, fd ", fd));
  }
  return std::shared_ptr<const FileSegment>(new FileSegment(kernel, fd, range));
}

FileSegment::~FileSegment() {
  if (char* const bytes = bytes_.load(std::memory_order_relaxed);
      bytes != nullptr) {
    SegmentPool::ThisThread().CountFileBytes(-static_cast<int64_t>(size()));
    if (size() <= kMaxReadBytes) {
      delete[] bytes;
    } else {
      const size_t before = options_.offset % PageSize();
      kernel_.Unmap(bytes - before, before + size());
    }
  }
  if (options_.release != nullptr) options_.release(options_.argument);
  if (options_.descriptor == FileSegmentOptions::Descriptor::kClose) {
    kernel_.Close(fd_);
  }
}

absl::Status FileSegment::Load() const {
  char* bytes = nullptr;
  if (const int error = Fetch(&bytes); error < 0) {
    return SystemError(-error, size() <= kMaxReadBytes ? "pread" : "mmap",
                       absl::StrCat("fd ", fd_));
  }
  return absl::OkStatus();
}

absl::Status FileSegment::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

int FileSegment::Fetch(char** bytes) const {
  *bytes = bytes_.load(std::memory_order_acquire);
  if (*bytes != nullptr || size() == 0) return 0;
  const bool is_small = size() <= kMaxReadBytes;
  if (!is_small && options_.access == FileSegmentOptions::Access::kRead) {
    return 0;
  }
  const std::lock_guard lock(mutex_);
  *bytes = bytes_.load(std::memory_order_relaxed);
  if (*bytes != nullptr) return 0;
  const int error = is_small ? ReadWhole(bytes) : Map(bytes);
  if (error < 0) return error;
  bytes_.store(*bytes, std::memory_order_release);
  SegmentPool::ThisThread().CountFileBytes(static_cast<int64_t>(size()));
  return 0;
}

int FileSegment::Map(char** bytes) const {
  const size_t before = options_.offset % PageSize();
  void* mapped = nullptr;
  const int error =
      kernel_.MapFile(fd_, static_cast<off_t>(options_.offset - before),
                      before + size(), &mapped);
  if (error == 0) *bytes = static_cast<char*>(mapped) + before;
  return error;
}

int FileSegment::ReadWhole(char** bytes) const {
  auto memory = std::make_unique_for_overwrite<char[]>(size());
  const int error = Read(memory.get(), size(), 0);
  if (error == 0) *bytes = memory.release();
  return error;
}

int FileSegment::Read(char* data, size_t size, size_t offset) const {
  while (size != 0) {
    const ssize_t result = kernel_.Pread(
        fd_, data, size, static_cast<off_t>(options_.offset + offset));
    if (result == -EINTR) continue;
    if (result < 0) return static_cast<int>(result);
    if (result == 0) return -EIO;
    data += result;
    size -= static_cast<size_t>(result);
    offset += static_cast<size_t>(result);
  }
  return 0;
}

void FileSegment::SetFailure(int error) const {
  const absl::Status status =
      SystemError(error, "pread", absl::StrCat("fd ", fd_));
  {
    const std::lock_guard lock(mutex_);
    if (!status_.ok()) return;
    status_ = status;
  }
  const std::string message = absl::StrCat(
      "bytes of a file are missing from a buffer: ", status.message());
  Log(LogLevel::kError, message);
}

}  // namespace percore
