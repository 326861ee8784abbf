// An echo server on libevent 2.1, written in the two ways its book teaches.
//
// `events`: one persistent read event for each connection. What was received
// goes out at once from a buffer that all connections share, so that an idle
// connection costs no buffer and an echo costs two system calls (and the loop's
// epoll_wait). Only what the kernel does not take is kept, and written when an
// EV_WRITE event says so; meanwhile the connection is not read, which bounds
// its memory. Events lie inside the connection (event_assign), which the
// reference names as the way to save their allocation.
//
// `bufferevents`: the higher level that most programs use: evconnlistener, a
// bufferevent for each connection, and evbuffer_add_buffer(), which moves the
// bytes from input to output without copying. A connection with much unsent
// output is not read until that has drained, as the book does for a proxy.
//
// Tuned: no lock in the base (EVENT_BASE_FLAG_NOLOCK), epoll's change list, and
// 64 KiB for each write of a bufferevent instead of 16. Not tuned, because
// libevent 2.1 has no way to: a bufferevent reads at most 4 KiB at a time, and
// asks with an ioctl before each read how much there is. Allocator: jemalloc.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr size_t kMostUnsent = 256 * 1024;
constexpr size_t kDrained = 64 * 1024;
constexpr timeval kPause = {
    .tv_sec = 0, .tv_usec = std::chrono::microseconds(kAcceptPause).count()};

std::array<char, kReadSize> shared_buffer;

