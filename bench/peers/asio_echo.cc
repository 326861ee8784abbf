// An echo server on Asio 1.22, written as in Asio's own asynchronous examples.
//
// `callbacks`: a session is kept alive by the shared_ptr in its handlers, and
// does one thing at a time: async_read_some(), then async_write() of what it
// got, then again. It reads nothing while it writes, which bounds its memory,
// and at the end of the client's bytes nothing is unsent.
//
// Tuned: io_context(1), the concurrency hint that Asio documents for a context
// run by one thread; and 16 KiB of buffer in each session, where the example
// has 1 KiB: with that, a message of 16 KiB would cost 16 rounds of the loop.
// Not tuned: Asio keeps its (never contended) locks with this hint, and its
// default back end, epoll. Handlers are small enough for Asio's own recycling
// of their memory. Allocator: jemalloc.
#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {}

  void Read() {
    socket_.async_read_some(asio::buffer(bytes_),
                            [self = shared_from_this()](
                                const asio::error_code& error, size_t size) {
                              // Without a further handler the session, and its
                              // socket, end here.
                              if (!error) self->Write(size);
                            });
  }

 private:
  void Write(size_t size) {
    asio::async_write(socket_, asio::buffer(bytes_, size),
                      [self = shared_from_this()](const asio::error_code& error,
                                                  size_t /*sent*/) {
                        if (!error) self->Read();
                      });
  }

  tcp::socket socket_;
  std::array<char, 16 * 1024> bytes_;
};

class Server {
 public:
  Server(asio::io_context& context, int listen_fd)
      : acceptor_(context, tcp::v4(), listen_fd), resume_(context) {}

  void Accept() {
    acceptor_.async_accept(
        [this](const asio::error_code& error, tcp::socket socket) {
          if (error) return AcceptLater();
          std::make_shared<Session>(std::move(socket))->Read();
          Accept();
        });
  }

 private:
  // Out of descriptors or memory: the next try would fail at once, too.
  void AcceptLater() {
    resume_.expires_after(kAcceptPause);
    resume_.async_wait([this](const asio::error_code&) { Accept(); });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer resume_;
};

absl::Status Serve(int listen_fd) {
  try {
    asio::io_context context(/*concurrency_hint=*/1);
    Server server(context, listen_fd);
    server.Accept();
    context.run();
  } catch (const std::exception& failure) {
    return absl::UnavailableError(absl::StrCat("asio: ", failure.what()));
  }
  return absl::InternalError("io_context::run returned");
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  return percore::bench::PeerMain(
      {.name = "asio_echo",
       .summary = "asio_echo: sends every client back what it sent",
       .modes = {{.name = "callbacks",
                  .summary = "asynchronous operations with handlers",
                  .serve = &percore::bench::Serve}}},
      argc, argv);
}
