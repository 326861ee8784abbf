// A doubly linked list whose links lie in its elements: putting an element in,
// or taking it out, allocates nothing and takes constant time.
#ifndef PERCORE_RUNTIME_INTERNAL_INTRUSIVE_LIST_H_
#define PERCORE_RUNTIME_INTERNAL_INTRUSIVE_LIST_H_

namespace percore::internal {

template <typename T>
struct ListLink {
  T* previous = nullptr;
  T* next = nullptr;
};

// `kLink` names the member of T that this list links through; an element is in
// at most one list per link. The list owns nothing.
template <typename T, ListLink<T> T::*kLink>
class IntrusiveList {
 public:
  bool empty() const { return first_ == nullptr; }
  T* first() const { return first_; }
  static T* Next(const T* element) { return (element->*kLink).next; }

  void PushBack(T* element) {
    (element->*kLink) = {.previous = last_, .next = nullptr};
    (last_ != nullptr ? (last_->*kLink).next : first_) = element;
    last_ = element;
  }

  void Remove(T* element) {
    ListLink<T>& link = element->*kLink;
    (link.previous != nullptr ? (link.previous->*kLink).next : first_) =
        link.next;
    (link.next != nullptr ? (link.next->*kLink).previous : last_) =
        link.previous;
    link = {};
  }

  T* PopFront() {
    T* element = first_;
    Remove(element);
    return element;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_INTRUSIVE_LIST_H_
