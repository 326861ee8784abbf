#include "percore/net/buffer_event_pair.h"

#include <algorithm>
#include <cerrno>

#include "percore/runtime/error.h"

namespace percore {
namespace {

// One end. The receiving end does the work, in its own turn: it takes what the
// other has to send, and lets it know.
class PairTransport final : public Transport {
 public:
  explicit PairTransport(EventBase& base)
      : turn_(Event::Timer(base, &OnTurn, this)) {}

  void Join(PairTransport& partner) {
    partner_ = &partner;
    partner.partner_ = this;
  }

  absl::Status Connect(const SocketAddress&) override {
    return absl::FailedPreconditionError("a pair is connected already");
  }

  absl::Status StartReceiving() override {
    receiving_ = true;
    if (HasNews()) Wake();
    return absl::OkStatus();
  }

  void StopReceiving() override { receiving_ = false; }

  bool Send() override {
    if (partner_ == nullptr) {
      return TellError(ConnectionEvent::kWriting,
                       SystemError(EPIPE, "write", "pair"));
    }
    partner_->Wake();
    return true;
  }

  void ScheduleSend() override {
    if (partner_ == nullptr) {
      turn_.Activate(EventFlags::kWrite);
    } else {
      partner_->Wake();
    }
  }

  void FinishSending() override {
    finished_ = true;
    if (partner_ != nullptr) partner_->Wake();
  }

  void Flush(EventFlags what, FlushMode /*mode*/) override {
    if (partner_ == nullptr) return;
    if (Any(what & EventFlags::kRead)) Take();
    if (Any(what & EventFlags::kWrite)) partner_->Take();
  }

  void SetPriority(int priority) override { turn_.set_priority(priority); }

  TransportUser* partner() const override {
    return partner_ == nullptr || !partner_->attached() ? nullptr
                                                        : &partner_->user();
  }

 private:
  ~PairTransport() override {
    if (partner_ == nullptr) return;
    partner_->partner_ = nullptr;
    partner_->turn_.Activate(EventFlags::kRead | EventFlags::kWrite);
  }

  static void OnTurn(int /*fd*/, EventFlags what, void* argument) {
    auto& self = *static_cast<PairTransport*>(argument);
    if (!self.attached()) return;
    if (Any(what & EventFlags::kWrite) && !self.TellProgress()) return;
    if (self.receiving_) self.Receive();
  }

  void Wake() {
    if (receiving_) turn_.Activate(EventFlags::kRead);
  }

  bool AtEnd() const {
    return partner_ == nullptr ||
           (partner_->finished_ && partner_->output().empty());
  }
  bool HasNews() const {
    if (taken_ > 0) return true;
    if (AtEnd()) return !end_told_;
    return partner_->attached() && partner_->WantsToSend();
  }

  bool TellProgress() {
    if (const size_t sent = std::exchange(sent_, 0); sent > 0 && !TellSent()) {
      return false;
    }
    return !WantsToSend() || Send();
  }

  // Moves what there is, and there is room for. Both are told in their turns,
  // and of no more than one turn's worth at a time.
  void Take() {
    if (taken_ > 0 || partner_->sent_ > 0) return;
    if (!attached() || !partner_->attached()) return;
    // Who has nothing to receive does not ask for room.
    if (!partner_->WantsToSend()) return;
    const size_t room = ReceiveRoom();
    if (room == 0) return;
    const size_t moved = input().MoveFrom(partner_->output(),
                                          std::min(room, partner_->SendRoom()));
    if (moved == 0) return;
    CountReceived(moved);
    partner_->CountSent(moved);
    taken_ += moved;
    turn_.Activate(EventFlags::kRead);
    partner_->sent_ += moved;
    partner_->turn_.Activate(EventFlags::kWrite);
  }

  void Receive() {
    if (partner_ != nullptr) Take();
    if (const size_t taken = std::exchange(taken_, 0); taken > 0) {
      // What is left, or the end, has its own turn.
      if (HasNews()) turn_.Activate(EventFlags::kRead);
      TellReceived();
    } else if (AtEnd() && !end_told_) {
      end_told_ = true;
      TellEndOfFile();
    }
  }

  Event turn_;
  PairTransport* partner_ = nullptr;  // null when it is gone
  size_t taken_ = 0;                  // moved to input(), and not told yet
  size_t sent_ = 0;                   // moved from output(), and not told yet
  bool receiving_ = false;
  bool finished_ = false;
  bool end_told_ = false;
};

}  // namespace

std::pair<TransportPtr, TransportPtr> MakePairTransports(EventBase& base) {
  auto* first = new PairTransport(base);
  auto* second = new PairTransport(base);
  first->Join(*second);
  return {TransportPtr(first), TransportPtr(second)};
}

std::pair<std::unique_ptr<BufferEvent>, std::unique_ptr<BufferEvent>>
MakeBufferEventPair(EventBase& base, const BufferEventOptions& options) {
  auto [first, second] = MakePairTransports(base);
  return {std::make_unique<BufferEvent>(base, std::move(first), options),
          std::make_unique<BufferEvent>(base, std::move(second), options)};
}

}  // namespace percore
