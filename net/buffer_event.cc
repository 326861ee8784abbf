#include "percore/net/buffer_event.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore {

struct BufferEvent::Timeouts {
  explicit Timeouts(BufferEvent& connection)
      : read_timer(Event::Timer(
            connection.base_,
            [](int, EventFlags, void* argument) {
              auto& connection = *static_cast<BufferEvent*>(argument);
              connection.Disable(EventFlags::kRead);
              connection.RunEventCallback(ConnectionEvent::kReadTimeout, {});
            },
            &connection)),
        write_timer(Event::Timer(
            connection.base_,
            [](int, EventFlags, void* argument) {
              auto& connection = *static_cast<BufferEvent*>(argument);
              connection.Disable(EventFlags::kWrite);
              connection.RunEventCallback(ConnectionEvent::kWriteTimeout, {});
            },
            &connection)) {}

  // Starts the timer when waiting begins, and again on each progress; stops it
  // when waiting ends. Extending a running timer is O(1).
  enum class Progress { kNone, kMade };
  static void Update(Event& timer, Duration timeout, bool waiting,
                     Progress progress) {
    const bool running = Any(timer.Pending(EventFlags::kTimeout));
    if (!waiting || timeout <= Duration::zero()) {
      if (running) timer.Del();
    } else if (progress == Progress::kMade || !running) {
      // A pure timer: there is nothing that Add() could refuse.
      (void)timer.Add(timeout);
    }
  }

  Event read_timer;
  Event write_timer;
  Duration read{};
  Duration write{};
};

// A callback is about to run: the BufferEvent may be gone when it returns.
class BufferEvent::CallbackScope {
 public:
  explicit CallbackScope(BufferEvent& connection) : connection_(connection) {
    connection.destroyed_ = &destroyed_;
    connection.busy_ = true;
  }
  CallbackScope(const CallbackScope&) = delete;
  CallbackScope& operator=(const CallbackScope&) = delete;

  // The callback returned. False if it destroyed the BufferEvent.
  bool Leave() {
    if (destroyed_) return false;
    connection_.destroyed_ = nullptr;
    connection_.busy_ = false;
    return true;
  }

 private:
  BufferEvent& connection_;
  bool destroyed_ = false;
};

BufferEvent::BufferEvent(EventBase& base, UniqueFd socket)
    : base_(base),
      socket_(std::move(socket)),
      ready_(base, socket_.get(), EventFlags::kPersist, &OnReady, this) {
  input_.AddObserver(input_observer_);
  output_.AddObserver(output_observer_);
}

BufferEvent::~BufferEvent() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  ready_.Del();
  if (socket_.valid()) base_.CloseDescriptor(socket_.Release());
}

absl::Status BufferEvent::Connect(const SocketAddress& address) {
  const int result =
      base_.kernel().Connect(fd(), address.native(), address.native_size());
  connecting_ = true;
  UpdateInterest();
  if (absl::Status status = ready_.Add(); !status.ok()) return status;
  // Anything but "in progress" is known already. It is told from the loop all
  // the same: SO_ERROR does not have it any more.
  if (result < 0 && result != -EINPROGRESS && result != -EINTR) {
    connect_error_ = -result;
    ready_.Activate(EventFlags::kWrite);
  }
  return absl::OkStatus();
}

void BufferEvent::SetCallbacks(const Callbacks& callbacks, void* argument) {
  callbacks_ = callbacks;
  argument_ = argument;
}

absl::Status BufferEvent::Enable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = true;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = true;
  UpdateInterest();
  if (absl::Status status = ready_.Add(); !status.ok()) return status;
  if (!busy_) ScheduleFlush();
  return absl::OkStatus();
}

void BufferEvent::Disable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = false;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = false;
  UpdateInterest();
}

void BufferEvent::SetWatermarks(EventFlags which, size_t low, size_t high) {
  if (Any(which & EventFlags::kRead)) {
    read_low_ = low;
    read_high_ = high;
  }
  if (Any(which & EventFlags::kWrite)) {
    write_low_ = low;
    write_high_ = high;
  }
  UpdateInterest();
}

void BufferEvent::SetTimeouts(Duration read, Duration write) {
  if (timeouts_ == nullptr) timeouts_ = std::make_unique<Timeouts>(*this);
  timeouts_->read = read;
  timeouts_->write = write;
  Timeouts::Update(timeouts_->read_timer, read, Reading(),
                   Timeouts::Progress::kMade);
  Timeouts::Update(timeouts_->write_timer, write, Writing(),
                   Timeouts::Progress::kMade);
}

void BufferEvent::FinishOutput() {
  finish_output_ = true;
  ShutdownIfDone();
}

void BufferEvent::OnReady(int /*fd*/, EventFlags what, void* argument) {
  auto& connection = *static_cast<BufferEvent*>(argument);
  if (connection.connecting_ && !connection.CompleteConnect()) return;
  if (Any(what & EventFlags::kWrite) && !connection.Flush()) return;
  if (Any(what & EventFlags::kRead)) connection.HandleReadable();
}

void BufferEvent::OnInputChanged(Buffer& /*input*/, const BufferChange& change,
                                 void* argument) {
  auto& connection = *static_cast<BufferEvent*>(argument);
  // Reading goes on as soon as there is room again.
  if (change.drained > 0 && !connection.busy_) connection.UpdateInterest();
}

void BufferEvent::OnOutputChanged(Buffer& /*output*/,
                                  const BufferChange& change, void* argument) {
  auto& connection = *static_cast<BufferEvent*>(argument);
  if (connection.busy_) return;
  if (change.added > 0) connection.ScheduleFlush();
  connection.UpdateInterest();
}

