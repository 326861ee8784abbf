// signalfd(2): signals as something to read, which interrupt nobody.
//
// A signal is readable there only while every thread blocks it; a thread that
// does not runs the SignalHub's handler instead. Either way it is counted once.
#ifndef PERCORE_RUNTIME_INTERNAL_SIGNAL_FD_H_
#define PERCORE_RUNTIME_INTERNAL_SIGNAL_FD_H_

#include <signal.h>

#include "percore/runtime/kernel.h"

namespace percore::internal {

// One thread: the loop's. Closes the descriptor, and lets the thread have the
// signals again that it blocked.
class SignalFd {
 public:
  explicit SignalFd(Kernel& kernel);
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;
  ~SignalFd();

  // Makes a descriptor: once, and again in a child of fork(). 0 or -errno.
  int Open();
  // -1 before Open().
  int fd() const { return fd_; }

  // From now on `signal` is blocked in this thread, and arrives here. 0 or
  // -errno.
  int Watch(int signal);
  void Unwatch(int signal);

  // Hands what has arrived to the SignalHub.
  void Drain();

 private:
  Kernel& kernel_;
  int fd_ = -1;
  sigset_t watched_;
  sigset_t blocked_;  // by us: those that were not blocked before
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_SIGNAL_FD_H_
