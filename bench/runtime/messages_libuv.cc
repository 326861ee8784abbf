// Messages with libuv: a mailbox, and a uv_async_t to wake the loop.
#include <uv.h>

#include <thread>
#include <vector>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/message_cases.h"
#include "percore/bench/runtime/task_mailbox.h"

namespace percore::bench {
namespace {

class LoopThread {
 public:
  LoopThread(const std::vector<int>& cpus, int number) {
    Check(uv_loop_init(&loop_) == 0, "uv_loop_init");
    Check(uv_async_init(&loop_, &wake_, &OnWake) == 0, "uv_async_init");
    wake_.data = this;
    thread_ = std::thread([this, cpus, number] {
      PinLoop(cpus, number);
      uv_run(&loop_, UV_RUN_DEFAULT);
    });
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() {
    Post({.function = &Stop, .argument = &wake_});
    thread_.join();
    uv_loop_close(&loop_);
  }

  void Post(Task task) {
    if (mailbox_.Push(task)) uv_async_send(&wake_);
  }

 private:
  static void OnWake(uv_async_t* wake) {
    static_cast<LoopThread*>(wake->data)->mailbox_.RunAll();
  }

  // Nothing else is active: the loop ends with it.
  static void Stop(void* wake) {
    uv_close(static_cast<uv_handle_t*>(wake), nullptr);
  }

  TaskMailbox mailbox_;
  uv_loop_t loop_;
  uv_async_t wake_;
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

void AddCases() { AddMessageCases<LoopPair>(); }

}  // namespace percore::bench
