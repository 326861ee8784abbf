#include "percore/runtime/internal/poll_backend.h"

#include <cerrno>

#include "percore/runtime/internal/poll_mask.h"

namespace percore::internal {

int PollBackend::Add(int fd, EventFlags interest, uint32_t generation) {
  if (index_.Find(fd) != DescriptorIndex::kNone) return -EEXIST;
  if (const int error = CheckOpen(kernel_, fd); error < 0) return error;
  index_.Set(fd, static_cast<uint32_t>(watched_.size()));
  watched_.push_back({.fd = fd,
                      .events = static_cast<int16_t>(ToPollMask(interest)),
                      .revents = 0});
  generations_.push_back(generation);
  return 0;
}

int PollBackend::Modify(int fd, EventFlags interest, uint32_t generation) {
  const uint32_t place = index_.Find(fd);
  if (place == DescriptorIndex::kNone) return -ENOENT;
  if (const int error = CheckOpen(kernel_, fd); error < 0) return error;
  watched_[place].events = static_cast<int16_t>(ToPollMask(interest));
  generations_[place] = generation;
  return 0;
}

int PollBackend::Remove(int fd) {
  const uint32_t place = index_.Find(fd);
  if (place == DescriptorIndex::kNone) return -ENOENT;
  watched_[place] = watched_.back();
  generations_[place] = generations_.back();
  index_.Set(watched_[place].fd, place);
  index_.Erase(fd);
  watched_.pop_back();
  generations_.pop_back();
  return 0;
}

int PollBackend::Reset() {
  watched_.clear();
  generations_.clear();
  index_.Clear();
  return 0;
}

int PollBackend::Wait(Duration timeout, ReadyList& ready) {
  ready.Reset(watched_.size());
  const int count = kernel_.Poll(watched_.data(), watched_.size(), timeout);
  int left = count;
  for (size_t i = 0; i < watched_.size() && left > 0;) {
    const pollfd& watched = watched_[i];
    if (watched.revents == 0) {
      ++i;
      continue;
    }
    --left;
    if ((watched.revents & POLLNVAL) != 0) {
      // Closed without a word. epoll forgets such a descriptor, and so do we:
      // it would end every wait at once. Another one moves to its place.
      Remove(watched.fd);
      continue;
    }
    ready.Add(watched.fd, generations_[i],
              FromPollMask(static_cast<uint16_t>(watched.revents)));
    ++i;
  }
  return count;
}

}  // namespace percore::internal
