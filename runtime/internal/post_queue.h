// Functions on their way into a loop from any thread: many producers, one
// consumer, no lock. Producers push onto a stack; the consumer takes the whole
// stack with one exchange and turns it round, which makes it a queue.
#ifndef PERCORE_RUNTIME_INTERNAL_POST_QUEUE_H_
#define PERCORE_RUNTIME_INTERNAL_POST_QUEUE_H_

#include <atomic>
#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace percore::internal {

class PostQueue {
 public:
  PostQueue() = default;
  PostQueue(const PostQueue&) = delete;
  PostQueue& operator=(const PostQueue&) = delete;
  // Functions that did not run are destroyed.
  ~PostQueue() {
    for (Node* node = TakeAll(); node != nullptr;) node = Delete(node);
  }

  // Any thread. The push is sequentially consistent (internal/notifier.h).
  void Push(absl::AnyInvocable<void()> function) {
    Node* node = new Node{std::move(function), top_.load()};
    while (!top_.compare_exchange_weak(node->next, node)) {
    }
  }

  bool empty() const { return top_.load() == nullptr; }

  // The consumer: runs what had been pushed, first in first out; returns how
  // many functions ran.
  size_t RunAll() {
    if (top_.load(std::memory_order_relaxed) == nullptr) return 0;
    size_t ran = 0;
    for (Node* node = TakeAll(); node != nullptr; ++ran) {
      node->function();
      node = Delete(node);
    }
    return ran;
  }

 private:
  struct Node {
    absl::AnyInvocable<void()> function;
    Node* next;
  };

  Node* TakeAll() {
    Node* first = nullptr;
    for (Node* node = top_.exchange(nullptr); node != nullptr;) {
      Node* pushed_before = node->next;
      node->next = first;
      first = node;
      node = pushed_before;
    }
    return first;
  }

  static Node* Delete(Node* node) {
    Node* next = node->next;
    delete node;
    return next;
  }

  std::atomic<Node*> top_{nullptr};
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_POST_QUEUE_H_
