// A connection's bytes go through a filter, and another connection.
#ifndef PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_
#define PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_

#include <memory>

#include "percore/net/buffer_event.h"
#include "percore/net/filter.h"
#include "percore/net/transport.h"
#include "percore/runtime/event.h"

namespace percore::internal {

class FilterTransport final : public Transport {
 public:
  // `owned` is `underlying`, or null if that stays its owner's.
  FilterTransport(BufferEvent& underlying, std::unique_ptr<BufferEvent> owned,
                  std::unique_ptr<Filter> filter, const FilterOptions& options);

  absl::Status Connect(const SocketAddress& address) override;
  absl::Status StartReceiving() override;
  void StopReceiving() override;
  bool Send() override;
  void ScheduleSend() override;
  void FinishSending() override;
  void Flush(EventFlags what, FlushMode mode) override;
  void SetPriority(int priority) override;
  int fd() const override { return underlying_.fd(); }
  UniqueFd Detach() override { return underlying_.Detach(); }
  BufferEvent* underlying() const override { return &underlying_; }

 private:
  ~FilterTransport() override;

  static void OnTurn(int fd, EventFlags what, void* argument);
  static void OnRead(BufferEvent& underlying, void* argument);
  static void OnWritten(BufferEvent& underlying, void* argument);
  static void OnEvent(BufferEvent& underlying, ConnectionEvent what,
                      const absl::Status& status, void* argument);

  // Each may call the user; false if the transport is gone.
  bool Receive();
  bool TellResult(size_t received, const absl::StatusOr<FilterResult>& result);
  bool MakeRoomForMore();
  // How much may be put into the underlying output.
  size_t OutputRoom() const;
  // Whether there is something to do for the output.
  bool HasOutput() const;

  BufferEvent& underlying_;
  std::unique_ptr<BufferEvent> owned_;
  const std::unique_ptr<Filter> filter_;
  const size_t max_pending_input_;
  const size_t max_pending_output_;
  Event turn_;
  bool receiving_ = false;
  bool input_ended_ = false;  // the underlying connection's end of file
  bool end_told_ = false;
  bool finished_ = false;  // the filter's output is complete
  // What the output is to be brought to.
  FlushMode output_mode_ = FlushMode::kNormal;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_
