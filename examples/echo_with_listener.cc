// An echo server of a listener and buffer events, which ends two seconds after
// an interrupt. Usage: echo_with_listener [ADDRESS]
#include <signal.h>

#include <chrono>
#include <iostream>
#include <map>
#include <memory>

#include "percore/net/buffer_event.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"

using percore::BufferEvent;
using percore::EventFlags;

struct Server {
  percore::EventBase& base;
  std::map<BufferEvent*, std::unique_ptr<BufferEvent>> clients;
};

void Echo(BufferEvent& client, void*) {
  client.output().Append(std::move(client.input()));
}
void Remove(BufferEvent& client, void* server) {
  static_cast<Server*>(server)->clients.erase(&client);
}
void End(BufferEvent& client, percore::ConnectionEvent what,
         const absl::Status&, void* server) {
  const bool finished = Any(what & percore::ConnectionEvent::kEndOfFile);
  if (!finished || client.output().empty()) return Remove(client, server);
  client.SetCallbacks({.write = &Remove, .event = &End}, server);
}
void Accept(percore::UniqueFd socket, const percore::SocketAddress&,
            void* argument) {
  auto& server = *static_cast<Server*>(argument);
  auto client = std::make_unique<BufferEvent>(server.base, std::move(socket));
  client->SetCallbacks({.read = &Echo, .event = &End}, &server);
  if (!client->Enable(EventFlags::kRead).ok()) return;
  BufferEvent* const key = client.get();
  server.clients[key] = std::move(client);
}
void EndSoon(int, EventFlags, void* server) {
  std::cout << "ending in two seconds" << std::endl;
  (void)static_cast<Server*>(server)->base.ExitAfter(std::chrono::seconds(2));
}

int main(int argc, char** argv) {
  auto base = percore::EventBase::Create({});
  auto sockets =
      percore::ListenSockets::Open(argc > 1 ? argv[1] : "127.0.0.1:7777", 1);
  if (!base.ok() || !sockets.ok()) return 1;
  Server server{**base, {}};
  percore::Listener listener(**base, sockets->Take(0), &Accept, &server);
  auto interrupt = percore::Event::Signal(**base, SIGINT, &EndSoon, &server);
  std::cout << "listening on " << sockets->address().ToString() << std::endl;
  if (!listener.Enable().ok() || !interrupt.Add().ok()) return 1;
  return (*base)->Run().ok() ? 0 : 1;
}
