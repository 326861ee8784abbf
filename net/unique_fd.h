// A descriptor with one owner.
//
// ```cpp
// percore::UniqueFd pipe_end(dup(0));
// percore::UniqueFd owner = std::move(pipe_end);  // closes it in the end
// ```
#ifndef PERCORE_NET_UNIQUE_FD_H_
#define PERCORE_NET_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace percore {

// Closes its descriptor when it goes. One thread at a time.
class UniqueFd {
 public:
  UniqueFd() = default;
  // Takes `fd` over; a negative one stands for none.
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives the descriptor to the caller.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  // Closes the descriptor, and takes over another.
  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace percore

#endif  // PERCORE_NET_UNIQUE_FD_H_
