// A kernel without an operating system: its files are in memory, and what it
// transfers is short, interrupted or fails as planned.
#ifndef PERCORE_TESTS_BUFFER_SCRIPT_KERNEL_H_
#define PERCORE_TESTS_BUFFER_SCRIPT_KERNEL_H_

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "percore/runtime/kernel.h"

namespace percore {

// One thread.
class ScriptKernel : public Kernel {
 public:
  // What happens to the calls of one operation.
  struct Plan {
    int interruptions = 0;     // calls that fail with EINTR first
    int transfer_error = 0;    // an errno, of reads from and writes to peers
    int send_file_error = 0;   // an errno; of SendFile() only
    bool file_is_cut = false;  // SendFile() finds nothing
    int pread_error = 0;       // an errno
    bool maps = true;          // or MapFile() fails
    size_t transfer_limit = SIZE_MAX;
    size_t pread_limit = SIZE_MAX;
  };

  // All files have these bytes.
  explicit ScriptKernel(std::string_view file) : file_(file) {}
  ~ScriptKernel() override;

  // Forgets what happened under the plan before.
  void SetPlan(const Plan& plan);
  // What the peer has sent.
  void SetInput(std::string_view input) { input_ = input; }

  // What has been written to the peer.
  const std::string& output() const { return output_; }
  // Calls that moved bytes to or from the peer, or were to; those that were
  // interrupted are not counted.
  int transfers() const { return transfers_; }
  // The most bytes that one of them was asked for.
  size_t asked() const { return asked_; }
  // Whether a call other than for bytes of a file was made.
  bool called() const { return called_; }
  // The last error that was not an interruption, as -errno; 0 if there was
  // none.
  int last_error() const { return last_error_; }

  // A new file, which may be sent by SendFile() or must not.
  enum class Sending { kSendFile, kWriteOnly };
  int Open(Sending sending);
  bool IsOpen(int fd) const { return files_.contains(fd); }
  // Mappings that were not given back.
  size_t mappings() const { return mappings_.size(); }

  // The first call that should not have been made; empty if there was none.
  const std::string& misuse() const { return misuse_; }

  ssize_t Read(int fd, void* data, size_t size) override;
  ssize_t Readv(int fd, const iovec* extents, int count) override;
  ssize_t Writev(int fd, const iovec* extents, int count) override;
  ssize_t WritevMore(int fd, const iovec* extents, int count) override;
  ssize_t SendFile(int fd, int file, off_t offset, size_t size) override;
  ssize_t Pread(int fd, void* data, size_t size, off_t offset) override;
  int FileStatus(int fd, struct stat* status) override;
  int MapFile(int fd, off_t offset, size_t size, void** address) override;
  int Unmap(void* address, size_t size) override;
  int Close(int fd) override;

 private:
  void Misused(std::string_view how);
  bool IsInterrupted();
  int Fail(int error);
  // The bytes of a file that a call asks for.
  std::string_view FileBytes(int fd, off_t offset, size_t size);

  const std::string_view file_;
  std::map<int, Sending> files_;
  std::map<void*, size_t> mappings_;
  int last_fd_ = 1000;

  Plan plan_;
  std::string_view input_;
  std::string output_;
  int transfers_ = 0;
  size_t asked_ = 0;
  bool called_ = false;
  int last_error_ = 0;
  std::string misuse_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_BUFFER_SCRIPT_KERNEL_H_
