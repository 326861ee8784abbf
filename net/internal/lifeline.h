// Tells functions on the stack that the object they work for is gone.
//
// A callback may destroy the object that calls it. The function that makes the
// call holds a Lifeline, and returns when it is cut. Any number of them may be
// nested: a callback that makes the object call another one, which destroys it,
// cuts both.
//
//   Lifeline lifeline(this);
//   callback(*this);
//   if (lifeline.cut()) return;
//
// The object's destructor calls Lifeline::Cut(this). It keeps nothing for that:
// the lifelines of a thread are on its stack, and linked.
#ifndef PERCORE_NET_INTERNAL_LIFELINE_H_
#define PERCORE_NET_INTERNAL_LIFELINE_H_

namespace percore::internal {

class Lifeline {
 public:
  explicit Lifeline(const void* object) : object_(object), outer_(innermost_) {
    innermost_ = this;
  }
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline() { innermost_ = outer_; }

  bool cut() const { return object_ == nullptr; }

  // All that lead to `object`, on this thread.
  static void Cut(const void* object) {
    for (Lifeline* lifeline = innermost_; lifeline != nullptr;
         lifeline = lifeline->outer_) {
      if (lifeline->object_ == object) lifeline->object_ = nullptr;
    }
  }

 private:
  static inline constinit thread_local Lifeline* innermost_ = nullptr;

  const void* object_;
  Lifeline* const outer_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_LIFELINE_H_
