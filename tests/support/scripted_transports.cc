#include "percore/tests/support/scripted_transports.h"

#include <gtest/gtest.h>

#include <utility>

#include "percore/runtime/deferred_callback.h"

namespace percore {

// Sends into a string, and receives nothing.
class ScriptedTransports::Scripted final : public Transport {
 public:
  Scripted(ScriptedTransports& owner, EventBase& base, std::string peer)
      : owner_(owner),
        peer_(std::move(peer)),
        send_later_(
            base,
            [](void* transport) { static_cast<Scripted*>(transport)->Send(); },
            this) {}

  absl::Status Connect(const SocketAddress& address) override {
    EXPECT_EQ(address.ToString(), peer_);
    const auto refused = owner_.refused_.find(peer_);
    return refused == owner_.refused_.end() ? absl::OkStatus()
                                            : refused->second;
  }
  absl::Status StartReceiving() override { return absl::OkStatus(); }
  void StopReceiving() override {}
  bool Send() override {
    if (!WantsToSend()) return true;
    const size_t size = output().size();
    owner_.sent_ += output().ToString();
    output().Drain(size);
    return CountAndTellSent(size);
  }
  void ScheduleSend() override { send_later_.Schedule(); }
  void FinishSending() override { owner_.sent_ += "<end>"; }
  void SetPriority(int /*priority*/) override {}

  using Transport::TellConnected;
  using Transport::TellError;

 private:
  ~Scripted() override { owner_.open_.erase(peer_); }

  ScriptedTransports& owner_;
  const std::string peer_;
  DeferredCallback send_later_;
};

ScriptedTransports::~ScriptedTransports() {
  EXPECT_TRUE(open_.empty()) << "a transport outlives the script";
}

absl::StatusOr<TransportPtr> ScriptedTransports::Make(EventBase& base,
                                                      const SocketAddress& peer,
                                                      void* self) {
  auto& owner = *static_cast<ScriptedTransports*>(self);
  const std::string address = peer.ToString();
  auto* const transport = new Scripted(owner, base, address);
  owner.tried_.push_back(address);
  owner.open_[address] = transport;
  return TransportPtr(transport);
}

void ScriptedTransports::Connect(const std::string& address) {
  ASSERT_EQ(open_.count(address), 1u) << "nobody tries " << address;
  open_[address]->TellConnected();
}

void ScriptedTransports::Fail(const std::string& address,
                              const absl::Status& status) {
  ASSERT_EQ(open_.count(address), 1u) << "nobody tries " << address;
  open_[address]->TellError(ConnectionEvent::kNone, status);
}

void ScriptedTransports::Refuse(const std::string& address,
                                const absl::Status& status) {
  refused_[address] = status;
}

std::vector<std::string> ScriptedTransports::open() const {
  std::vector<std::string> addresses;
  for (const auto& [address, transport] : open_) addresses.push_back(address);
  return addresses;
}

}  // namespace percore
