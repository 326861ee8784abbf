// Tells functions on the stack that the object they work for is gone.
//
// A callback may destroy the object that calls it. The function that makes the
// call holds a Watch, and returns when it is cut. Any number of them may be
// nested: a callback that makes the object call another one, which destroys it,
// cuts both.
//
//   Lifeline::Watch watch(lifeline_);
//   callback(*this);
//   if (watch.cut()) return;
#ifndef PERCORE_NET_INTERNAL_LIFELINE_H_
#define PERCORE_NET_INTERNAL_LIFELINE_H_

namespace percore::internal {

// A member of the object. One thread. Cost: 8 bytes.
class Lifeline {
 public:
  class Watch {
   public:
    explicit Watch(Lifeline& lifeline)
        : lifeline_(&lifeline), outer_(lifeline.innermost_) {
      lifeline.innermost_ = this;
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() {
      if (lifeline_ != nullptr) lifeline_->innermost_ = outer_;
    }

    bool cut() const { return lifeline_ == nullptr; }

   private:
    friend class Lifeline;

    Lifeline* lifeline_;
    Watch* const outer_;
  };

  Lifeline() = default;
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;
  ~Lifeline() { Cut(); }

  // As destroying it, but new watches may be made.
  void Cut() {
    for (Watch* watch = innermost_; watch != nullptr; watch = watch->outer_) {
      watch->lifeline_ = nullptr;
    }
    innermost_ = nullptr;
  }

 private:
  Watch* innermost_ = nullptr;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_LIFELINE_H_
