// A doubly linked list whose links lie in its elements: putting an element in,
// or taking it out, allocates nothing and takes constant time.
//
// ```cpp
// struct Task {
//   int number;
//   percore::ListLink<Task> link;
// };
// percore::IntrusiveList<Task, &Task::link> tasks;
// Task task = {1, {}};
// tasks.PushBack(&task);
// tasks.Remove(&task);
// ```
#ifndef PERCORE_RUNTIME_INTRUSIVE_LIST_H_
#define PERCORE_RUNTIME_INTRUSIVE_LIST_H_

namespace percore {

// What an element keeps for one list.
template <typename T>
struct ListLink {
  T* previous = nullptr;
  T* next = nullptr;
};

// `kLink` names the member of T that this list links through; an element is in
// at most one list per link. One thread. The list owns nothing.
template <typename T, ListLink<T> T::*kLink>
class IntrusiveList {
 public:
  bool empty() const { return first_ == nullptr; }
  // Null if empty.
  T* first() const { return first_; }
  // Null if empty.
  T* last() const { return last_; }
  // Null for the last element, and for the first.
  static T* Next(const T* element) { return (element->*kLink).next; }

  static T* Previous(const T* element) { return (element->*kLink).previous; }

  void PushBack(T* element) {
    (element->*kLink) = {.previous = last_, .next = nullptr};
    (last_ != nullptr ? (last_->*kLink).next : first_) = element;
    last_ = element;
  }

  // The element is in this list.
  void Remove(T* element) {
    ListLink<T>& link = element->*kLink;
    (link.previous != nullptr ? (link.previous->*kLink).next : first_) =
        link.next;
    (link.next != nullptr ? (link.next->*kLink).previous : last_) =
        link.previous;
    link = {};
  }

  // The list is not empty.
  T* PopFront() {
    T* element = first_;
    Remove(element);
    return element;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_INTRUSIVE_LIST_H_
