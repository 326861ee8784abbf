// An echo server of bare events: the loop tells when a descriptor is ready, and
// the rest is done here. Usage: echo_with_events [ADDRESS]
#include <sys/socket.h>

#include <iostream>

#include "percore/buffer/buffer.h"
#include "percore/net/listen_sockets.h"
#include "percore/runtime/event_base.h"

using percore::EventFlags;

struct Client {
  Client(percore::EventBase& base, int fd)
      : socket(fd),
        ready(base, fd, EventFlags::kRead | EventFlags::kPersist, &Echo, this) {
  }

  static void Echo(int fd, EventFlags what, void* argument) {
    auto* client = static_cast<Client*>(argument);
    percore::Kernel& kernel = client->ready.base().kernel();
    const bool reads = percore::Any(what & EventFlags::kRead);
    ssize_t result = reads ? client->unsent.ReadFrom(kernel, fd) : 1;
    if (result > 0) result = client->unsent.WriteTo(kernel, fd);
    if (result == 0 || (result < 0 && result != -EAGAIN)) {
      delete client;  // the end of the file, or an error
      return;
    }
    // A client that does not take its answer is not asked for more.
    client->ready.SetInterest(client->unsent.empty() ? EventFlags::kRead
                                                     : EventFlags::kWrite);
  }

  const percore::UniqueFd socket;
  percore::Event ready;
  percore::Buffer unsent;
};

int main(int argc, char** argv) {
  auto base = percore::EventBase::Create({});
  auto sockets =
      percore::ListenSockets::Open(argc > 1 ? argv[1] : "127.0.0.1:7777", 1);
  if (!base.ok() || !sockets.ok()) {
    std::cerr << base.status() << ' ' << sockets.status() << '\n';
    return 1;
  }
  auto accept = [](int fd, EventFlags, void* base) {
    const int client = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK);
    if (client < 0) return;
    auto* echo = new Client(*static_cast<percore::EventBase*>(base), client);
    if (!echo->ready.Add().ok()) delete echo;
  };
  const percore::UniqueFd socket = sockets->Take(0);
  percore::Event ready(**base, socket.get(),
                       EventFlags::kRead | EventFlags::kPersist, accept,
                       base->get());
  std::cout << "listening on " << sockets->address().ToString() << std::endl;
  return ready.Add().ok() && (*base)->Run().ok() ? 0 : 1;
}
