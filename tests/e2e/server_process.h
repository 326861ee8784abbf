// An example server as a process of its own, on ports of its own.
#ifndef PERCORE_TESTS_E2E_SERVER_PROCESS_H_
#define PERCORE_TESTS_E2E_SERVER_PROCESS_H_

#include <string>
#include <vector>

#include "percore/net/socket_address.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {

// Started, and listening, when the constructor returns. One thread.
class ServerProcess {
 public:
  // `program` is a runfile, as "examples/cache_server". `wrapper` is a command
  // that runs it, as {"prlimit", "--nofile=40"}.
  explicit ServerProcess(const std::string& program,
                         std::vector<std::string> flags = {},
                         std::vector<std::string> wrapper = {})
      : process_(Command(program, std::move(flags), std::move(wrapper))),
        listen_(process_.WaitForLine("listening on ")),
        metrics_url_(process_.WaitForLine("metrics on ")) {}

  Subprocess& process() { return process_; }
  const std::string& listen() const { return listen_; }
  const std::string& metrics_url() const { return metrics_url_; }
  SocketAddress address() const { return *SocketAddress::Parse(listen_); }
  BlockingClient Connect() const { return BlockingClient(address()); }

  // Sends text that ends with "quit", returns all that comes back.
  std::string Ask(std::string_view text) const {
    BlockingClient client = Connect();
    client.Send(text);
    return client.ReadToEnd();
  }

  // As Prometheus does. 0 if the page does not have it.
  double Metric(const std::string& series) const;

 private:
  static std::vector<std::string> Command(const std::string& program,
                                          std::vector<std::string> flags,
                                          std::vector<std::string> wrapper) {
    std::vector<std::string> command = std::move(wrapper);
    command.push_back(Runfile(program));
    command.push_back("--listen=127.0.0.1:0");
    command.push_back("--metrics=127.0.0.1:0");
    command.insert(command.end(), flags.begin(), flags.end());
    return command;
  }

  Subprocess process_;
  const std::string listen_;
  const std::string metrics_url_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_E2E_SERVER_PROCESS_H_
