// What a completion says of the request that it is of: its user data.
#ifndef PERCORE_RUNTIME_INTERNAL_RING_REQUEST_H_
#define PERCORE_RUNTIME_INTERNAL_RING_REQUEST_H_

#include <cstdint>

namespace percore::internal {

//   63 ... 61 | 60 59 | 58 ... 32 | 31 ... 0
//       of    |  kind |  number   | generation
struct RingRequest {
  enum class Of : uint8_t {
    kPoll,  // `number` is a descriptor
    kUser,  // `number` is the seat of a Ring's user
    kClose,
    kWakeUp,  // `number` is the eventfd of the loop that is woken
    kAccept,  // a user's, and gives descriptors, which somebody has to close
    kNobody = 7,
  };

  static constexpr uint32_t kNumberMask = (1U << 27) - 1;
  // Of those of whose success nobody wants to know.
  static constexpr uint64_t kNobody = UINT64_MAX;

  static constexpr uint64_t Pack(const RingRequest& request) {
    return static_cast<uint64_t>(request.of) << 61 |
           uint64_t{request.kind & 3U} << 59 |
           uint64_t{request.number & kNumberMask} << 32 | request.generation;
  }
  static constexpr RingRequest Unpack(uint64_t data) {
    return {.of = static_cast<Of>(data >> 61),
            .kind = static_cast<unsigned>(data >> 59 & 3),
            .number = static_cast<uint32_t>(data >> 32) & kNumberMask,
            .generation = static_cast<uint32_t>(data)};
  }

  Of of = Of::kPoll;
  unsigned kind = 0;
  uint32_t number = 0;
  uint32_t generation = 0;  // tells requests for the same number apart
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_RING_REQUEST_H_
