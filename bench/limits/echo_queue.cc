#include "percore/bench/limits/echo_queue.h"

#include <algorithm>
#include <utility>

namespace percore::bench {

EchoQueue::~EchoQueue() {
  for (const Received& received : held_) buffers_.Release(received.buffer);
}

void EchoQueue::Add(uint16_t buffer, size_t size) {
  if (!copying_) {
    held_.push_back({buffer, static_cast<uint32_t>(size)});
    return;
  }
  behind_.append(buffers_.data(buffer), size);
  buffers_.Release(buffer);
}

const msghdr& EchoQueue::Next() {
  if (copying_) CopyHeld();
  message_.msg_iov = parts_.data();
  if (!copy_.empty()) {
    parts_[0] = {copy_.data() + sent_, copy_.size() - sent_};
    message_.msg_iovlen = 1;
    return message_;
  }
  message_.msg_iovlen = std::min(held_.size(), parts_.size());
  parts_[0] = FirstPart();
  for (size_t i = 1; i < message_.msg_iovlen; ++i) {
    parts_[i] = {buffers_.data(held_[i].buffer), held_[i].size};
  }
  return message_;
}

void EchoQueue::Consume(size_t size) {
  sent_ += size;
  if (!copy_.empty()) {
    if (sent_ < copy_.size()) return;
    copy_ = std::exchange(behind_, {});
    sent_ = 0;
  } else {
    auto next = held_.begin();
    while (next != held_.end() && sent_ >= next->size) {
      sent_ -= next->size;
      buffers_.Release(next->buffer);
      ++next;
    }
    held_.erase(held_.begin(), next);
  }
  if (empty()) copying_ = false;
}

iovec EchoQueue::FirstPart() const {
  const Received& first = held_.front();
  return {buffers_.data(first.buffer) + sent_, first.size - sent_};
}

void EchoQueue::CopyHeld() {
  // Those behind are younger than any buffer, and older than what follows.
  std::string copy;
  while (!held_.empty()) {
    const iovec part = FirstPart();
    copy.append(static_cast<const char*>(part.iov_base), part.iov_len);
    buffers_.Release(held_.front().buffer);
    held_.erase(held_.begin());
    sent_ = 0;
  }
  if (copy_.empty()) copy_ = std::move(copy) + std::exchange(behind_, {});
}

}  // namespace percore::bench
