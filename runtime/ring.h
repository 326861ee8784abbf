// What the kernel does by itself for a loop whose back end is io_uring(7):
// accepts, receives, sends and closes that are asked for, and are over when the
// loop looks again.
//
// Others ask the kernel whether they could do something, and then do it. Here
// requests are gathered during a round and made known by the one system call
// that waits as well:
//
//      round                       system call             round
//   AskToPutIn()     PutIn()  ->  [ requests ]  ->  OnCompletion()  OnPutIn()
//                    NextRequest()                  of each         at the end
//
// There are two sorts of requests. Those of the first sort are over when the
// system call returns: a send that does not wait for room, say. Nobody else's
// code runs in between, and so they may refer to memory that changes later.
// Those of the second stay with the kernel: a receive, which writes to memory
// that is the kernel's until then.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::Ring* const ring = (*base)->ring();
// if (ring == nullptr) return;  // another back end
// if (ring->can_receive()) ring->Flush();
// ```
#ifndef PERCORE_RUNTIME_RING_H_
#define PERCORE_RUNTIME_RING_H_

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "percore/runtime/internal/chunked_array.h"
#include "percore/runtime/internal/ring_request.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/loop_stats.h"
#include "percore/runtime/time.h"

struct io_uring_buf_reg;  // <liburing.h>
struct io_uring_sqe;

namespace percore {

namespace internal {
class AcceptRequests;
class IoUring;
class IoUringBackend;
}  // namespace internal

// What became of a request.
struct RingCompletion {
  int result = 0;     // as of the system call: -errno for a failure
  bool more = false;  // the request goes on, and has more to tell
  // Bytes were received into this one of the ring's buffers, and those after it
  // where they are more.
  std::optional<uint16_t> buffer = {};
  // There was more to receive.
  bool left_some = false;
  // Of an accept: whose connection `result` is, where that is known without
  // asking. It is of the last one that a system call gave.
  const sockaddr* peer = nullptr;
  socklen_t peer_size = 0;
};

// Has requests in a ring, and a seat there by which their completions find it.
// Its functions are called while the loop waits: they take note, activate
// events, and call nobody who might do more.
class RingUser {
 protected:
  RingUser() = default;
  ~RingUser() = default;

 private:
  friend class Ring;

  // The system call comes next: NextRequest() may be called.
  virtual void PutIn() = 0;
  // `kind` is what the request was given.
  virtual void OnCompletion(unsigned kind,
                            const RingCompletion& completion) = 0;
  // After a PutIn(), the system call and all completions that it gave. What is
  // over at once, was put in as quiet and has not been told, has succeeded.
  virtual void OnPutIn() = 0;
  // Nothing of what was put in is in the ring any more, nor will be told: the
  // loop runs in another thread, or in a child of fork().
  virtual void OnRingRenewed() = 0;
};

// What its users receive into, see buffer/receive_buffers.h.
class RingBuffers {
 public:
  virtual ~RingBuffers() = default;
  // `bytes` were received into `buffer`, and those after it, for somebody who
  // has left.
  virtual void PutBack(uint16_t buffer, size_t bytes) = 0;
  // All completions have been told.
  virtual void OnCompletionsTold() = 0;
  virtual void OnRingRenewed() = 0;
};

// Thread: its loop's. Belongs to its base.
class Ring {
 public:
  // A user's requests are of different kinds: numbers from 0 on, below this.
  static constexpr unsigned kKinds = 4;

  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Takes a seat, or gives it up: no completion is told any more then. What is
  // still with the kernel has to be cancelled before.
  uint32_t Join(RingUser& user);
  void Leave(uint32_t seat);

  // PutIn() is called before the next system call, once. If its requests are
  // over at once, the loop does not sleep before it has heard of them; if that
  // is not urgent, it does not sleep for long.
  enum class Over : uint8_t { kLater, kAtOnceNotUrgent, kAtOnce };
  static constexpr Duration kNotForLong = std::chrono::milliseconds(10);
  void AskToPutIn(uint32_t seat, Over over);
  // In a PutIn(): the system call that comes next does not wait. Neither does
  // it if somebody asks then for what is over at once.
  void StayAwake() { stay_awake_ = true; }

  // A request, to be filled in by a function of liburing's. Null if the kernel
  // takes no more: ask to be called again. A send, or a connect, that it does
  // not take after all completes with -EINTR.
  io_uring_sqe* NextRequest(uint32_t seat, unsigned kind);

  // Has `socket` accept connections until that is cancelled, or fails: one such
  // request of a kind at a time. Those for somebody who has left are closed.
  // False if the kernel takes no more, as above. What has come of it is told
  // after all else that a system call gave.
  bool Accept(uint32_t seat, unsigned kind, int socket);

  // These at any time, and with the next system call. What is cancelled
  // completes with -ECANCELED, unless it just has otherwise. A descriptor is
  // closed at once while no loop runs.
  void CancelAccept(uint32_t seat, unsigned kind);
  void Cancel(uint32_t seat, unsigned kind);
  void Close(int fd);

  // A message of `extents` extents, all to be filled in by a PutIn(), and good
  // until its OnPutIn().
  msghdr* NewMessage(size_t extents);