bool BufferEvent::CompleteConnect() {
  const int error = std::exchange(connect_error_, 0);
  connecting_ = false;
  if (error != 0) return Fail(error, "connect");
  if (absl::Status status = PendingError(fd(), "connect", base_.kernel());
      !status.ok()) {
    return Fail(status);
  }
  UpdateInterest();
  return RunEventCallback(ConnectionEvent::kConnected, {});
}

bool BufferEvent::HandleReadable() {
  if (!Reading()) return true;
  size_t room = kMaxSingleRead;
  if (read_high_ > 0) room = std::min(room, read_high_ - input_.size());

  busy_ = true;
  const ssize_t received = input_.ReadFrom(base_.kernel(), fd(), room);
  busy_ = false;
  if (received == -EAGAIN) return true;
  if (received < 0) return Fail(static_cast<int>(-received), "read");
  if (received == 0) {
    end_of_file_ = true;
    UpdateInterest();
    return RunEventCallback(ConnectionEvent::kEndOfFile, {});
  }

  if (traffic_stats_ != nullptr) {
    traffic_stats_->received_bytes.Add(static_cast<uint64_t>(received));
  }
  if (timeouts_ != nullptr) {
    Timeouts::Update(timeouts_->read_timer, timeouts_->read, Reading(),
                     Timeouts::Progress::kMade);
  }
  if (input_.size() < read_low_ || callbacks_.read == nullptr) {
    UpdateInterest();
    return true;
  }
  CallbackScope scope(*this);
  callbacks_.read(*this, argument_);
  return scope.Leave() && Flush();
}

bool BufferEvent::Flush() {
  if (!Writing()) {
    ShutdownIfDone();
    UpdateInterest();
    return true;
  }
  size_t sent = 0;
  ssize_t result = 0;
  busy_ = true;
  while (!output_.empty() && sent < kMaxSingleWrite) {
    result = output_.WriteTo(base_.kernel(), fd(), kMaxSingleWrite - sent);
    if (result < 0) break;
    sent += static_cast<size_t>(result);
  }
  busy_ = false;
  if (traffic_stats_ != nullptr) traffic_stats_->sent_bytes.Add(sent);
  if (result < 0 && result != -EAGAIN) {
    return Fail(static_cast<int>(-result), "write");
  }
  // Whoever has more to send than one turn's worth waits for the next turn in
  // the same way as for room.
  socket_full_ = !output_.empty();
  if (socket_full_) {
    if (absl::Status status = ready_.Add(); !status.ok()) return Fail(status);
  }
  if (sent > 0 && timeouts_ != nullptr) {
    Timeouts::Update(timeouts_->write_timer, timeouts_->write, Writing(),
                     Timeouts::Progress::kMade);
  }
  ShutdownIfDone();
  UpdateInterest();
  if (sent == 0 || output_.size() > write_low_ || callbacks_.write == nullptr) {
    return true;
  }
  CallbackScope scope(*this);
  callbacks_.write(*this, argument_);
  if (!scope.Leave()) return false;
  ScheduleFlush();
  UpdateInterest();
  return true;
}

bool BufferEvent::RunEventCallback(ConnectionEvent event,
                                   const absl::Status& status) {
  if (callbacks_.event == nullptr) return true;
  CallbackScope scope(*this);
  callbacks_.event(*this, event, status, argument_);
  if (!scope.Leave()) return false;
  ScheduleFlush();
  UpdateInterest();
  return true;
}

bool BufferEvent::Fail(int error, std::string_view call) {
  return Fail(SystemError(error, call, absl::StrCat("fd ", fd())));
}

bool BufferEvent::Fail(const absl::Status& status) {
  broken_ = true;
  UpdateInterest();
  return RunEventCallback(ConnectionEvent::kError, status);
}

// The write is made when the loop comes to it, together with what is appended
// until then.
void BufferEvent::ScheduleFlush() {
  if (Writing() && !socket_full_) ready_.Activate(EventFlags::kWrite);
}

void BufferEvent::ShutdownIfDone() {
  if (!finish_output_ || output_finished_ || !output_.empty() || broken_ ||
      connecting_) {
    return;
  }
  output_finished_ = true;
  base_.kernel().Shutdown(fd(), SHUT_WR);
}

bool BufferEvent::ReadingSuspended() const {
  return input_.size() >= input_.size_limit() ||
         input_.frozen(BufferEnd::kBack) ||
         (read_high_ > 0 && input_.size() >= read_high_) ||
         (write_high_ > 0 && output_.size() > write_high_);
}

bool BufferEvent::Reading() const {
  return read_enabled_ && !end_of_file_ && !broken_ && !connecting_ &&
         !ReadingSuspended();
}

bool BufferEvent::Writing() const {
  return write_enabled_ && !output_.empty() &&
         !output_.frozen(BufferEnd::kFront) && !broken_ && !connecting_;
}

void BufferEvent::UpdateInterest() {
  EventFlags interest = EventFlags::kNone;
  if (Reading()) interest |= EventFlags::kRead;
  if (connecting_ || (Writing() && socket_full_)) {
    interest |= EventFlags::kWrite;
  }
  ready_.SetInterest(interest);
  if (timeouts_ == nullptr) return;
  Timeouts::Update(timeouts_->read_timer, timeouts_->read, Reading(),
                   Timeouts::Progress::kNone);
  Timeouts::Update(timeouts_->write_timer, timeouts_->write, Writing(),
                   Timeouts::Progress::kNone);
}

}  // namespace percore
