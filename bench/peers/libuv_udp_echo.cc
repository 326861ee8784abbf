// A UDP echo server on libuv 1.44, written in the two ways its documentation
// shows.
//
// `queued`: as in libuv's guide. The allocation callback allocates a buffer of
// the size that libuv suggests (64 KiB), and every datagram becomes a send
// request that owns this buffer and is freed when it is sent.
//
// `recvmmsg`: the faster way that the reference offers. UV_UDP_RECVMMSG
// receives up to 20 datagrams a call into one buffer, used again and again, and
// uv_udp_try_send() sends each at once, with no request and no allocation. Only
// what the kernel does not take is copied into a request.
//
// Tuned: nothing beyond the choice of mode. Allocator: jemalloc.
#include <uv.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

// What libuv makes of one call: 20 datagrams of 64 KiB.
constexpr size_t kBatchBytes = size_t{20} * 64 * 1024;

std::vector<char>& SharedBuffer() {
  static std::vector<char> buffer(kBatchBytes);
  return buffer;
}

// A send, and the bytes it sends, which are from malloc().
struct Send {
  uv_udp_send_t request;
  uv_buf_t buffer;
};

void Free(Send* send) {
  std::free(send->buffer.base);
  delete send;
}

// Sends `buffer`, which it takes over.
void QueueSend(uv_udp_t* socket, uv_buf_t buffer, const sockaddr* peer) {
  Send* const send = new Send;
  send->buffer = buffer;
  send->request.data = send;
  const int error = uv_udp_send(&send->request, socket, &send->buffer, 1, peer,
                                [](uv_udp_send_t* request, int) {
                                  Free(static_cast<Send*>(request->data));
                                });
  if (error != 0) Free(send);
}

struct Queued {
  static constexpr unsigned kFlags = 0;

  static void Allocate(uv_handle_t*, size_t suggested_size, uv_buf_t* buffer) {
    *buffer = uv_buf_init(static_cast<char*>(std::malloc(suggested_size)),
                          static_cast<unsigned>(suggested_size));
  }

  static void OnReceive(uv_udp_t* socket, ssize_t size, const uv_buf_t* buffer,
                        const sockaddr* peer, unsigned) {
    // No peer: there is nothing more to receive.
    if (size < 0 || peer == nullptr) {
      std::free(buffer->base);
      return;
    }
    QueueSend(socket, uv_buf_init(buffer->base, static_cast<unsigned>(size)),
              peer);
  }
};

struct Recvmmsg {
  static constexpr unsigned kFlags = UV_UDP_RECVMMSG;

  static void Allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(SharedBuffer().data(),
                          static_cast<unsigned>(SharedBuffer().size()));
  }

  static void OnReceive(uv_udp_t* socket, ssize_t size, const uv_buf_t* buffer,
                        const sockaddr* peer, unsigned) {
    if (size < 0 || peer == nullptr) return;
    const uv_buf_t bytes =
        uv_buf_init(buffer->base, static_cast<unsigned>(size));
    if (uv_udp_try_send(socket, &bytes, 1, peer) != UV_EAGAIN) return;
    char* const copy = static_cast<char*>(std::malloc(bytes.len));
    std::memcpy(copy, bytes.base, bytes.len);
    QueueSend(socket, uv_buf_init(copy, static_cast<unsigned>(bytes.len)),
              peer);
  }
};

template <typename Mode>
absl::Status Serve(int fd) {
  uv_loop_t* const loop = uv_default_loop();
  static uv_udp_t socket;
  int error = uv_udp_init_ex(loop, &socket, Mode::kFlags);
  if (error == 0) error = uv_udp_open(&socket, fd);
  if (error == 0) {
    error = uv_udp_recv_start(&socket, &Mode::Allocate, &Mode::OnReceive);
  }
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("uv_udp_recv_start: ", uv_strerror(error)));
  }
  uv_run(loop, UV_RUN_DEFAULT);
  return absl::InternalError("uv_run returned");
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  using percore::bench::PeerMain;
  using percore::bench::PeerProgram;
  using percore::bench::Queued;
  using percore::bench::Recvmmsg;
  using percore::bench::Serve;
  return PeerMain(
      {.name = "libuv_udp_echo",
       .summary = "libuv_udp_echo: sends every datagram back",
       .modes = {{.name = "queued",
                  .summary = "a buffer and a send request for each datagram",
                  .serve = &Serve<Queued>},
                 {.name = "recvmmsg",
                  .summary = "20 datagrams a call, uv_udp_try_send() first",
                  .serve = &Serve<Recvmmsg>}},
       .socket = PeerProgram::Socket::kUdp},
      argc, argv);
}
