#include "percore/tests/buffer/script_shrinker.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>

namespace percore {
namespace {

class Shrinker {
 public:
  Shrinker(Script script, const std::function<bool(const Script&)>& fails,
           size_t max_runs)
      : script_(std::move(script)), fails_(fails), runs_left_(max_runs) {}

  Script Run() {
    // Smaller numbers may make another operation superfluous.
    for (bool progress = true; progress && runs_left_ != 0;) {
      progress = RemoveOperations();
      progress = RenumberSubjects() || progress;
      progress = SimplifyOperations() || progress;
    }
    return std::move(script_);
  }

 private:
  // Keeps `candidate` if it fails too.
  bool Try(Script candidate) {
    if (runs_left_ == 0) return false;
    --runs_left_;
    if (!fails_(candidate)) return false;
    script_ = std::move(candidate);
    return true;
  }

  // Halves, quarters, ... and at last single operations, over and over.
  bool RemoveOperations() {
    bool progress = false;
    size_t size = std::max<size_t>(script_.size() / 2, 1);
    while (runs_left_ != 0 && !script_.empty()) {
      const bool removed = RemoveChunks(size);
      progress = progress || removed;
      if (size == 1 && !removed) break;
      if (!removed || size > script_.size()) {
        size = std::max<size_t>(size / 2, 1);
      }
    }
    return progress;
  }

  // The last ones first: those behind what failed go in one step.
  bool RemoveChunks(size_t size) {
    bool progress = false;
    for (size_t end = script_.size(); end != 0;) {
      const size_t begin = end - std::min(end, size);
      Script candidate = script_;
      candidate.erase(std::next(candidate.begin(), static_cast<long>(begin)),
                      std::next(candidate.begin(), static_cast<long>(end)));
      if (Try(std::move(candidate))) progress = true;
      end = begin;
    }
    return progress;
  }

  // In all operations at once, so that they still work with the same ones.
  bool RenumberSubjects() {
    bool progress = false;
    for (uint8_t from = 1; from < kSubjects; ++from) {
      for (uint8_t to = 0; to < from; ++to) {
        Script candidate = script_;
        for (Operation& operation : candidate) {
          if (operation.subject == from) operation.subject = to;
          if (operation.other == from) operation.other = to;
        }
        if (candidate == script_) break;
        progress = Try(std::move(candidate)) || progress;
      }
    }
    return progress;
  }

  bool SimplifyOperations() {
    bool progress = false;
    for (size_t i = 0; i < script_.size(); ++i) {
      progress = Lower(i, &Operation::subject) || progress;
      progress = Lower(i, &Operation::other) || progress;
      progress = SayWithItsSize(i) || progress;
      progress = SimplifyVariant(i) || progress;
      progress = Lower(i, &Operation::value) || progress;
    }
    return progress;
  }

  template <typename Number>
  bool TrySetting(size_t index, Number Operation::*member, Number number) {
    Script candidate = script_;
    candidate[index].*member = number;
    return Try(std::move(candidate));
  }

  // To 0; else down by as much as it goes, first in large steps.
  template <typename Number>
  bool Lower(size_t index, Number Operation::*member) {
    if (script_[index].*member == 0) return false;
    if (TrySetting<Number>(index, member, 0)) return true;
    bool progress = false;
    for (Number step = script_[index].*member / 2; step != 0; step /= 2) {
      const Number now = script_[index].*member;
      if (step > now) continue;
      progress =
          TrySetting<Number>(index, member, static_cast<Number>(now - step)) ||
          progress;
    }
    const Number now = script_[index].*member;
    return TrySetting<Number>(index, member, static_cast<Number>(now - 1)) ||
           progress;
  }

  // A value that is the size itself: the smaller the one, the smaller the
  // other.
  bool SayWithItsSize(size_t index) {
    const Operation now = script_[index];
    const int scale = now.variant & 7;
    for (const int other_scale : {0, 2, 4, 7}) {
      Operation other = now;
      other.variant = static_cast<uint8_t>((now.variant & ~7) | other_scale);
      other.value = static_cast<uint32_t>(now.Size());
      const bool is_simpler = other.value < now.value || other_scale < scale;
      if (!is_simpler || other.Size() != now.Size()) continue;
      Script candidate = script_;
      candidate[index] = other;
      if (Try(std::move(candidate))) return true;
    }
    return false;
  }

  // Without its flags, and with small sizes.
  bool SimplifyVariant(size_t index) {
    if (script_[index].variant == 0) return false;
    if (TrySetting<uint8_t>(index, &Operation::variant, 0)) return true;
    bool progress = false;
    for (unsigned bit = 1; bit <= 128; bit *= 2) {
      const unsigned variant = script_[index].variant;
      if ((variant & bit) == 0) continue;
      progress = TrySetting<uint8_t>(index, &Operation::variant,
                                     static_cast<uint8_t>(variant & ~bit)) ||
                 progress;
    }
    return progress;
  }

  Script script_;
  const std::function<bool(const Script&)>& fails_;
  size_t runs_left_;
};

}  // namespace

Script Shrink(Script script, const std::function<bool(const Script&)>& fails,
              size_t max_runs) {
  return Shrinker(std::move(script), fails, max_runs).Run();
}

}  // namespace percore
