// Messages with Asio: functions posted to the other thread's io_context.
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <thread>
#include <vector>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/message_cases.h"

namespace percore::bench {
namespace {

class LoopThread {
 public:
  LoopThread(const std::vector<int>& cpus, int number)
      : thread_([this, cpus, number] {
          PinLoop(cpus, number);
          context_.run();
        }) {}
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() {
    work_.reset();
    thread_.join();
  }

  asio::io_context& context() { return context_; }

 private:
  // One thread runs it.
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{
      context_.get_executor()};
  std::thread thread_;
};

class LoopPair {
 public:
  explicit LoopPair(const std::vector<int>& cpus)
      : loops_{{cpus, 0}, {cpus, 1}} {}

  void Post(int loop, void (*function)(void*), void* argument) {
    asio::post(loops_[loop].context(),
               [function, argument] { function(argument); });
  }

 private:
  LoopThread loops_[2];
};

}  // namespace

void AddCases() { AddMessageCases<LoopPair>(); }

}  // namespace percore::bench
