// An echo server of buffer events, which read and write by themselves.
// Usage: echo_with_buffer_events [ADDRESS]
#include <sys/socket.h>

#include <iostream>

#include "percore/net/buffer_event.h"
#include "percore/net/listen_sockets.h"
#include "percore/runtime/event_base.h"

using percore::BufferEvent;
using percore::ConnectionEvent;
using percore::EventFlags;

void Echo(BufferEvent& client, void*) {
  client.output().Append(std::move(client.input()));
}

// What the client has not taken yet when it ends its own side still leaves.
void End(BufferEvent& client, ConnectionEvent what, const absl::Status& status,
         void*) {
  if (!status.ok()) std::cerr << status << '\n';
  const bool finished = Any(what & ConnectionEvent::kEndOfFile);
  if (!finished || client.output().empty()) return delete &client;
  auto end = [](BufferEvent& client, void*) { delete &client; };
  client.SetCallbacks({.write = end, .event = &End}, nullptr);
}

void Accept(int fd, EventFlags, void* base) {
  percore::UniqueFd socket(accept4(fd, nullptr, nullptr, SOCK_NONBLOCK));
  if (!socket.valid()) return;
  auto* client = new BufferEvent(*static_cast<percore::EventBase*>(base),
                                 std::move(socket));
  client->SetCallbacks({.read = &Echo, .event = &End}, nullptr);
  client->SetWatermarks(EventFlags::kWrite, 0, 256 * 1024);
  if (!client->Enable(EventFlags::kRead).ok()) delete client;
}

int main(int argc, char** argv) {
  auto base = percore::EventBase::Create({});
  auto sockets =
      percore::ListenSockets::Open(argc > 1 ? argv[1] : "127.0.0.1:7777", 1);
  if (!base.ok() || !sockets.ok()) {
    std::cerr << base.status() << ' ' << sockets.status() << '\n';
    return 1;
  }
  const percore::UniqueFd socket = sockets->Take(0);
  percore::Event ready(**base, socket.get(),
                       EventFlags::kRead | EventFlags::kPersist, &Accept,
                       base->get());
  std::cout << "listening on " << sockets->address().ToString() << std::endl;
  return ready.Add().ok() && (*base)->Run().ok() ? 0 : 1;
}
