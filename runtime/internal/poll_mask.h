// What a loop waits for, as the kernel's mask: poll(2), epoll(7) and
// io_uring(7) have the same numbers for it.
#ifndef PERCORE_RUNTIME_INTERNAL_POLL_MASK_H_
#define PERCORE_RUNTIME_INTERNAL_POLL_MASK_H_

#include <poll.h>
#include <sys/epoll.h>

#include <cstdint>

#include "percore/runtime/event_flags.h"

namespace percore::internal {

static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT);
static_assert(POLLERR == EPOLLERR && POLLHUP == EPOLLHUP);
static_assert(POLLRDHUP == EPOLLRDHUP);

constexpr uint32_t ToPollMask(EventFlags interest) {
  uint32_t mask = 0;
  if (Any(interest & EventFlags::kRead)) mask |= POLLIN;
  if (Any(interest & EventFlags::kWrite)) mask |= POLLOUT;
  if (Any(interest & EventFlags::kClosed)) mask |= POLLRDHUP;
  return mask;
}

constexpr EventFlags FromPollMask(uint32_t mask) {
  EventFlags what = EventFlags::kNone;
  // An error or a hang-up makes both directions ready: whoever reads or writes
  // next is told which it was.
  if ((mask & (POLLIN | POLLERR | POLLHUP)) != 0) what |= EventFlags::kRead;
  if ((mask & (POLLOUT | POLLERR | POLLHUP)) != 0) what |= EventFlags::kWrite;
  if ((mask & (POLLRDHUP | POLLHUP)) != 0) what |= EventFlags::kClosed;
  return what;
}

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_POLL_MASK_H_
