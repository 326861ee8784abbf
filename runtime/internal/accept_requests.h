// The accepts that a Ring has with the kernel, and what they give.
//
// A request goes on, and the kernel writes the peer's address of each
// connection to the same place. So of those that a system call gives it is
// known whose the last one is, as soon as there are no more to be told:
// completions wait here until then.
//
//   connections   A  B  C        told as   A  B  C, of C's address
//   the place     A->B->C
//
// The place is the kernel's until the last completion, whatever becomes of who
// has asked for it.
#ifndef PERCORE_RUNTIME_INTERNAL_ACCEPT_REQUESTS_H_
#define PERCORE_RUNTIME_INTERNAL_ACCEPT_REQUESTS_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "percore/runtime/internal/io_uring.h"
#include "percore/runtime/ring.h"

namespace percore::internal {

// Thread: the ring's.
class AcceptRequests {
 public:
  struct Peer {
    sockaddr_storage address;
    socklen_t size;
  };

  // Of a new request, which has a name that no other has.
  Peer& Begin(uint64_t user_data) {
    requests_.push_back(std::make_unique<Request>());
    Request& request = *requests_.back();
    request.user_data = user_data;
    request.peer.size = sizeof(request.peer.address);
    return request.peer;
  }

  void Note(const IoUring::Completion& completion) {
    if (completion.result >= 0) {
      Find(completion.user_data)->last = completions_.size();
    }
    completions_.push_back(completion);
  }

  // Calls `tell` with the user data and a RingCompletion of each that was
  // noted. `complete` is whether the kernel has no more.
  template <typename Tell>
  void TellAll(bool complete, Tell tell) {
    for (size_t i = 0; i < completions_.size(); ++i) {
      const IoUring::Completion& completion = completions_[i];
      Request& request = *Find(completion.user_data);
      RingCompletion told = {
          .result = completion.result,
          .more = (completion.flags & IORING_CQE_F_MORE) != 0};
      if (complete && completion.result >= 0 && request.last == i) {
        told.peer = reinterpret_cast<const sockaddr*>(&request.peer.address);
        told.peer_size = request.peer.size;
      }
      tell(completion.user_data, told);
      if (!told.more) End(completion.user_data);
    }
    completions_.clear();
  }

  // The kernel has none of them any more.
  void Clear() {
    requests_.clear();
    completions_.clear();
  }

 private:
  struct Request {
    uint64_t user_data;
    Peer peer;
    size_t last = 0;  // of its connections, in completions_
  };

  // A loop has few listeners.
  Request* Find(uint64_t user_data) const {
    for (const std::unique_ptr<Request>& request : requests_) {
      if (request->user_data == user_data) return request.get();
    }
    return nullptr;
  }
  void End(uint64_t user_data) {
    std::erase_if(requests_, [&](const std::unique_ptr<Request>& request) {
      return request->user_data == user_data;
    });
  }

  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<IoUring::Completion> completions_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ACCEPT_REQUESTS_H_
