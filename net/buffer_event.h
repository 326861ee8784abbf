// A socket with a buffer on either side: bytes that arrive are in input() when
// the read callback runs, and bytes put into output() leave as the peer takes
// them.
//
// libevent's bufferevent. The user reads and writes Buffers; the BufferEvent
// makes the system calls, few of them: output is written at once at the end of
// the callback, or of the round, that produced it, and the loop watches for
// room to write only while the socket is full.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// int ends[2];
// if (!base.ok() ||
//     socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
//   return;
// }
// percore::BufferEvent echo(**base, percore::UniqueFd(ends[0]));
// echo.SetCallbacks({.read = [](percore::BufferEvent& peer, void*) {
//                     peer.output().Append(std::move(peer.input()));
//                   }},
//                   nullptr);
// absl::Status status = echo.Enable(percore::EventFlags::kRead);
// percore::UniqueFd client(ends[1]);
// ```
//
// Back-pressure is bounded on both sides. While input() holds as much as the
// read high watermark, or output() more than the write high watermark, nothing
// is read: the kernel's own buffers fill, and the peer has to wait.
#ifndef PERCORE_NET_BUFFER_EVENT_H_
#define PERCORE_NET_BUFFER_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "percore/buffer/buffer.h"
#include "percore/net/listener_stats.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore {

// What happened to a connection, apart from bytes coming and going.
enum class ConnectionEvent : uint8_t {
  kConnected,     // Connect() succeeded
  kEndOfFile,     // the peer will send nothing more; input() may hold the rest
  kError,         // the connection is broken; the status says how
  kReadTimeout,   // nothing arrived for that long; reading is now disabled
  kWriteTimeout,  // nothing could be sent for that long; writing is disabled
};

// Thread: the base's. Owns its socket and closes it in the end, with what
// output() still holds lost. Stays where it is; may be destroyed inside any of
// its callbacks, and must not outlive its base.
//
// Cost: a connection that is idle owns no buffer memory; its two timers are
// made when a timeout is first set.
class BufferEvent {
 public:
  // Any of them may be null. `argument` comes from SetCallbacks().
  struct Callbacks {
    // New bytes arrived, and input() holds at least the read low watermark.
    void (*read)(BufferEvent& connection, void* argument) = nullptr;
    // Bytes left, and output() holds no more than the write low watermark.
    void (*write)(BufferEvent& connection, void* argument) = nullptr;
    // `status` is OK but for kError.
    void (*event)(BufferEvent& connection, ConnectionEvent event,
                  const absl::Status& status, void* argument) = nullptr;
  };

  // The most that is read, or written, before other events have their turn.
  static constexpr size_t kMaxSingleRead = 64 * 1024;
  static constexpr size_t kMaxSingleWrite = 256 * 1024;

  // `socket` is non-blocking, and connected unless Connect() comes next.
  // Writing is enabled, reading is not.
  BufferEvent(EventBase& base, UniqueFd socket);
  BufferEvent(const BufferEvent&) = delete;
  BufferEvent& operator=(const BufferEvent&) = delete;
  ~BufferEvent();

  // Connects a socket that has not been used yet. Success and failure come as
  // events, never from inside this call; output may be written before. Errors:
  // what the kernel says when it refuses to watch the socket.
  absl::Status Connect(const SocketAddress& address);

  // At any time. Callbacks that have not run yet go to the new ones.
  void SetCallbacks(const Callbacks& callbacks, void* argument);

  // kRead, kWrite or both. Disabled reading leaves bytes in the kernel;
  // disabled writing leaves them in output(). Enabling either fails only with
  // what the kernel says when it refuses to watch the socket.
  absl::Status Enable(EventFlags what);
  void Disable(EventFlags what);
  bool read_enabled() const { return read_enabled_; }
  bool write_enabled() const { return write_enabled_; }

  // What arrived and was not taken yet, and what is to be sent. Both may be
  // changed at any time, inside and outside of callbacks. While input() has
  // reached its size limit nothing is read. What freezes the back of input(),
  // or the front of output(), calls Enable() after it has unfrozen them.
  Buffer& input() { return input_; }
  Buffer& output() { return output_; }
  const Buffer& input() const { return input_; }
  const Buffer& output() const { return output_; }

  // For kRead: the read callback waits for `low` bytes, and reading stops while
  // input() holds `high` or more. For kWrite: the write callback waits until
  // output() holds no more than `low`, and reading stops while it holds more
  // than `high`. A `high` of 0 is no limit.
  void SetWatermarks(EventFlags which, size_t low, size_t high);

  // How long nothing may arrive while reading, and nothing leave while there is
  // something to send; zero for ever. Time counts only while the BufferEvent
  // waits for that.
  void SetTimeouts(Duration read, Duration write);

  // Once output() is empty, shuts down the sending side: the peer reads the end
  // of the file after the last byte, while bytes from it still arrive.
  void FinishOutput();
  bool output_finished() const { return output_finished_; }

  int fd() const { return socket_.get(); }
  EventBase& base() { return base_; }

  // Bytes are also counted there, if set. Kept alive by the caller.
  void set_traffic_stats(ListenerStats* stats) { traffic_stats_ = stats; }

 private:
  struct Timeouts;
  class CallbackScope;

  static void OnReady(int fd, EventFlags what, void* argument);
  static void OnInputChanged(Buffer& input, const BufferChange& change,
                             void* argument);
  static void OnOutputChanged(Buffer& output, const BufferChange& change,
                              void* argument);

  // Each may run callbacks; false if the BufferEvent is gone afterwards.
  bool CompleteConnect();
  bool HandleReadable();
  bool Flush();
  bool RunEventCallback(ConnectionEvent event, const absl::Status& status);
  bool Fail(int error, std::string_view call);
  bool Fail(const absl::Status& status);

  void ScheduleFlush();
  void ShutdownIfDone();
  bool ReadingSuspended() const;
  bool Reading() const;
  bool Writing() const;
  // Brings what the loop watches, and the timers, in line with the state.
  void UpdateInterest();

  EventBase& base_;
  UniqueFd socket_;
  Event ready_;
  Buffer input_;
  Buffer output_;
  BufferObserver input_observer_{&OnInputChanged, this};
  BufferObserver output_observer_{&OnOutputChanged, this};
  Callbacks callbacks_;
  void* argument_ = nullptr;
  size_t read_low_ = 0;
  size_t read_high_ = 0;
  size_t write_low_ = 0;
  size_t write_high_ = 0;
  std::unique_ptr<Timeouts> timeouts_;
  ListenerStats* traffic_stats_ = nullptr;
  bool* destroyed_ = nullptr;  // set while a callback runs
  int connect_error_ = 0;      // known when Connect() returned, told later
  bool read_enabled_ = false;
  bool write_enabled_ = true;
  bool connecting_ = false;
  bool end_of_file_ = false;
  bool broken_ = false;       // an error was reported
  bool socket_full_ = false;  // the last write was short
  bool finish_output_ = false;
  bool output_finished_ = false;
  // While a callback or a system call of ours runs: what it does to the buffers
  // takes effect when it returns, all at once.
  bool busy_ = false;
};

}  // namespace percore

#endif  // PERCORE_NET_BUFFER_EVENT_H_
