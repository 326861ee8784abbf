#include "percore/bench/peers/server_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

constexpr int kFailed = 1;
constexpr int kBadUsage = 2;
constexpr int kNotSupported = 3;

// Percore's, see ListenOptions.
constexpr int kBacklog = 4096;

struct Settings {
  std::string listen = "127.0.0.1:7777";
  const PeerMode* mode = nullptr;
  bool help = false;
};

enum class PortUse { kAlone, kShared };

std::string ModeNames(const PeerProgram& program) {
  std::string names;
  for (const PeerMode& mode : program.modes) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", mode.name);
  }
  return names;
}

std::string Help(const PeerProgram& program) {
  std::string help = absl::StrCat(
      program.summary,
      "\n\n  --listen=ADDR:PORT  IPv4 address to serve on, port 0 for any"
      " (127.0.0.1:7777)\n  --mode=NAME         how it is written (",
      program.modes.front().name, "):\n");
  for (const PeerMode& mode : program.modes) {
    absl::StrAppend(&help, "      ", mode.name, ": ", mode.summary, "\n");
  }
  return help;
}

// What follows `prefix` in `argument`.
std::optional<std::string> ValueOf(std::string_view argument,
                                   std::string_view prefix) {
  if (!argument.starts_with(prefix)) return std::nullopt;
  return std::string(argument.substr(prefix.size()));
}

absl::StatusOr<const PeerMode*> FindMode(const PeerProgram& program,
                                         const std::string& name) {
  for (const PeerMode& mode : program.modes) {
    if (mode.name == name) return &mode;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--mode=", name, ": there are ", ModeNames(program)));
}

absl::StatusOr<Settings> ParseFlags(const PeerProgram& program, int argc,
                                    char** argv) {
  Settings settings;
  settings.mode = &program.modes.front();
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") {
      settings.help = true;
    } else if (std::optional<std::string> listen =
                   ValueOf(argument, "--listen=")) {
      settings.listen = *std::move(listen);
    } else if (const std::optional<std::string> name =
                   ValueOf(argument, "--mode=")) {
      absl::StatusOr<const PeerMode*> mode = FindMode(program, *name);
      if (!mode.ok()) return mode.status();
      settings.mode = *mode;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(argv[i], ": no such flag; see --help"));
    }
  }
  return settings;
}

absl::StatusOr<sockaddr_in> ParseAddress(const std::string& text) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  const size_t colon = text.find(':');
  uint32_t port = 0;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) !=
          1 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > UINT16_MAX) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen=", text, ": not an IPv4 address and port, as 127.0.0.1:80"));
  }
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

absl::Status SystemError(const std::string& what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

absl::StatusOr<int> OpenListener(const sockaddr_in& address, PortUse use,
                                 const std::string& text) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  const int on = 1;
  const int reuse_port = use == PortUse::kShared ? 1 : 0;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse_port,
                 sizeof(reuse_port)) != 0 ||
      // Accepted sockets inherit it.
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
          0 ||
      listen(fd, use == PortUse::kShared ? kBacklog : 1) != 0) {
    absl::Status status = SystemError(absl::StrCat("listen on ", text));
    close(fd);
    return status;
  }
  return fd;
}

absl::StatusOr<int> BindUdp(const std::string& text) {
  const absl::StatusOr<sockaddr_in> address = ParseAddress(text);
  if (!address.ok()) return address.status();
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kDatagramReceiveBuffer,
                 sizeof(kDatagramReceiveBuffer)) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&*address),
           sizeof(*address)) != 0) {
    absl::Status status = SystemError(absl::StrCat("bind ", text));
    close(fd);
    return status;
  }
  return fd;
}

// The socket to serve. As Percore does, it first makes sure that no other
// server has the port: with SO_REUSEPORT the two would share the clients, and a
// benchmark would measure half of each.
absl::StatusOr<int> Listen(const std::string& text) {
  const absl::StatusOr<sockaddr_in> address = ParseAddress(text);
  if (!address.ok()) return address.status();
  if (address->sin_port != 0) {
    const absl::StatusOr<int> probe =
        OpenListener(*address, PortUse::kAlone, text);
    if (!probe.ok()) return probe.status();
    close(*probe);
  }
  return OpenListener(*address, PortUse::kShared, text);
}

void SayWhere(int listen_fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(listen_fd, reinterpret_cast<sockaddr*>(&address), &size);
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
  std::cout << "listening on " << text << ":" << ntohs(address.sin_port)
            << std::endl;
}

void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Complain(const PeerProgram& program, const absl::Status& status,
             int exit_status) {
  std::cerr << program.name << ": " << status.message() << std::endl;
  return exit_status;
}

}  // namespace

int PeerMain(const PeerProgram& program, int argc, char** argv) {
  const absl::StatusOr<Settings> settings = ParseFlags(program, argc, argv);
  if (!settings.ok()) return Complain(program, settings.status(), kBadUsage);
  if (settings->help) {
    std::cout << Help(program);
    return 0;
  }

  RaiseDescriptorLimit();
  // A client that is gone is an error of the write, not of the process.
  signal(SIGPIPE, SIG_IGN);
  if (program.check != nullptr) {
    const absl::Status supported = program.check();
    if (!supported.ok()) return Complain(program, supported, kNotSupported);
  }
  const absl::StatusOr<int> listen_fd =
      program.socket == PeerProgram::Socket::kUdp ? BindUdp(settings->listen)
                                                  : Listen(settings->listen);
  if (!listen_fd.ok()) return Complain(program, listen_fd.status(), kBadUsage);

  // The kernel takes connections in from here on.
  SayWhere(*listen_fd);
  return Complain(program, settings->mode->serve(*listen_fd), kFailed);
}

}  // namespace percore::bench
