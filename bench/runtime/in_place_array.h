// An array of objects that must stay where they are, side by side: what a
// server's own records are for the events and timers inside them.
//
// ```cpp
// InPlaceArray<std::mutex> mutexes(2);
// mutexes.Emplace();
// mutexes[0].lock();
// ```
#ifndef PERCORE_BENCH_RUNTIME_IN_PLACE_ARRAY_H_
#define PERCORE_BENCH_RUNTIME_IN_PLACE_ARRAY_H_

#include <memory>
#include <utility>

namespace percore::bench {

template <typename T>
class InPlaceArray {
 public:
  explicit InPlaceArray(int capacity)
      : capacity_(capacity),
        elements_(std::allocator<T>().allocate(capacity)) {}
  InPlaceArray(const InPlaceArray&) = delete;
  InPlaceArray& operator=(const InPlaceArray&) = delete;
  ~InPlaceArray() {
    std::destroy_n(elements_, size_);
    std::allocator<T>().deallocate(elements_, capacity_);
  }

  // At most `capacity` times.
  template <typename... Arguments>
  T& Emplace(Arguments&&... arguments) {
    return *std::construct_at(elements_ + size_++,
                              std::forward<Arguments>(arguments)...);
  }

  int size() const { return size_; }
  T& operator[](int index) { return elements_[index]; }
  T* begin() { return elements_; }
  T* end() { return elements_ + size_; }

 private:
  const int capacity_;
  T* const elements_;
  int size_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_IN_PLACE_ARRAY_H_
