// The loop's cases with Asio, told that one thread runs it.
#include <sys/time.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/error_code.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/byte_relay.h"
#include "percore/bench/runtime/in_place_array.h"
#include "percore/bench/runtime/loop_cases.h"

namespace percore::bench {
namespace {

class Loop {
 public:
  asio::io_context& context() { return context_; }

  void RunUntilStopped() {
    context_.restart();
    context_.run();
  }

  void RunInside(std::function<void()> work, Until until) {
    context_.restart();
    asio::post(context_, std::move(work));
    if (until == Until::kNothingReady) {
      context_.poll();
    } else {
      context_.run();
    }
  }

  void RunReady() {
    context_.restart();
    context_.poll();
  }

 private:
  asio::io_context context_{1};
};

class Readers {
 public:
  Readers(Loop& loop, ByteRelay& relay) : readers_(relay.pairs()) {
    for (int i = 0; i < relay.pairs(); ++i) {
      readers_.Emplace(loop, relay, i).Read();
    }
  }

 private:
  class Reader {
   public:
    Reader(Loop& loop, ByteRelay& relay, int pair)
        : loop_(loop), relay_(relay), pair_(pair), socket_(loop.context()) {
      asio::error_code error;
      socket_.assign(asio::local::stream_protocol(), relay.read_fd(pair),
                     error);
      Check(!error, "assign");
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    // The descriptor is the relay's.
    ~Reader() {
      asio::error_code error;
      socket_.release(error);
    }

    void Read() {
      socket_.async_read_some(
          asio::buffer(bytes_),
          [this](const asio::error_code& error, size_t size) {
            if (error || relay_.OnRead(pair_, size)) loop_.context().stop();
            if (!error) Read();
          });
    }

   private:
    Loop& loop_;
    ByteRelay& relay_;
    const int pair_;
    asio::local::stream_protocol::socket socket_;
    std::array<char, ByteRelay::kReadSize> bytes_;
  };

  InPlaceArray<Reader> readers_;
};

class Timers {
 public:
  Timers(Loop& loop, int count, int* fired) : fired_(fired), timers_(count) {
    for (int i = 0; i < count; ++i) timers_.Emplace(loop.context());
  }

  void Set(int timer, timeval delay) {
    asio::steady_timer& changed = timers_[timer];
    changed.expires_after(std::chrono::seconds(delay.tv_sec) +
                          std::chrono::microseconds(delay.tv_usec));
    changed.async_wait([fired = fired_](const asio::error_code& error) {
      if (!error) ++*fired;
    });
  }

  void Delete(int timer) { timers_[timer].cancel(); }

 private:
  int* const fired_;
  InPlaceArray<asio::steady_timer> timers_;
};

class Deferred {
 public:
  Deferred(Loop& loop, int /*count*/, int* ran) : loop_(loop), ran_(ran) {}

  void Schedule(int /*callback*/) {
    asio::post(loop_.context(), [ran = ran_] { ++*ran; });
  }

 private:
  Loop& loop_;
  int* const ran_;
};

struct Asio {
  using Loop = bench::Loop;
  using Readers = bench::Readers;
  using Timers = bench::Timers;
  using Deferred = bench::Deferred;
};

}  // namespace

void AddCases() { AddLoopCases<Asio>(); }

}  // namespace percore::bench
