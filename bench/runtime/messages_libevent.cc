// Messages with libevent: a mailbox, and an event made active to wake the loop.
#include <event2/event.h>
#include <event2/thread.h>

#include <thread>
#include <vector>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/message_cases.h"
#include "percore/bench/runtime/task_mailbox.h"

namespace percore::bench {
namespace {

class LoopThread {
 public:
  LoopThread(const std::vector<int>& cpus, int number)
      : base_(event_base_new()),
        wake_(event_new(base_, -1, 0, &OnWake, this)),
        thread_([this, cpus, number] {
          PinLoop(cpus, number);
          Check(event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY) >= 0,
                "event_base_loop");
        }) {}
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() {
    Post({.function = &Stop, .argument = base_});
    thread_.join();
    event_free(wake_);
    event_base_free(base_);
  }

  void Post(Task task) {
    if (mailbox_.Push(task)) event_active(wake_, EV_TIMEOUT, 0);
  }

 private:
  static void OnWake(evutil_socket_t /*fd*/, short /*what*/, void* self) {
    static_cast<LoopThread*>(self)->mailbox_.RunAll();
  }

  static void Stop(void* base) {
    event_base_loopbreak(static_cast<event_base*>(base));
  }

  TaskMailbox mailbox_;
  event_base* const base_;
  event* const wake_;
  std::thread thread_;
};

class LoopPair {
 public:
  explicit LoopPair(const std::vector<int>& cpus)
      : loops_{{cpus, 0}, {cpus, 1}} {}

  void Post(int loop, void (*function)(void*), void* argument) {
    loops_[loop].Post({.function = function, .argument = argument});
  }

 private:
  LoopThread loops_[2];
};

}  // namespace

void AddCases() {
  evthread_use_pthreads();
  AddMessageCases<LoopPair>();
}

}  // namespace percore::bench
