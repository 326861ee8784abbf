// An echo server of a listener and buffer events, which ends two seconds after
// an interrupt. Usage: echo_with_listener [ADDRESS]
#include <signal.h>

#include <chrono>
#include <iostream>

#include "percore/net/buffer_event.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/runtime/event_base.h"

using percore::BufferEvent;
using percore::EventBase;
using percore::EventFlags;

void Echo(BufferEvent& client, void*) {
  client.output().Append(std::move(client.input()));
}

void End(BufferEvent& client, percore::ConnectionEvent what,
         const absl::Status&, void*) {
  const bool finished = Any(what & percore::ConnectionEvent::kEndOfFile);
  if (!finished || client.output().empty()) return delete &client;
  auto end = [](BufferEvent& client, void*) { delete &client; };
  client.SetCallbacks({.write = end, .event = &End}, nullptr);
}

void Accept(percore::UniqueFd socket, const percore::SocketAddress&,
            void* base) {
  auto* client =
      new BufferEvent(*static_cast<EventBase*>(base), std::move(socket));
  client->SetCallbacks({.read = &Echo, .event = &End}, nullptr);
  if (!client->Enable(EventFlags::kRead).ok()) delete client;
}

void EndSoon(int, EventFlags, void* argument) {
  std::cout << "ending in two seconds" << std::endl;
  auto& base = *static_cast<EventBase*>(argument);
  if (!base.ExitAfter(std::chrono::seconds(2)).ok()) base.Exit();
}

int main(int argc, char** argv) {
  auto base = EventBase::Create({});
  auto sockets =
      percore::ListenSockets::Open(argc > 1 ? argv[1] : "127.0.0.1:7777", 1);
  if (!base.ok() || !sockets.ok()) {
    std::cerr << base.status() << ' ' << sockets.status() << '\n';
    return 1;
  }
  percore::Listener listener(**base, sockets->Take(0), &Accept, base->get());
  auto interrupt =
      percore::Event::Signal(**base, SIGINT, &EndSoon, base->get());
  std::cout << "listening on " << sockets->address().ToString() << std::endl;
  return listener.Enable().ok() && interrupt.Add().ok() && (*base)->Run().ok()
             ? 0
             : 1;
}
