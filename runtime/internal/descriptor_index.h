// Where a descriptor stands in an array that is kept without gaps.
#ifndef PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_INDEX_H_
#define PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace percore::internal {

class DescriptorIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // kNone if it is not there.
  uint32_t Find(int fd) const {
    const auto number = static_cast<size_t>(fd);
    return number < places_.size() ? places_[number] : kNone;
  }

  void Set(int fd, uint32_t place) {
    const auto number = static_cast<size_t>(fd);
    if (number >= places_.size()) places_.resize((number + 1) * 2, kNone);
    places_[number] = place;
  }

  void Erase(int fd) { Set(fd, kNone); }
  void Clear() { places_.clear(); }

 private:
  std::vector<uint32_t> places_;  // by number
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_DESCRIPTOR_INDEX_H_
