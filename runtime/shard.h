// One CPU's share of a server: a thread, its loop, and its mailboxes.
//
// A shard owns what it touches; another shard that wants something of it sends
// it a message. Messages from one shard to another arrive in the order in which
// they were sent.
//
// ```cpp
// auto runtime = percore::Runtime::Create({.shards = 2});
// if (!runtime.ok()) return;
// struct Hello : percore::Service {
//   explicit Hello(percore::Shard& shard) {
//     percore::Shard& other = shard.peer((shard.index() + 1) % shard.count());
//     // Asks the other shard for a number, which comes back to this one.
//     other.Submit([] { return 42; },
//                  [&shard](int answer) {
//                    if (answer == 42) shard.runtime().RequestStop();
//                  });
//   }
//   void Drain() override {}
// };
// absl::Status status = (*runtime)->Run(
//     [](percore::Shard& shard)
//         -> absl::StatusOr<std::unique_ptr<percore::Service>> {
//       return std::make_unique<Hello>(shard);
//     });
// ```
#ifndef PERCORE_RUNTIME_SHARD_H_
#define PERCORE_RUNTIME_SHARD_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/runtime/gate.h"
#include "percore/runtime/internal/mailbox.h"
#include "percore/runtime/mailbox_stats.h"
#include "percore/runtime/message.h"
#include "percore/runtime/message_source.h"

namespace percore {

class Runtime;

// Made, run and destroyed by a Runtime. Thread: a method may be called on the
// shard's own thread only, unless its comment says otherwise.
class Shard final : private MessageSource {
 public:
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard() override;

  // Any thread: the shard whose thread this is, null outside a runtime.
  static Shard* Current();

  // Any thread.
  int index() const { return index_; }
  int count() const { return static_cast<int>(outgoing_.size()); }
  int cpu() const { return cpu_; }
  Runtime& runtime() const { return runtime_; }
  // Any thread: the shard with that index, 0 to count() - 1.
  Shard& peer(int index) const;

  EventBase& base() { return *base_; }
  // Held by what must finish before the shard may stop: open connections.
  Gate& gate() { return gate_; }

  // Any thread, while the runtime runs: runs `function` on this shard's thread.
  // From a shard of the same runtime it allocates nothing if it captures at
  // most Message::kInlineSize bytes; it is on its way once the sender's round
  // ends. From any other thread it costs an allocation.
  template <typename Function>
  void Post(Function&& function) {
    Shard* sender = Current();
    if (sender != nullptr && &sender->runtime_ == &runtime_) {
      sender->Send(index_, Message(std::forward<Function>(function)));
    } else {
      base_->Post(std::forward<Function>(function));
    }
  }

  // A shard's thread, of the same runtime: runs `function` on this shard, then
  // `then` with its result on the caller's. Neither runs if the runtime stops
  // before.
  template <typename Function, typename Then>
  void Submit(Function function, Then then);

  // Any thread; both stay valid after the shard is gone.
  std::shared_ptr<const LoopStats> loop_stats() const { return loop_stats_; }
  std::shared_ptr<const MailboxStats> mailbox_stats() const {
    return mailbox_stats_;
  }

 private:
  friend class Runtime;

  Shard(Runtime& runtime, int index, int count, int cpu, size_t ring_capacity);

  // On the shard's thread, first and last.
  absl::Status Start(EventBaseOptions options);
  void Finish();

  void Send(int receiver, Message message);

  void Publish() override;
  bool HasArrived() const override;
  size_t Deliver() override;

  struct Outgoing {
    std::unique_ptr<internal::Mailbox> mailbox;
    bool unpublished = false;  // in unpublished_
  };

  Runtime& runtime_;
  const int index_;
  const int cpu_;
  std::unique_ptr<EventBase> base_;
  Gate gate_;
  const std::shared_ptr<LoopStats> loop_stats_;
  const std::shared_ptr<MailboxStats> mailbox_stats_;
  std::vector<Outgoing> outgoing_;  // by receiver
  std::vector<int> unpublished_;    // receivers with messages to publish
  std::vector<int> publishing_;
};

template <typename Function, typename Then>
void Shard::Submit(Function function, Then then) {
  Post([function = std::move(function), then = std::move(then),
        &home = *Current()]() mutable {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      home.Post(std::move(then));
    } else {
      home.Post([result = function(), then = std::move(then)]() mutable {
        then(std::move(result));
      });
    }
  });
}

}  // namespace percore

#endif  // PERCORE_RUNTIME_SHARD_H_
