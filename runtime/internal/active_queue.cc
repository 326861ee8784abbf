#include "percore/runtime/internal/active_queue.h"

#include <algorithm>
#include <utility>

namespace percore::internal {
namespace {

constexpr uint32_t kFirstSize = 16;

}  // namespace

void ActiveRing::PushBackSlow(BasicEvent* event) {
  MakeRoom();
  PushBack(event);
}

void ActiveRing::MakeRoom() {
  const auto gaps = std::count(slots_.get(), slots_.get() + size_, nullptr);
  const bool grows = gaps <= size_ / 2;
  const uint32_t size = std::max(kFirstSize, grows ? size_ * 2 : size_);
  auto slots = std::make_unique<BasicEvent*[]>(size);
  uint32_t count = 0;
  const auto move = [&](uint32_t begin, uint32_t end) {
    for (uint32_t place = begin; place != end; ++place) {
      BasicEvent* const event = At(place);
      if (event == nullptr) continue;
      event->active_place_ = count;
      slots[count++] = event;
    }
  };
  move(begin_, turn_end_);
  const uint32_t turn_end = count;
  move(turn_end_, end_);
  slots_ = std::move(slots);
  size_ = size;
  begin_ = 0;
  turn_end_ = turn_end;
  end_ = count;
}

}  // namespace percore::internal
