// The loop's cases with libuv. It has no callback that runs as soon as
// possible, and its clock has milliseconds: timers of less are due at once.
#include <sys/time.h>
#include <uv.h>

#include <functional>
#include <utility>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/byte_relay.h"
#include "percore/bench/runtime/in_place_array.h"
#include "percore/bench/runtime/loop_cases.h"

namespace percore::bench {
namespace {

// A handle may go only when the loop has said so.
template <typename Handle>
void Close(uv_loop_t* loop, Handle* first, Handle* last) {
  for (Handle* handle = first; handle != last; ++handle) {
    uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
  }
  uv_run(loop, UV_RUN_NOWAIT);
}

class Loop {
 public:
  Loop() {
    Check(uv_loop_init(&loop_) == 0, "uv_loop_init");
    uv_prepare_init(&loop_, &inside_);
    inside_.data = this;
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    Close(&loop_, &inside_, &inside_ + 1);
    uv_loop_close(&loop_);
  }

  uv_loop_t* loop() { return &loop_; }

  void RunUntilStopped() { uv_run(&loop_, UV_RUN_DEFAULT); }

  void RunInside(std::function<void()> work, Until until) {
    work_ = std::move(work);
    uv_prepare_start(&inside_, &RunWork);
    uv_run(&loop_,
           until == Until::kNothingReady ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
  }

  void RunReady() { uv_run(&loop_, UV_RUN_NOWAIT); }

 private:
  static void RunWork(uv_prepare_t* inside) {
    uv_prepare_stop(inside);
    static_cast<Loop*>(inside->data)->work_();
  }

  uv_loop_t loop_;
  uv_prepare_t inside_;
  std::function<void()> work_;
};

class Readers {
 public:
  Readers(Loop& loop, ByteRelay& relay)
      : loop_(loop), readers_(relay.pairs()), polls_(relay.pairs()) {
    for (int i = 0; i < relay.pairs(); ++i) {
      uv_poll_t& poll = polls_.Emplace();
      poll.data = &readers_.Emplace(Reader{.relay = relay, .pair = i});
      if (!Check(uv_poll_init(loop.loop(), &poll, relay.read_fd(i)) == 0 &&
                     uv_poll_start(&poll, UV_READABLE, &OnReadable) == 0,
                 "uv_poll")) {
        return;
      }
    }
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;
  ~Readers() { Close(loop_.loop(), polls_.begin(), polls_.end()); }

 private:
  struct Reader {
    ByteRelay& relay;
    const int pair;
  };

  static void OnReadable(uv_poll_t* poll, int /*status*/, int /*events*/) {
    const Reader& reader = *static_cast<Reader*>(poll->data);
    if (reader.relay.OnReadable(reader.pair)) uv_stop(poll->loop);
  }

  Loop& loop_;
  InPlaceArray<Reader> readers_;
  InPlaceArray<uv_poll_t> polls_;
};

class Timers {
 public:
  Timers(Loop& loop, int count, int* fired) : loop_(loop), timers_(count) {
    for (int i = 0; i < count; ++i) {
      uv_timer_t& timer = timers_.Emplace();
      uv_timer_init(loop.loop(), &timer);
      timer.data = fired;
    }
  }
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  ~Timers() { Close(loop_.loop(), timers_.begin(), timers_.end()); }

  void Set(int timer, timeval delay) {
    const uint64_t delay_ms = delay.tv_sec * 1000 + delay.tv_usec / 1000;
    Check(uv_timer_start(&timers_[timer], &OnTimeout, delay_ms, 0) == 0,
          "uv_timer_start");
  }

  void Delete(int timer) { uv_timer_stop(&timers_[timer]); }

 private:
  static void OnTimeout(uv_timer_t* timer) {
    ++*static_cast<int*>(timer->data);
  }

  Loop& loop_;
  InPlaceArray<uv_timer_t> timers_;
};

struct Libuv {
  using Loop = bench::Loop;
  using Readers = bench::Readers;
  using Timers = bench::Timers;
};

}  // namespace

void AddCases() { AddLoopCases<Libuv>(); }

}  // namespace percore::bench
