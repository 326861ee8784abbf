// A function on its way to another thread, in one cache line.
//
// Messages between shards are sent by the million. One that captures no more
// than a few pointers travels inside its queue's slot, without an allocation;
// a larger one is boxed.
//
// ```cpp
// int sum = 0;
// percore::Message message([&sum] { sum += 2; });
// message.Run();
// ```
#ifndef PERCORE_RUNTIME_MESSAGE_H_
#define PERCORE_RUNTIME_MESSAGE_H_

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace percore {

// A callable without arguments or result: move-only, run at most once. A
// message that is destroyed without having run only destroys what it captured.
// One thread at a time.
class Message {
 public:
  // Captures of at most this many bytes are carried without an allocation.
  static constexpr size_t kInlineSize = 56;

  template <typename Function>
  requires(!std::is_same_v<std::decay_t<Function>, Message>) explicit Message(
      Function&& function) {
    using Callable = std::decay_t<Function>;
    if constexpr (FitsInline<Callable>()) {
      new (storage_) Callable(std::forward<Function>(function));
      operations_ = &kInlineOperations<Callable>;
    } else {
      auto boxed = [box = std::make_unique<Callable>(
                        std::forward<Function>(function))] { (*box)(); };
      new (storage_) decltype(boxed)(std::move(boxed));
      operations_ = &kInlineOperations<decltype(boxed)>;
    }
  }
  Message(Message&& other) noexcept
      : operations_(std::exchange(other.operations_, nullptr)) {
    if (operations_ != nullptr) operations_->move(other.storage_, storage_);
  }
  Message& operator=(Message&&) = delete;
  ~Message() {
    if (operations_ != nullptr) operations_->destroy(storage_);
  }

  // Calls the function and destroys it. Once.
  void Run() { std::exchange(operations_, nullptr)->run(storage_); }

 private:
  static constexpr size_t kInlineAlignment = 8;

  struct Operations {
    void (*run)(void* callable);  // and destroy
    void (*move)(void* from, void* to);
    void (*destroy)(void* callable);
  };

  template <typename Callable>
  static constexpr bool FitsInline() {
    return sizeof(Callable) <= kInlineSize &&
           alignof(Callable) <= kInlineAlignment &&
           std::is_nothrow_move_constructible_v<Callable>;
  }

  template <typename Callable>
  static constexpr Operations kInlineOperations = {
      .run =
          [](void* callable) {
            Callable& function = *static_cast<Callable*>(callable);
            function();
            function.~Callable();
          },
      .move =
          [](void* from, void* to) {
            Callable& source = *static_cast<Callable*>(from);
            new (to) Callable(std::move(source));
            source.~Callable();
          },
      .destroy =
          [](void* callable) { static_cast<Callable*>(callable)->~Callable(); },
  };

  const Operations* operations_;
  alignas(kInlineAlignment) std::byte storage_[kInlineSize];
};

static_assert(sizeof(Message) == 64, "a message fills one cache line");

}  // namespace percore

#endif  // PERCORE_RUNTIME_MESSAGE_H_
