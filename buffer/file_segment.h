// A range of a file that is to be sent, perhaps to many peers at once.
//
// To read a file in order to write it to a socket is to copy it twice. A Buffer
// takes a range of a file by reference instead: what goes straight to a socket
// goes there by sendfile(2), from the kernel's memory, and a program that wants
// to look at the bytes gets them when it does.
//
// ```cpp
// // `fd` is open for reading; the segment closes it in the end.
// const auto answer = [](int fd) -> absl::StatusOr<percore::Buffer> {
//   auto file = percore::FileSegment::Create(percore::Kernel::Real(), fd, {});
//   if (!file.ok()) return file.status();
//   percore::Buffer answer;
//   answer.AppendFormat("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
//                       (*file)->size());
//   answer.AppendFile(*std::move(file));
//   return answer;
// };
// ```
#ifndef PERCORE_BUFFER_FILE_SEGMENT_H_
#define PERCORE_BUFFER_FILE_SEGMENT_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/runtime/kernel.h"

namespace percore {

struct FileSegmentOptions {
  static constexpr size_t kToEndOfFile = SIZE_MAX;

  // What becomes of the descriptor in the end.
  enum class Descriptor : uint8_t { kClose, kKeep };
  // How the bytes are fetched when somebody wants to look at them. Up to
  // FileSegment::kMaxReadBytes are always read.
  enum class Access : uint8_t {
    // More are mapped: nothing is copied. Whoever looks at bytes that were cut
    // off the file meanwhile gets SIGBUS.
    kMap,
    // All are read: for files that others may truncate. What is to be written
    // so is in memory a part at a time, what somebody looks at as a whole.
    kRead,
  };
  // How the bytes go to a descriptor. kWrite fetches them first, as for
  // somebody who looks at them.
  enum class Transmission : uint8_t { kSendFile, kWrite };

  // Where in the file the range begins, and how many bytes it has.
  uint64_t offset = 0;
  size_t size = kToEndOfFile;
  Descriptor descriptor = Descriptor::kClose;
  Access access = Access::kMap;
  Transmission transmission = Transmission::kSendFile;
  // Called when nobody holds the range any more, before the descriptor is
  // closed, by the thread that let go of it last. Null for nothing.
  void (*release)(void* argument) = nullptr;
  void* argument = nullptr;
};

// Thread: any, and Buffers of several threads may hold the same one. The file
// must not change while its bytes are in a Buffer: peers would see some bytes
// before and some after the change.
//
// Ownership: shared by whoever holds the pointer and by the Buffers that have
// bytes of it.
//
// Cost: a Buffer counts its reference atomically when a range is appended and
// when the last part of that is gone; not when the range is moved, cut or
// drained. A range is mapped, or if it is small read, once at most, and stays
// in memory then.
class FileSegment {
 public:
  // Up to so many bytes are read when somebody looks at them, or writes them:
  // they leave by the same system call as what is before them, and one copy
  // costs less than a system call of their own, or the page faults of a
  // mapping.
  static constexpr size_t kMaxReadBytes = 16 * 1024;

  // `fd` is open for reading. `kernel` outlives the range. Errors, which leave
  // `fd` with the caller: kInvalidArgument if it is not a regular file,
  // kOutOfRange if the range is not within the file, and what fstat() says.
  static absl::StatusOr<std::shared_ptr<const FileSegment>> Create(
      Kernel& kernel, int fd, const FileSegmentOptions& options);

  FileSegment(const FileSegment&) = delete;
  FileSegment& operator=(const FileSegment&) = delete;
  ~FileSegment();

  int fd() const { return fd_; }
  // In the file.
  uint64_t offset() const { return options_.offset; }
  size_t size() const { return options_.size; }
  FileSegmentOptions::Access access() const { return options_.access; }
  FileSegmentOptions::Transmission transmission() const {
    return options_.transmission;
  }

  // Fetches the bytes now. Whoever does so knows that looking at them later
  // will not fail, but for ranges of more than kMaxReadBytes that are to be
  // read: those are in memory only while a Buffer has them. Errors: what mmap()
  // or pread() says.
  absl::Status Load() const;

  // The first failure to fetch bytes for somebody who looked at them; he found
  // zeros. (A failure while writing is an error of the write.)
  absl::Status status() const;

  // What Segment stands on. Sets `bytes` to the range's in memory, or to null
  // if it is not to be there as a whole. Returns 0, or -errno.
  int Fetch(char** bytes) const;
  // Fills `data` from byte `offset` of the range on. Returns 0 or -errno; -EIO
  // if the file has become shorter.
  int Read(char* data, size_t size, size_t offset) const;
  void SetFailure(int error) const;

 private:
  FileSegment(Kernel& kernel, int fd, const FileSegmentOptions& options)
      : kernel_(kernel), fd_(fd), options_(options) {}

  // Return 0 and set `bytes`, or return -errno.
  int Map(char** bytes) const;
  int ReadWhole(char** bytes) const;

  Kernel& kernel_;
  const int fd_;
  const FileSegmentOptions options_;
  // Of the first byte; null until they are in memory.
  mutable std::atomic<char*> bytes_{nullptr};
  mutable std::mutex mutex_;  // for what follows
  mutable absl::Status status_;
};

}  // namespace percore

#endif  // PERCORE_BUFFER_FILE_SEGMENT_H_
