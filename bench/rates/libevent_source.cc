// Sends every client as much as it takes, all of them together at a given rate:
// a rate-limit group of libevent's.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <array>

#include "percore/bench/peers/server_main.h"
#include "percore/bench/rates/source_rate.h"

namespace percore::bench {
namespace {

constexpr std::array<char, kSourcePiece> kPiece = {};

void Refill(bufferevent* connection, void*) {
  evbuffer* const output = bufferevent_get_output(connection);
  while (evbuffer_get_length(output) < kPiece.size()) {
    evbuffer_add_reference(output, kPiece.data(), kPiece.size(), nullptr,
                           nullptr);
  }
}

void OnEvent(bufferevent* connection, short, void*) {
  bufferevent_free(connection);
}

void OnAccepted(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int,
                void* group) {
  bufferevent* const connection = bufferevent_socket_new(
      evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_add_to_rate_limit_group(
      connection, static_cast<bufferevent_rate_limit_group*>(group));
  bufferevent_setwatermark(connection, EV_WRITE, kPiece.size() / 2, 0);
  bufferevent_setcb(connection, nullptr, &Refill, &OnEvent, nullptr);
  Refill(connection, nullptr);
  bufferevent_enable(connection, EV_READ | EV_WRITE);
}

absl::Status Serve(int listen_fd) {
  event_base* const base = event_base_new();
  if (base == nullptr) return absl::UnavailableError("event_base_new failed");
  constexpr timeval kTick = {
      .tv_sec = 0, .tv_usec = std::chrono::microseconds(kSourceTick).count()};
  constexpr size_t kBytesOfATick =
      kSourceRate * kSourceTick / std::chrono::seconds(1);
  ev_token_bucket_cfg* const limit =
      ev_token_bucket_cfg_new(EV_RATE_LIMIT_MAX, EV_RATE_LIMIT_MAX,
                              kBytesOfATick, kSourceBurst, &kTick);
  bufferevent_rate_limit_group* const group =
      bufferevent_rate_limit_group_new(base, limit);
  evconnlistener_new(base, &OnAccepted, group, LEV_OPT_CLOSE_ON_EXEC,
                     /*backlog=*/0, listen_fd);
  event_base_dispatch(base);
  return absl::InternalError("event_base_dispatch returned");
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  return percore::bench::PeerMain(
      {.name = "libevent_source",
       .summary = "libevent_source: sends every client as much as it takes",
       .modes = {{.name = "group",
                  .summary = "all in one rate-limit group",
                  .serve = &percore::bench::Serve}}},
      argc, argv);
}