  // Makes the system call now, without waiting, if there is something to put
  // in. Nothing happens in another thread than the one that ran the loop last.
  void Flush();
  void FlushUnlessRunning() {
    if (!running_) Flush();
  }

  // Whoever waits for something counts as pending, as an event does: it keeps
  // RunMode::kUntilEmpty running.
  void AddPending() { ++pending_count_; }
  void RemovePending() { --pending_count_; }
  size_t pending_count() const { return pending_count_; }

  // What belongs to the ring, and goes with it. Null at first.
  void set_buffers(std::unique_ptr<RingBuffers> buffers);
  RingBuffers* buffers() const { return buffers_.get(); }
  // Of the buffers; IORING_REGISTER_PBUF_RING of io_uring_register(2). 0 or
  // -errno.
  int RegisterBuffers(io_uring_buf_reg* buffers);

  Kernel& kernel() { return kernel_; }

  // A receive has found no buffer.
  void CountExhaustion();

  // Whether receives may go on until they are cancelled, into buffers that the
  // kernel chooses (Linux 6.0).
  bool can_receive() const;
  // Whether accepts may go on, and do so within the loop's system calls only
  // (Linux 6.1): the address of a peer does not change while it is read.
  bool can_accept() const;

 private:
  friend class EventBase;
  friend class internal::IoUringBackend;

  // Every connection has one: 8 bytes. The system hands out addresses of 48
  // bits to who does not ask for more. Nobody takes and leaves a seat 2^14
  // times before the kernel has ended what its first owner had there.
  class Seat {
   public:
    // Null if it is free.
    RingUser* user() const {
      return taken_ ? reinterpret_cast<RingUser*>(address_) : nullptr;
    }
    void Take(RingUser& user) {
      address_ = reinterpret_cast<uintptr_t>(&user);
      taken_ = true;
    }
    void Leave(uint32_t next_free) {
      address_ = next_free;
      taken_ = false;
      ++generation_;
    }
    uint32_t next_free() const { return static_cast<uint32_t>(address_); }
    uint32_t generation() const { return generation_; }
    bool asked() const { return asked_; }
    void set_asked(bool asked) { asked_ = asked; }

   private:
    uint64_t address_ : 48 = 0;  // or the number of the next free seat
    uint64_t generation_ : 14 = 0;
    bool taken_ : 1 = false;
    bool asked_ : 1 = false;
  };
  static_assert(sizeof(Seat) == 8, "every connection has one");
  class Messages;
  struct Sleeper {
    int ring_fd;
    int event_fd;
  };

  Ring(Kernel& kernel, std::unique_ptr<internal::IoUring> uring);

  // The loop's.
  void CountIn(LoopStats& stats) { stats_ = &stats; }
  size_t TakeToldCount() { return std::exchange(told_count_, 0); }
  void set_running(bool running);
  // A timer was added: by one of the users, perhaps, when the loop had seen how
  // long it might sleep.
  void NoteTimer() { timer_added_ = true; }
  void ForgetTimers() { timer_added_ = false; }
  bool timer_added() const { return timer_added_; }
  // How the loop is about to sleep, see internal/notifier.h.
  int message_fd() const;
  // Another loop, which waits in the ring `ring_fd`, is woken with the next
  // system call by a message that it takes for a write to its eventfd; if the
  // kernel does not pass the message on, by that write. False if there is no
  // such call to come, or it cannot send messages.
  bool Wake(int ring_fd, int event_fd);
  // What the back end does around its system call.
  void PutInWakeUps();
  void PutInAll();
  // A completion of a user's.
  void Tell(uint64_t user_data, int result, uint32_t flags);
  void TellAccepted();
  void TellPutIn();
  // In place of the ring there is.
  void Renew(std::unique_ptr<internal::IoUring> uring);
  bool HasRequests() const;
  // The first to be over of what was asked for.
  Over first_over() const { return first_over_; }
  bool stays_awake() const {
    return stay_awake_ || timer_added_ || first_over_ != Over::kLater;
  }
  uint64_t UserData(internal::RingRequest::Of of, uint32_t seat,
                    unsigned kind) const;
  void CancelRequest(uint64_t user_data);
  // Whose request it is; null if he has left.
  RingUser* UserOf(const internal::RingRequest& request) const;

  Kernel& kernel_;
  std::unique_ptr<internal::IoUring> uring_;
  internal::IoUringBackend* backend_ = nullptr;
  internal::ChunkedArray<Seat> seats_;
  uint32_t seat_count_ = 0;
  uint32_t first_free_;
  std::vector<uint32_t> asked_;
  std::vector<uint32_t> put_in_;
  std::vector<Sleeper> to_wake_;
  std::unique_ptr<Messages> messages_;
  std::unique_ptr<internal::AcceptRequests> accepts_;
  std::unique_ptr<RingBuffers> buffers_;
  LoopStats* stats_ = nullptr;  // none without a loop
  size_t told_count_ = 0;       // completions
  size_t pending_count_ = 0;
  bool running_ = false;
  Over first_over_ = Over::kLater;
  bool stay_awake_ = false;  // in the system call that comes next
  bool timer_added_ = false;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_RING_H_
