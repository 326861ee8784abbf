// An operator: commands come as lines, and are answered in their order with
//
//   OK
//   ERROR what is wrong
//   lines, and then END      to show and help
//
// It takes effect before it is answered, on all shards. A line that is too long
// is answered and ends the connection: what comes next could be anything.
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_CONNECTION_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_CONNECTION_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "percore/examples/proxy_service/control_command.h"
#include "percore/net/connection.h"
#include "percore/net/rate_limit.h"

namespace percore::proxy {

class ProxyService;

// Thread: its shard's.
class ControlConnection final : public Connection {
 public:
  ControlConnection(Accepted accepted, ProxyService& service);
  ~ControlConnection() override;

  void OnRead() override { Process(); }
  void OnWritten() override { Process(); }
  void OnEndOfFile() override;

 private:
  // Shards that have not said yet that they did what they were told.
  struct Request {
    ControlConnection* connection;  // null once it is gone
    int missing;
  };

  // Goes on until lines, or room for replies, run out, or an answer has to be
  // waited for. May destroy the connection.
  void Process();
  // The next line, taken out of the input; nothing if there is none yet.
  std::optional<std::string> NextLine();
  bool LineIsTooLong();
  void Run(std::string_view line);
  void Set(const ControlCommand& command);
  void SetOnAllShards(const RateLimit& limit);
  void Reply(const absl::Status& status);

  ProxyService& service_;
  std::shared_ptr<Request> request_;  // that is waited for
  bool input_ended_ = false;
  bool quit_ = false;
};

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_CONNECTION_H_
