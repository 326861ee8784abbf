// A connection in a test, and what its user was told.
#ifndef PERCORE_TESTS_NET_CONNECTION_SIDE_H_
#define PERCORE_TESTS_NET_CONNECTION_SIDE_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "percore/net/buffer_event.h"

namespace percore {

inline constexpr ConnectionEvent kEndOfFile =
    ConnectionEvent::kReading | ConnectionEvent::kEndOfFile;
inline constexpr ConnectionEvent kReadError =
    ConnectionEvent::kReading | ConnectionEvent::kError;
inline constexpr ConnectionEvent kWriteError =
    ConnectionEvent::kWriting | ConnectionEvent::kError;
inline constexpr ConnectionEvent kReadTimeout =
    ConnectionEvent::kReading | ConnectionEvent::kTimeout;
inline constexpr ConnectionEvent kWriteTimeout =
    ConnectionEvent::kWriting | ConnectionEvent::kTimeout;

// Stays where it is.
struct ConnectionSide {
  void Take(std::unique_ptr<BufferEvent> taken) {
    connection = std::move(taken);
    connection->SetCallbacks(
        {.read = &OnRead, .write = &OnWritten, .event = &OnEvent}, this);
  }
  static void OnRead(BufferEvent&, void* side) {
    static_cast<ConnectionSide*>(side)->on_read();
  }
  static void OnWritten(BufferEvent&, void* side) {
    static_cast<ConnectionSide*>(side)->on_written();
  }
  static void OnEvent(BufferEvent&, ConnectionEvent what,
                      const absl::Status& status, void* side) {
    auto& self = *static_cast<ConnectionSide*>(side);
    self.error.Update(status);
    self.on_event(what);
  }

  Buffer& input() { return connection->input(); }
  Buffer& output() { return connection->output(); }
  void Echo() { output().Append(std::move(input())); }

  std::unique_ptr<BufferEvent> connection;
  int reads = 0;
  int writes = 0;
  std::vector<ConnectionEvent> events;
  absl::Status error;
  std::function<void()> on_read = [this] { ++reads; };
  std::function<void()> on_written = [this] { ++writes; };
  std::function<void(ConnectionEvent)> on_event = [this](ConnectionEvent what) {
    events.push_back(what);
  };
};

}  // namespace percore

#endif  // PERCORE_TESTS_NET_CONNECTION_SIDE_H_