event_base* NewBase() {
  event_config* const config = event_config_new();
  // The change list is safe here: no descriptor is ever duplicated.
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  event_base* const base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

bool IsTransient(int error) { return error == EAGAIN || error == EINTR; }

// A connection of mode `events`. Owns itself, until the client is gone.
class EventConnection {
 public:
  EventConnection(event_base* base, evutil_socket_t fd) : fd_(fd) {
    event_assign(&read_, base, fd, EV_READ | EV_PERSIST, &OnReadable, this);
    event_assign(&write_, base, fd, EV_WRITE | EV_PERSIST, &OnWritable, this);
    event_add(&read_, nullptr);
  }
  ~EventConnection() {
    event_del(&read_);
    event_del(&write_);
    close(fd_);
  }

 private:
  static void OnReadable(evutil_socket_t, short, void* self) {
    static_cast<EventConnection*>(self)->Read();
  }
  static void OnWritable(evutil_socket_t, short, void* self) {
    static_cast<EventConnection*>(self)->Flush();
  }

  void Read() {
    const ssize_t received =
        recv(fd_, shared_buffer.data(), shared_buffer.size(), 0);
    if (received < 0 && IsTransient(errno)) return;
    // At the end there is nothing unsent: it is not read while there is.
    if (received <= 0) return delete this;

    const ssize_t sent = send(fd_, shared_buffer.data(),
                              static_cast<size_t>(received), MSG_NOSIGNAL);
    if (sent < 0 && !IsTransient(errno)) return delete this;
    if (sent == received) return;
    const ssize_t taken = sent < 0 ? 0 : sent;
    unsent_.assign(shared_buffer.data() + taken,
                   static_cast<size_t>(received - taken));
    first_unsent_ = 0;
    event_del(&read_);
    event_add(&write_, nullptr);
  }

  void Flush() {
    const ssize_t sent = send(fd_, unsent_.data() + first_unsent_,
                              unsent_.size() - first_unsent_, MSG_NOSIGNAL);
    if (sent < 0 && IsTransient(errno)) return;
    if (sent < 0) return delete this;
    first_unsent_ += static_cast<size_t>(sent);
    if (first_unsent_ < unsent_.size()) return;
    unsent_ = {};
    event_del(&write_);
    event_add(&read_, nullptr);
  }

  const evutil_socket_t fd_;
  event read_;
  event write_;
  std::string unsent_;
  size_t first_unsent_ = 0;
};

// Accepts for mode `events`.
class EventListener {
 public:
  EventListener(event_base* base, int listen_fd) : base_(base), fd_(listen_fd) {
    event_assign(&acceptable_, base, fd_, EV_READ | EV_PERSIST, &OnAcceptable,
                 this);
    evtimer_assign(&resume_, base, &OnResume, this);
    event_add(&acceptable_, nullptr);
  }
  ~EventListener() {
    event_del(&acceptable_);
    event_del(&resume_);
  }

 private:
  static void OnAcceptable(evutil_socket_t, short, void* self) {
    static_cast<EventListener*>(self)->Accept();
  }
  static void OnResume(evutil_socket_t, short, void* self) {
    event_add(&static_cast<EventListener*>(self)->acceptable_, nullptr);
  }

  void Accept() {
    while (true) {
      const int fd =
          accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        new EventConnection(base_, fd);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return;
      // Out of descriptors or memory. The socket stays readable: without a
      // pause the loop would spin.
      event_del(&acceptable_);
      event_add(&resume_, &kPause);
      return;
    }
  }

  event_base* const base_;
  const int fd_;
  event acceptable_;
  event resume_;
};

absl::Status ServeWithEvents(int listen_fd) {
  event_base* const base = NewBase();
  if (base == nullptr) return absl::UnavailableError("event_base_new failed");
  const EventListener listener(base, listen_fd);
  event_base_dispatch(base);
  return absl::InternalError("event_base_dispatch returned");
}

// Sets which callbacks run; a write callback is only there when it is waited
// for, because it would run after every echo.
void WaitForInput(bufferevent* connection);
void WaitForDrain(bufferevent* connection, size_t low_mark,
                  bufferevent_data_cb on_drained);

void OnDrained(bufferevent* connection, void*) {
  WaitForInput(connection);
  bufferevent_enable(connection, EV_READ);
}

void OnAllSent(bufferevent* connection, void*) { bufferevent_free(connection); }

void OnInput(bufferevent* connection, void*) {
  evbuffer* const output = bufferevent_get_output(connection);
  evbuffer_add_buffer(output, bufferevent_get_input(connection));
  if (evbuffer_get_length(output) < kMostUnsent) return;
  bufferevent_disable(connection, EV_READ);
  WaitForDrain(connection, kDrained, &OnDrained);
}

void OnEvent(bufferevent* connection, short what, void*) {
  const bool failed = (what & BEV_EVENT_EOF) == 0;
  const size_t unsent = evbuffer_get_length(bufferevent_get_output(connection));
  if (failed || unsent == 0) return bufferevent_free(connection);
  // The client only stopped sending: it still wants its bytes.
  WaitForDrain(connection, 0, &OnAllSent);
}

void WaitForInput(bufferevent* connection) {
  bufferevent_setwatermark(connection, EV_WRITE, 0, 0);
  bufferevent_setcb(connection, &OnInput, nullptr, &OnEvent, nullptr);
}

void WaitForDrain(bufferevent* connection, size_t low_mark,
                  bufferevent_data_cb on_drained) {
  bufferevent_setwatermark(connection, EV_WRITE, low_mark, 0);
  bufferevent_setcb(connection, nullptr, on_drained, &OnEvent, nullptr);
}

// Of mode `limited`: more than there is.
bufferevent_rate_limit_group* NewGroup(event_base* base) {
  constexpr timeval kTick = {.tv_sec = 0, .tv_usec = 10'000};
  constexpr size_t kBytesOfATick = 20'000'000;
  ev_token_bucket_cfg* const limit =
      ev_token_bucket_cfg_new(kBytesOfATick, 10 * kBytesOfATick, kBytesOfATick,
                              10 * kBytesOfATick, &kTick);
  return bufferevent_rate_limit_group_new(base, limit);
}

// `group` is null for no limit.
void OnAccepted(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int,
                void* group) {
  bufferevent* const connection = bufferevent_socket_new(
      evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  if (connection == nullptr) {
    close(fd);
    return;
  }
  bufferevent_set_max_single_write(connection, kReadSize);
  if (group != nullptr) {
    bufferevent_add_to_rate_limit_group(
        connection, static_cast<bufferevent_rate_limit_group*>(group));
  }
  WaitForInput(connection);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

void OnResume(evutil_socket_t, short, void* listener) {
  evconnlistener_enable(static_cast<evconnlistener*>(listener));
}

// Only real errors get here; the listener would report them over and over.
void OnAcceptError(evconnlistener* listener, void*) {
  evconnlistener_disable(listener);
  event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, &OnResume,
                  listener, &kPause);
}

enum class Limit { kNone, kGroup };

absl::Status Serve(int listen_fd, Limit limit) {
  event_base* const base = NewBase();
  if (base == nullptr) return absl::UnavailableError("event_base_new failed");
  // The socket listens already: no backlog to set.
  evconnlistener* const listener = evconnlistener_new(
      base, &OnAccepted, limit == Limit::kNone ? nullptr : NewGroup(base),
      LEV_OPT_CLOSE_ON_EXEC, /*backlog=*/0, listen_fd);
  if (listener == nullptr) {
    return absl::UnavailableError("evconnlistener_new failed");
  }
  evconnlistener_set_error_cb(listener, &OnAcceptError);
  event_base_dispatch(base);
  return absl::InternalError("event_base_dispatch returned");
}

absl::Status ServeWithBufferevents(int listen_fd) {
  return Serve(listen_fd, Limit::kNone);
}
absl::Status ServeLimited(int listen_fd) {
  return Serve(listen_fd, Limit::kGroup);
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  using percore::bench::PeerMain;
  return PeerMain(
      {.name = "libevent_echo",
       .summary = "libevent_echo: sends every client back what it sent",
       .modes = {{.name = "events",
                  .summary = "an event for each connection, one shared buffer",
                  .serve = &percore::bench::ServeWithEvents},
                 {.name = "bufferevents",
                  .summary = "a bufferevent for each connection",
                  .serve = &percore::bench::ServeWithBufferevents},
                 {.name = "limited",
                  .summary = "the same in a rate-limit group of 2 GB a second",
                  .serve = &percore::bench::ServeLimited}}},
      argc, argv);
}
