#include "percore/tests/buffer/script_kernel.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

constexpr size_t kPageBytes = 4096;
// The most extents of one writev() that Buffer promises.
constexpr int kMaxWrittenExtents = 64;

}  // namespace

ScriptKernel::~ScriptKernel() {
  for (const auto& [address, size] : mappings_) std::free(address);
}

void ScriptKernel::SetPlan(const Plan& plan) {
  plan_ = plan;
  input_ = {};
  output_.clear();
  transfers_ = 0;
  asked_ = 0;
  called_ = false;
  last_error_ = 0;
}

int ScriptKernel::Open(Sending sending) {
  files_.emplace(++last_fd_, sending);
  return last_fd_;
}

void ScriptKernel::Misused(std::string_view how) {
  if (misuse_.empty()) misuse_ = how;
}

bool ScriptKernel::IsInterrupted() {
  if (plan_.interruptions == 0) return false;
  --plan_.interruptions;
  return true;
}

int ScriptKernel::Fail(int error) {
  last_error_ = -error;
  return -error;
}

ssize_t ScriptKernel::Read(int fd, void* data, size_t size) {
  const iovec extent = {.iov_base = data, .iov_len = size};
  return Readv(fd, &extent, 1);
}

ssize_t ScriptKernel::Readv(int, const iovec* extents, int count) {
  called_ = true;
  if (IsInterrupted()) return -EINTR;
  ++transfers_;
  if (plan_.transfer_error != 0) return Fail(plan_.transfer_error);
  size_t left = std::min(input_.size(), plan_.transfer_limit);
  size_t done = 0;
  size_t asked = 0;
  for (const iovec& extent : std::span(extents, static_cast<size_t>(count))) {
    if (extent.iov_len == 0) Misused("readv() of an empty extent");
    const size_t part = std::min(left, extent.iov_len);
    if (part != 0) std::memcpy(extent.iov_base, input_.data() + done, part);
    asked += extent.iov_len;
    done += part;
    left -= part;
  }
  asked_ = std::max(asked_, asked);
  return static_cast<ssize_t>(done);
}

ssize_t ScriptKernel::Writev(int, const iovec* extents, int count) {
  called_ = true;
  if (IsInterrupted()) return -EINTR;
  ++transfers_;
  if (count < 1 || count > kMaxWrittenExtents) {
    Misused(absl::StrCat("writev() of ", count, " extents"));
  }
  if (plan_.transfer_error != 0) return Fail(plan_.transfer_error);
  size_t left = plan_.transfer_limit;
  const size_t before = output_.size();
  for (const iovec& extent : std::span(extents, static_cast<size_t>(count))) {
    if (extent.iov_len == 0) Misused("writev() of an empty extent");
    asked_ += extent.iov_len;
    const size_t part = std::min(left, extent.iov_len);
    output_.append(static_cast<const char*>(extent.iov_base), part);
    left -= part;
  }
  return static_cast<ssize_t>(output_.size() - before);
}

ssize_t ScriptKernel::WritevMore(int fd, const iovec* extents, int count) {
  return Writev(fd, extents, count);
}

ssize_t ScriptKernel::SendFile(int, int file, off_t offset, size_t size) {
  called_ = true;
  if (IsInterrupted()) return -EINTR;
  if (plan_.send_file_error != 0) return Fail(plan_.send_file_error);
  ++transfers_;
  if (plan_.transfer_error != 0) return Fail(plan_.transfer_error);
  if (plan_.file_is_cut) {
    Fail(EIO);
    return 0;
  }
  const auto found = files_.find(file);
  if (found != files_.end() && found->second == Sending::kWriteOnly) {
    Misused("sendfile() of a file that is to be written");
  }
  asked_ += size;
  const std::string_view bytes =
      FileBytes(file, offset, size).substr(0, plan_.transfer_limit);
  output_.append(bytes);
  return static_cast<ssize_t>(bytes.size());
}

ssize_t ScriptKernel::Pread(int fd, void* data, size_t size, off_t offset) {
  if (IsInterrupted()) return -EINTR;
  if (plan_.pread_error != 0) return Fail(plan_.pread_error);
  const std::string_view bytes =
      FileBytes(fd, offset, size).substr(0, plan_.pread_limit);
  if (!bytes.empty()) std::memcpy(data, bytes.data(), bytes.size());
  return static_cast<ssize_t>(bytes.size());
}

std::string_view ScriptKernel::FileBytes(int fd, off_t offset, size_t size) {
  if (!IsOpen(fd)) Misused("a file was used after close()");
  const auto begin = static_cast<size_t>(offset);
  if (begin > file_.size() || size > file_.size() - begin) {
    Misused("bytes beyond the end of a file were asked for");
    return {};
  }
  return file_.substr(begin, size);
}

int ScriptKernel::FileStatus(int, struct stat* status) {
  *status = {};
  status->st_mode = S_IFREG;
  status->st_size = static_cast<off_t>(file_.size());
  return 0;
}

int ScriptKernel::MapFile(int fd, off_t offset, size_t size, void** address) {
  if (!plan_.maps) return -ENODEV;
  if (offset % static_cast<off_t>(kPageBytes) != 0) {
    Misused("mmap() of an offset within a page");
  }
  // A copy of its own: sanitizers see who looks beyond its end, or at it after
  // it was given back.
  const std::string_view bytes = FileBytes(fd, offset, size);
  void* memory = nullptr;
  if (posix_memalign(&memory, kPageBytes, bytes.size()) != 0) return -ENOMEM;
  std::memcpy(memory, bytes.data(), bytes.size());
  mappings_.emplace(memory, size);
  *address = memory;
  return 0;
}

int ScriptKernel::Unmap(void* address, size_t size) {
  const auto found = mappings_.find(address);
  if (found == mappings_.end() || found->second != size) {
    Misused("munmap() of what mmap() did not give");
    return -EINVAL;
  }
  mappings_.erase(found);
  std::memset(address, '!', size);
  std::free(address);
  return 0;
}

int ScriptKernel::Close(int fd) {
  if (files_.erase(fd) == 0) Misused("close() of a file that is not open");
  return 0;
}

}  // namespace percore
