// What the echo servers that Percore is compared with have in common: flags, a
// listening socket, and the line that says where it listens.
//
// Nothing of Percore is in it, only system calls. The socket gets the options
// that Percore's own gets (net/listen_sockets.cc), so that the servers differ
// in what they do with connections, and in nothing else:
//
//   libuv_echo --listen=127.0.0.1:7777 --mode=try_write
//
// A server is a process with one thread. It has no signal handler: SIGTERM ends
// it. Exit status: 2 for a bad flag or an address that cannot be had, 3 if the
// system lacks what the server is made of, 1 for a failure later on; the reason
// is one line on stderr.
#ifndef PERCORE_BENCH_PEERS_SERVER_MAIN_H_
#define PERCORE_BENCH_PEERS_SERVER_MAIN_H_

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace percore::bench {

// How long a server that is out of descriptors leaves new clients waiting
// before it tries again. Percore's Listener does the like.
inline constexpr std::chrono::milliseconds kAcceptPause{50};

// The kernel's room for datagrams that nobody has received yet: Percore's, see
// ServerMain.
inline constexpr int kDatagramReceiveBuffer = 4 * 1024 * 1024;

// One way of writing a server, chosen with --mode=NAME.
struct PeerMode {
  std::string name;
  std::string summary;
  // Serves the clients of a socket that listens, or is bound (non-blocking,
  // close-on-exec). Returns only if it cannot go on.
  absl::Status (*serve)(int fd);
};

struct PeerProgram {
  std::string name;
  std::string summary;
  // The first is the default.
  std::vector<PeerMode> modes;
  // Whether the system has what the server needs; called before it listens.
  absl::Status (*check)() = nullptr;
  // The server's socket: one that listens for TCP, or one that is bound for
  // UDP.
  enum class Socket { kTcp, kUdp } socket = Socket::kTcp;
};

// All of main(). Returns the exit status.
int PeerMain(const PeerProgram& program, int argc, char** argv);

}  // namespace percore::bench

#endif  // PERCORE_BENCH_PEERS_SERVER_MAIN_H_
