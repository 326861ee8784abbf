// An array that grows where it is used, and moves nothing when it grows.
//
// A std::vector that is indexed by descriptor numbers has room for twice as
// many as there are, holds old and new elements at the same time while it
// grows, and one descriptor with a high number makes it have all those below.
#ifndef PERCORE_RUNTIME_INTERNAL_CHUNKED_ARRAY_H_
#define PERCORE_RUNTIME_INTERNAL_CHUNKED_ARRAY_H_

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace percore::internal {

// One thread. An element stays where it is once it was made.
template <typename T>
class ChunkedArray {
 public:
  // A page's worth: allocators have such pieces without waste.
  static constexpr size_t kChunkSize = 4096 / sizeof(T);

  // Null if it was not made.
  T* Find(size_t index) const {
    const size_t chunk = index / kChunkSize;
    if (chunk >= chunks_.size() || chunks_[chunk] == nullptr) return nullptr;
    return &(*chunks_[chunk])[index % kChunkSize];
  }
  // The element must have been made.
  T& operator[](size_t index) const {
    return (*chunks_[index / kChunkSize])[index % kChunkSize];
  }
  // Makes it, and its neighbours, if need be.
  T& Make(size_t index) {
    const size_t chunk = index / kChunkSize;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    if (chunks_[chunk] == nullptr) chunks_[chunk] = std::make_unique<Chunk>();
    return (*chunks_[chunk])[index % kChunkSize];
  }

  // Calls `visit` with the index of each element that was made, and with the
  // element, until it returns false; returns whether it never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    for (size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
      if (chunks_[chunk] == nullptr) continue;
      for (size_t i = 0; i < kChunkSize; ++i) {
        if (!visit(chunk * kChunkSize + i, (*chunks_[chunk])[i])) return false;
      }
    }
    return true;
  }

 private:
  using Chunk = std::array<T, kChunkSize>;

  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_CHUNKED_ARRAY_H_
