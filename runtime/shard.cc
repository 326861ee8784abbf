#include "percore/runtime/shard.h"

#include <pthread.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "percore/runtime/cpu_set.h"
#include "percore/runtime/internal/arena.h"
#include "percore/runtime/runtime.h"

namespace percore {
namespace {

thread_local Shard* current_shard = nullptr;

}  // namespace

Shard::Shard(Runtime& runtime, int index, int count, int cpu,
             size_t ring_capacity)
    : runtime_(runtime),
      index_(index),
      cpu_(cpu),
      loop_stats_(std::make_shared<LoopStats>()),
      mailbox_stats_(std::make_shared<MailboxStats>()),
      outgoing_(count) {
  for (Outgoing& outgoing : outgoing_) {
    outgoing.mailbox = std::make_unique<internal::Mailbox>(ring_capacity);
  }
}

Shard::~Shard() = default;

Shard* Shard::Current() { return current_shard; }

Shard& Shard::peer(int index) const { return runtime_.shard(index); }

absl::Status Shard::Start(EventBaseOptions options) {
  pthread_setname_np(pthread_self(), absl::StrCat("shard-", index_).c_str());
  internal::UseArenaOfItsOwn();
  if (absl::Status status = PinThread(cpu_); !status.ok()) return status;

  options.stats = loop_stats_;
  options.one_thread = true;
  absl::StatusOr<std::unique_ptr<EventBase>> base = EventBase::Create(options);
  if (!base.ok()) return base.status();
  base_ = *std::move(base);
  base_->set_message_source(this);
  current_shard = this;
  return absl::OkStatus();
}

void Shard::Finish() {
  current_shard = nullptr;
  base_.reset();
}

void Shard::Send(int receiver, Message message) {
  Outgoing& outgoing = outgoing_[receiver];
  mailbox_stats_->sent.Add();
  if (!outgoing.mailbox->Push(std::move(message))) {
    mailbox_stats_->queue_full.Add();
  }
  if (outgoing.unpublished) return;
  outgoing.unpublished = true;
  unpublished_.push_back(receiver);
}

void Shard::Publish() {
  if (unpublished_.empty()) return;
  publishing_.swap(unpublished_);
  int64_t depth = 0;
  for (const int receiver : publishing_) {
    Outgoing& outgoing = outgoing_[receiver];
    if (outgoing.mailbox->Publish() && receiver != index_) {
      // Whose base lives until all loops of the runtime have ended.
      const bool woken = peer(receiver).base_->WakeIfSleeping(*base_);
      (woken ? mailbox_stats_->notifications
             : mailbox_stats_->notifications_elided)
          .Add();
    }
    depth += static_cast<int64_t>(outgoing.mailbox->overflow());
    outgoing.unpublished = outgoing.mailbox->overflow() > 0;
    if (outgoing.unpublished) unpublished_.push_back(receiver);
  }
  publishing_.clear();
  mailbox_stats_->queue_depth.Set(depth);
}

bool Shard::HasArrived() const {
  for (int sender = 0; sender < count(); ++sender) {
    if (peer(sender).outgoing_[index_].mailbox->HasArrived()) return true;
  }
  for (const int receiver : unpublished_) {
    if (outgoing_[receiver].mailbox->CanMoveOverflow()) return true;
  }
  return false;
}

size_t Shard::Deliver() {
  size_t delivered = 0;
  for (int sender = 0; sender < count(); ++sender) {
    bool sender_waits = false;
    delivered += peer(sender).outgoing_[index_].mailbox->Deliver(&sender_waits);
    // At once, so that it fills the ring while the callbacks of this round run.
    // A message from ring to ring would go after them, and nobody else would
    // wake the sender until then.
    if (sender_waits) peer(sender).base_->WakeIfSleeping();
  }
  mailbox_stats_->received.Add(delivered);
  return delivered;
}

}  // namespace percore
