// A socket that the loop tells when it can be read and written.
#ifndef PERCORE_NET_INTERNAL_READINESS_TRANSPORT_H_
#define PERCORE_NET_INTERNAL_READINESS_TRANSPORT_H_

#include <string_view>

#include "percore/net/transport.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/event_base.h"

namespace percore::internal {

// Few system calls: what is to be sent is written at once, and the loop watches
// for room only while the socket is full. One read a turn: what is left makes
// the loop call again, after everybody else.
class ReadinessTransport final : public Transport {
 public:
  ReadinessTransport(EventBase& base, UniqueFd socket);

  absl::Status Connect(const SocketAddress& address) override;
  absl::Status StartReceiving() override;
  void StopReceiving() override;
  bool Send() override;
  void ScheduleSend() override;
  void FinishSending() override;
  void SetPriority(int priority) override { ready_.set_priority(priority); }
  int fd() const override { return ready_.fd(); }
  UniqueFd Detach() override;

 private:
  ~ReadinessTransport() override;

  static void OnReady(int fd, EventFlags what, void* argument);
  // Each may call the user; false if the transport is gone.
  bool CompleteConnect();
  bool Receive();
  bool Write();
  bool Fail(ConnectionEvent direction, int error, std::string_view call);

  void Watch(EventFlags what) { ready_.SetInterest(ready_.interest() | what); }
  void Unwatch(EventFlags what) {
    ready_.SetInterest(ready_.interest() & ~what);
  }
  // The loop calls when there is some: a write before that would be in vain.
  bool waits_for_room() const {
    return Any(ready_.interest() & EventFlags::kWrite);
  }
  Kernel& kernel() { return ready_.base().kernel(); }

  BasicEvent ready_;
  bool connecting_ = false;
  bool detached_ = false;
  int error_ = 0;  // of connect() or shutdown(), told from the loop
};

static_assert(sizeof(ReadinessTransport) == 80, "every connection has one");

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_READINESS_TRANSPORT_H_
