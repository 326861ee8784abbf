// How a loop is made, and made anew in a child of fork().
#include <algorithm>
#include <climits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/choose_backend.h"

namespace percore {

const std::vector<std::string>& EventBase::SupportedBackends() {
  return internal::BackendNames();
}

absl::StatusOr<std::unique_ptr<EventBase>> EventBase::Create(
    const EventBaseOptions& options) {
  if (options.priorities < 1 || options.priorities > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("priorities must be 1 to 256, not ", options.priorities));
  }
  if (options.deferred_per_round < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("deferred_per_round must be at least 1, not ",
                     options.deferred_per_round));
  }
  if (options.limits.max_callbacks < 1 || options.limits.from_priority < 0 ||
      options.limits.max_interval <= Duration::zero()) {
    return absl::InvalidArgumentError(
        "limits of dispatch must let at least something run");
  }
  Kernel& kernel = *options.kernel;
  absl::StatusOr<std::unique_ptr<internal::Backend>> backend =
      internal::ChooseBackend({.name = options.backend,
                               .avoid = options.avoid_backends,
                               .require = options.require,
                               .one_thread = options.one_thread,
                               .environment = !options.ignore_environment},
                              kernel);
  if (!backend.ok()) return backend.status();

  const int event_fd = kernel.EventFd();
  if (event_fd < 0) return SystemError(-event_fd, "eventfd");
  std::unique_ptr<EventBase> base(
      new EventBase(options, event_fd, *std::move(backend)));
  if (options.signals == SignalMethod::kSignalFd) {
    const int opened = base->signals_.OpenSignalFd();
    if (opened < 0) return SystemError(-opened, "signalfd");
  }
  if (absl::Status status = base->WatchInternals(); !status.ok()) return status;
  return base;
}

EventBase::EventBase(const EventBaseOptions& options, int event_fd,
                     std::unique_ptr<internal::Backend> backend)
    : kernel_(*options.kernel),
      deferred_per_round_(options.deferred_per_round),
      limits_(options.limits),
      limited_(limits_.max_callbacks != INT_MAX ||
               limits_.max_interval != kForever),
      timer_precision_(options.timers),
      stats_(options.stats != nullptr ? options.stats
                                      : std::make_shared<LoopStats>()),
      notifier_(kernel_, event_fd),
      backend_(std::move(backend)),
      ring_(backend_->ring()),
      descriptors_(*backend_, stats_->change_calls),
      signals_(notifier_, kernel_),
      active_(options.priorities),
      now_(kernel_.Now()),
      wait_began_(now_),
      woke_(now_) {
  if (ring_ != nullptr) ring_->CountIn(*stats_);
}

absl::Status EventBase::WatchInternals() {
  int result = descriptors_.WatchInternal(notifier_.event_fd(),
                                          EventFlags::kEdgeTriggered);
  if (result == 0 && signals_.signal_fd() >= 0) {
    result = descriptors_.WatchInternal(signals_.signal_fd());
  }
  if (result < 0) {
    return SystemError(-result, "watching the loop's descriptors");
  }
  return absl::OkStatus();
}

EventBase::~EventBase() { RunFinalizers(); }

absl::Status EventBase::ReinitAfterFork() {
  CheckThread();
  const int event_fd = kernel_.EventFd();
  if (event_fd < 0) return SystemError(-event_fd, "eventfd");
  notifier_.Replace(event_fd);
  if (signals_.signal_fd() >= 0) {
    const int opened = signals_.OpenSignalFd();
    if (opened < 0) return SystemError(-opened, "signalfd");
  }
  // The kernel's set of descriptors is the parent's as well: it is left alone.
  descriptors_.ForgetInternal();
  const int result = descriptors_.StartAfresh();
  if (result < 0) return SystemError(-result, "starting the back end afresh");
  return WatchInternals();
}

}  // namespace percore
