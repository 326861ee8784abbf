// Sends every datagram back where it came from.
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "percore/examples/flag_set.h"
#include "percore/examples/server_main.h"
#include "percore/net/datagram_endpoint.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace {

using percore::DatagramEndpoint;
using percore::DatagramOffload;
using percore::EventFlags;

// While so much waits to be sent, nothing is received.
constexpr size_t kWriteHigh = size_t{256} * 1024;

class UdpEcho final : public percore::Service {
 public:
  explicit UdpEcho(std::unique_ptr<DatagramEndpoint> endpoint)
      : endpoint_(std::move(endpoint)) {
    endpoint_->SetCallbacks({.read = &Echo}, nullptr);
    endpoint_->SetWatermarks(EventFlags::kWrite, 0, kWriteHigh);
  }

  // `group` is null for no limit.
  absl::Status Start(const std::shared_ptr<percore::RateLimitGroup>& group) {
    if (group != nullptr) {
      absl::Status status = endpoint_->rate_limiter().Join(group);
      if (!status.ok()) return status;
    }
    return endpoint_->Enable(EventFlags::kRead);
  }
  void Drain() override { endpoint_->Disable(EventFlags::kRead); }

 private:
  static void Echo(DatagramEndpoint& endpoint, void* /*argument*/) {
    endpoint.output().Append(std::move(endpoint.input()));
  }

  const std::unique_ptr<DatagramEndpoint> endpoint_;
};

absl::StatusOr<std::unique_ptr<percore::Service>> MakeUdpEcho(
    percore::Shard& shard, percore::UniqueFd socket,
    const percore::DatagramOptions& options,
    const std::shared_ptr<percore::RateLimitGroup>& group) {
  absl::StatusOr<std::unique_ptr<DatagramEndpoint>> endpoint =
      DatagramEndpoint::Adopt(shard.base(), std::move(socket), options);
  if (!endpoint.ok()) return endpoint.status();
  auto service = std::make_unique<UdpEcho>(*std::move(endpoint));
  if (absl::Status status = service->Start(group); !status.ok()) return status;
  return service;
}

void AddFlags(percore::FlagSet& flags, percore::DatagramOptions& options) {
  flags.Add("offload", "0|1",
            "whether the kernel may take many datagrams for one (1)",
            [&options](std::string_view value) {
              int on = 0;
              absl::Status status = percore::ParseNumberFlag(value, 0, 1, &on);
              options.receive_offload = options.send_offload =
                  on == 0 ? DatagramOffload::kOff
                          : DatagramOffload::kWherePossible;
              return status;
            });
}

}  // namespace

int main(int argc, char** argv) {
  percore::DatagramOptions datagrams;
  return percore::ServerMain::Run(
      {.name = "udp_echo",
       .summary = "udp_echo: sends every datagram back where it came from",
       .listen = "127.0.0.1:7777",
       .sockets = percore::ServerMain::Sockets::kDatagrams,
       .add_flags =
           [&](percore::FlagSet& flags) { AddFlags(flags, datagrams); },
       .make_service =
           [&](percore::Shard& shard, percore::UniqueFd socket,
               const percore::TcpServerOptions& options, auto*) {
             return MakeUdpEcho(shard, std::move(socket), datagrams,
                                options.rate_limit_group);
           }},
      argc, argv);
}
