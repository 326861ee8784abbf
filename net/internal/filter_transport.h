// A connection's bytes go through a filter, and another connection.
#ifndef PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_
#define PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/buffer/buffer.h"
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

  using FilterFunction = absl::StatusOr<FilterResult> (Filter::*)(
      Buffer& source, Buffer& destination, size_t limit, FlushMode mode);

  // Each may call the user; false if the transport is gone.
  bool Receive();
  bool MakeRoomForMore();
  bool CallFilter(FilterFunction function, Buffer& source, Buffer& destination,
                  size_t limit, FlushMode mode,
                  absl::StatusOr<FilterResult>& result);
  // How much may be put into the underlying output.
  size_t OutputRoom() const;
  // Whether there is something to do for the output.
  bool HasOutput() const;

  BufferEvent& underlying_;
  std::unique_ptr<BufferEvent> owned_;
  std::unique_ptr<Filter> filter_;
  // Where the filter goes if the transport is destroyed while the filter works;
  // null while it does not.
  std::unique_ptr<Filter>* orphan_ = nullptr;
  const size_t max_pending_input_;
  const size_t max_pending_output_;
  Event turn_;
  bool receiving_ = false;
  bool input_ended_ = false;  // the underlying connection's end of file
  bool end_told_ = false;
  bool output_over_ = false;  // it is complete, or the filter failed
  // The filter may hold output back. At the beginning too: it may have
  // something to say before the user has.
  bool more_output_ = true;
  // What the output is to be brought to.
  FlushMode output_mode_ = FlushMode::kNormal;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_FILTER_TRANSPORT_H_
