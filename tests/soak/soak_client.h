// One of the soak's clients: connects, and then does what chance tells it, over
// and over again, while it checks that what comes back is what it sent.
#ifndef PERCORE_TESTS_SOAK_SOAK_CLIENT_H_
#define PERCORE_TESTS_SOAK_SOAK_CLIENT_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "percore/net/buffer_event.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/soak/soak_server.h"

namespace percore {

// What all clients have come to.
struct SoakTally {
  // Connections to the server, and those that need none (pairs).
  uint64_t connects = 0;
  uint64_t pairs = 0;
  // Of those to the server.
  uint64_t connected = 0;
  uint64_t failed_connects = 0;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  // How they ended.
  uint64_t finished = 0;     // all came back, and both sides said goodbye
  uint64_t left = 0;         // the client closed it
  uint64_t reset = 0;        // the client reset it
  uint64_t timed_out = 0;    // by the client's read timeout
  uint64_t server_left = 0;  // as the mode of the connection says
};

// What all clients use.
struct SoakWorld {
  EventBase& base;
  SocketAddress tcp_address;
  SocketAddress unix_address;
  std::mt19937_64 random;
  SoakTally tally = {};
  // What went wrong, in words. Of many the first few.
  std::vector<std::string> failures = {};

  void Fail(std::string what);
  // From 0 to limit - 1.
  uint64_t Random(uint64_t limit) { return random() % limit; }
};

// Thread: the loop's.
class SoakClient {
 public:
  // The most that a client holds to be sent.
  static constexpr size_t kMaxOutput = size_t{192} << 10;

  explicit SoakClient(SoakWorld& world) : world_(world) {}
  SoakClient(const SoakClient&) = delete;
  SoakClient& operator=(const SoakClient&) = delete;

  // Does one thing; without a connection, that is to open one.
  void Act();
  // Comes to an end, at once or soon. Nothing if there is no connection.
  void Leave();
  bool idle() const { return connection_ == nullptr; }
  // What it waits for, for a report.
  std::string Describe() const;

 private:
  enum class Kind { kTcp, kUnix, kFiltered, kPair };

  static void OnRead(BufferEvent&, void* client);
  static void OnEvent(BufferEvent&, ConnectionEvent what,
                      const absl::Status& status, void* client);
  void Read();
  void End(ConnectionEvent what, const absl::Status& status);

  void Open();
  absl::Status Connect();
  void ConnectPair();
  void Send(size_t bytes);
  void StopReading() { connection_->Disable(EventFlags::kRead); }
  void GoOnReading();
  void Finish();
  void AwaitTimeout();
  void Close();
  void Reset();
  // Its descriptor; -1 for a pair.
  int Socket() const;
  // What the stream has from `offset` on.
  std::string Stream(uint64_t offset, size_t size) const;
  bool to_server() const { return kind_ != Kind::kPair; }

  SoakWorld& world_;
  std::unique_ptr<BufferEvent> connection_;
  std::unique_ptr<BufferEvent> far_;  // of a pair: echoes
  Kind kind_ = Kind::kTcp;
  SoakMode mode_ = SoakMode::kEcho;
  uint64_t key_ = 0;  // which stream it is
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  bool connected_ = false;
  bool finishing_ = false;
  bool quiet_ = false;  // waits for a timeout, its own or the server's
};

}  // namespace percore

#endif  // PERCORE_TESTS_SOAK_SOAK_CLIENT_H_
