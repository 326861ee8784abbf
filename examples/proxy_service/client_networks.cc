#include "percore/examples/proxy_service/client_networks.h"

namespace percore::proxy {
namespace {

using Lock = std::lock_guard<std::mutex>;

bool IsFull(const RateLimitGroup& group) {
  const RateLimit limit = group.limit();
  for (const RateDirection direction : kRateDirections) {
    if (group.Tokens(direction) < limit.budget(direction).burst) return false;
  }
  return true;
}

}  // namespace

ClientNetworks::Visit& ClientNetworks::Visit::operator=(
    Visit&& other) noexcept {
  if (this == &other) return *this;
  End();
  networks_ = std::exchange(other.networks_, nullptr);
  network_ = std::move(other.network_);
  group_ = std::move(other.group_);
  return *this;
}

void ClientNetworks::Visit::End() {
  group_ = nullptr;
  if (networks_ != nullptr) std::exchange(networks_, nullptr)->Leave(network_);
}

ClientNetworks::ClientNetworks(std::shared_ptr<RateLimitGroup> server,
                               Options options)
    : server_(std::move(server)),
      options_(std::move(options)),
      limit_(options_.limit) {}

ClientNetworks::Visit ClientNetworks::Enter(const SocketAddress& client) {
  Visit visit;
  visit.networks_ = this;
  visit.network_ = NetworkOf(client, options_.prefix);
  bool made = false;
  {
    const Lock lock(mutex_);
    LookAfterThoseLeaving();
    Network& network = networks_[visit.network_];
    made = network.group == nullptr;
    if (made) {
      // The limit has been checked, and one group in another is not too deep.
      network.group = *RateLimitGroup::Create(
          limit_,
          {.name = kGroupName, .parent = server_, .kernel = options_.kernel});
    }
    if (network.clients++ == 0) ++size_;
    visit.group_ = network.group;
  }
  // A scrape may hold this up: others are not to wait for it.
  if (made && options_.on_group) options_.on_group(visit.group_);
  return visit;
}

void ClientNetworks::Leave(const SocketAddress& network) {
  const Lock lock(mutex_);
  Network& left = networks_[network];
  if (--left.clients == 0) {
    --size_;
    if (!std::exchange(left.leaving, true)) leaving_.push_back(network);
  }
  LookAfterThoseLeaving();
}

// All have the same limit, so that the order is about that in which they fill.
void ClientNetworks::LookAfterThoseLeaving() {
  while (!leaving_.empty()) {
    const auto found = networks_.find(leaving_.front());
    Network& network = found->second;
    if (network.clients == 0) {
      if (leaving_.size() <= kMostLeaving && !IsFull(*network.group)) return;
      networks_.erase(found);
    } else {
      network.leaving = false;
    }
    leaving_.pop_front();
  }
}

absl::Status ClientNetworks::SetLimit(const RateLimit& limit) {
  if (absl::Status status = limit.Check(); !status.ok()) return status;
  const Lock lock(mutex_);
  limit_ = limit.WithBursts();
  for (auto& [address, network] : networks_) {
    // It was checked.
    network.group->SetLimit(limit_).IgnoreError();
  }
  return absl::OkStatus();
}

RateLimit ClientNetworks::limit() const {
  const Lock lock(mutex_);
  return limit_;
}

size_t ClientNetworks::size() const {
  const Lock lock(mutex_);
  return size_;
}

size_t ClientNetworks::group_count() const {
  const Lock lock(mutex_);
  return networks_.size();
}

}  // namespace percore::proxy
