// Starts a program as systemd does: with sockets that listen already.
//
//   listen_and_exec NAME[:NAME...] PROGRAM [ARGUMENT...]
//
// A socket on a port of 127.0.0.1 for each name; those of one name share the
// port, as with ReusePort=yes.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "percore/net/listen_sockets.h"

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const std::vector<std::string> names = absl::StrSplit(argv[1], ':');
  std::map<std::string, percore::ListenSockets> sockets;
  std::map<std::string, int> taken;
  std::vector<percore::UniqueFd> descriptors;
  for (const std::string& name : names) {
    if (!sockets.contains(name)) {
      sockets[name] = *percore::ListenSockets::Open(
          "127.0.0.1:0",
          static_cast<int>(std::count(names.begin(), names.end(), name)));
    }
    // Out of the way of those that the program is to find.
    descriptors.emplace_back(
        fcntl(sockets[name].Take(taken[name]++).get(), F_DUPFD_CLOEXEC, 100));
  }
  for (size_t i = 0; i < descriptors.size(); ++i) {
    dup2(descriptors[i].get(), static_cast<int>(3 + i));
  }
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", std::to_string(names.size()).c_str(), 1);
  setenv("LISTEN_FDNAMES", argv[1], 1);
  execvp(argv[2], argv + 2);
  perror(argv[2]);
  return 1;
}
