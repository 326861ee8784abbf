// A plain blocking TCP client, so that tests of servers read as a dialogue.
//
// ```cpp
// percore::BlockingClient client(percore::SocketAddress().WithPort(11211));
// client.Send("version\r\n");
// std::string line = client.ReadLine();
// ```
#ifndef PERCORE_TESTS_SUPPORT_BLOCKING_CLIENT_H_
#define PERCORE_TESTS_SUPPORT_BLOCKING_CLIENT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"

namespace percore {

// One thread. Every wait ends after a minute, with a test failure.
class BlockingClient {
 public:
  // Connects; fails the test if it cannot.
  explicit BlockingClient(const SocketAddress& address);
  // The other end: waits for the next client of a listening socket, which may
  // be non-blocking.
  static BlockingClient Accept(int listening);

  int fd() const { return socket_.get(); }
  void Send(std::string_view bytes);
  // As much as the socket takes without waiting; returns how much.
  size_t SendSome(std::string_view bytes);
  // Up to and with the next '\n'; what there is at the end of the file.
  std::string ReadLine();
  // Exactly `size` bytes; fewer at the end of the file.
  std::string Read(size_t size);
  // Everything up to the end of the file, or to a reset.
  std::string ReadToEnd();
  // Drops what comes until the end; whether that is a reset.
  bool EndsWithReset();
  // Shuts down the sending side.
  void FinishSending();
  // Closes with a reset instead of an orderly end.
  void Reset();

 private:
  explicit BlockingClient(UniqueFd socket);

  // False at the end of the file, or on an error.
  bool Fill();

  UniqueFd socket_;
  std::string received_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_BLOCKING_CLIENT_H_
