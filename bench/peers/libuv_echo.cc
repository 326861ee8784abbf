// An echo server on libuv 1.44, written in the two ways its documentation
// shows.
//
// `queued`: as in libuv's guide. The allocation callback allocates a buffer of
// the size that libuv suggests (64 KiB), and every read becomes a write request
// that owns this buffer and is freed when the write is done.
//
// `try_write`: the faster way that the reference offers. All connections read
// into one buffer, and uv_try_write() sends from it at once, with no request
// and no allocation. Only what the kernel does not take is copied into a
// request, and the connection is not read until that is written.
//
// In `queued`, too, a connection with much unsent is not read, which bounds its
// memory. At the end of a client's bytes uv_shutdown() waits for the writes
// that are under way.
//
// Tuned: nothing beyond the choice of mode; libuv has no knobs for this. Out of
// descriptors, libuv itself accepts the waiting connections into a spare
// descriptor and closes them: clients see an end, not a wait. Allocator:
// jemalloc.
#include <uv.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

constexpr size_t kMostUnsent = 256 * 1024;
constexpr size_t kDrained = 64 * 1024;

std::array<char, 64 * 1024> shared_buffer;

struct Connection {
  uv_tcp_t socket;
  uv_shutdown_t shutdown;
  bool paused = false;

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&socket); }
  uv_handle_t* handle() { return reinterpret_cast<uv_handle_t*>(&socket); }
};

// A write, and the bytes it sends, which are from malloc().
struct Write {
  uv_write_t request;
  uv_buf_t buffer;
};

Connection* Of(const void* handle) {
  return static_cast<Connection*>(
      static_cast<const uv_handle_t*>(handle)->data);
}

void Close(Connection* connection) {
  if (uv_is_closing(connection->handle())) return;
  // Pending requests are told so first, with UV_ECANCELED.
  uv_close(connection->handle(),
           [](uv_handle_t* handle) { delete Of(handle); });
}

// The client sends no more; it gets what is still queued.
void Finish(Connection* connection) {
  const int error = uv_shutdown(
      &connection->shutdown, connection->stream(),
      [](uv_shutdown_t* request, int) { Close(Of(request->handle)); });
  if (error != 0) Close(connection);
}

// Both modes' callbacks, which differ only in how they read.
void StartReading(Connection* connection);

void OnWritten(uv_write_t* request, int status) {
  Write* const write = static_cast<Write*>(request->data);
  Connection* const connection = Of(request->handle);
  std::free(write->buffer.base);
  delete write;
  if (status < 0) return Close(connection);
  if (connection->paused && !uv_is_closing(connection->handle()) &&
      uv_stream_get_write_queue_size(connection->stream()) <= kDrained) {
    connection->paused = false;
    StartReading(connection);
  }
}

// Writes `buffer`, which it takes over.
void QueueWrite(Connection* connection, uv_buf_t buffer) {
  Write* const write = new Write;
  write->buffer = buffer;
  write->request.data = write;
  const int error = uv_write(&write->request, connection->stream(),
                             &write->buffer, 1, &OnWritten);
  if (error != 0) {
    std::free(buffer.base);
    delete write;
    Close(connection);
  }
}

void Pause(Connection* connection) {
  connection->paused = true;
  uv_read_stop(connection->stream());
}

// Ends a connection whose read returned less than 0 bytes.
void HandleReadError(Connection* connection, ssize_t error) {
  if (error == UV_EOF) {
    Finish(connection);
  } else {
    Close(connection);
  }
}

struct Queued {
  static void Allocate(uv_handle_t*, size_t suggested_size, uv_buf_t* buffer) {
    *buffer = uv_buf_init(static_cast<char*>(std::malloc(suggested_size)),
                          static_cast<unsigned>(suggested_size));
  }

  static void OnRead(uv_stream_t* stream, ssize_t size,
                     const uv_buf_t* buffer) {
    Connection* const connection = Of(stream);
    if (size <= 0) {
      std::free(buffer->base);
      if (size < 0) HandleReadError(connection, size);
      return;
    }
    QueueWrite(connection,
               uv_buf_init(buffer->base, static_cast<unsigned>(size)));
    if (uv_stream_get_write_queue_size(stream) >= kMostUnsent) {
      Pause(connection);
    }
  }
};

struct TryWrite {
  static void Allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(shared_buffer.data(), shared_buffer.size());
  }

  static void OnRead(uv_stream_t* stream, ssize_t size,
                     const uv_buf_t* buffer) {
    Connection* const connection = Of(stream);
    if (size < 0) return HandleReadError(connection, size);
    if (size == 0) return;
    const uv_buf_t bytes =
        uv_buf_init(buffer->base, static_cast<unsigned>(size));
    const int sent = uv_try_write(stream, &bytes, 1);
    if (sent < 0 && sent != UV_EAGAIN) return Close(connection);
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    const size_t rest = bytes.len - taken;
    if (rest == 0) return;
    char* const copy = static_cast<char*>(std::malloc(rest));
    std::memcpy(copy, bytes.base + taken, rest);
    Pause(connection);
    QueueWrite(connection, uv_buf_init(copy, static_cast<unsigned>(rest)));
  }
};

// The mode's, set once.
uv_alloc_cb allocate = nullptr;
uv_read_cb on_read = nullptr;

void StartReading(Connection* connection) {
  if (uv_read_start(connection->stream(), allocate, on_read) != 0) {
    Close(connection);
  }
}

void OnConnection(uv_stream_t* listener, int status) {
  // Out of descriptors: libuv has dealt with it.
  if (status < 0) return;
  auto* const connection = new Connection;
  uv_tcp_init(listener->loop, &connection->socket);
  connection->socket.data = connection;
  if (uv_accept(listener, connection->stream()) != 0) return Close(connection);
  StartReading(connection);
}

template <typename Mode>
absl::Status Serve(int listen_fd) {
  allocate = &Mode::Allocate;
  on_read = &Mode::OnRead;
  uv_loop_t* const loop = uv_default_loop();
  uv_tcp_t listener;
  int error = uv_tcp_init(loop, &listener);
  if (error == 0) error = uv_tcp_open(&listener, listen_fd);
  // Calls listen() again, with the backlog that the socket has.
  if (error == 0) {
    error = uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 4096,
                      &OnConnection);
  }
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("uv_listen: ", uv_strerror(error)));
  }
  uv_run(loop, UV_RUN_DEFAULT);
  return absl::InternalError("uv_run returned");
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  using percore::bench::PeerMain;
  return PeerMain(
      {.name = "libuv_echo",
       .summary = "libuv_echo: sends every client back what it sent",
       .modes = {{.name = "queued",
                  .summary = "a buffer and a write request for each read",
                  .serve = &percore::bench::Serve<percore::bench::Queued>},
                 {.name = "try_write",
                  .summary = "uv_try_write() first, from one shared buffer",
                  .serve = &percore::bench::Serve<percore::bench::TryWrite>}}},
      argc, argv);
}
