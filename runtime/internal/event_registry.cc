#include "percore/runtime/internal/event_registry.h"

#include <cstddef>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/runtime/debug_mode.h"
#include "percore/runtime/error.h"
#include "percore/runtime/log.h"

namespace percore {

void EnableDebugMode() { internal::EventRegistry::Enable(); }

namespace internal {
namespace {

// Remembered of those that are gone.
constexpr size_t kMostDestroyed = 4096;

struct Notes {
  std::mutex mutex;
  // What each waits for while it is pending; empty while it is not.
  std::unordered_map<const void*, std::string> alive;
  std::unordered_map<const void*, std::string> destroyed;
  std::deque<const void*> destroyed_order;
};

Notes& TheNotes() {
  static Notes& notes = *new Notes;
  return notes;
}

}  // namespace

std::atomic<bool> EventRegistry::enabled_{false};

void EventRegistry::Constructed(const BasicEvent* event) {
  Notes& notes = TheNotes();
  std::string overwritten;
  {
    const std::lock_guard<std::mutex> lock(notes.mutex);
    notes.destroyed.erase(event);
    overwritten = std::exchange(notes.alive[event], {});
  }
  if (!overwritten.empty()) {
    LogFatal(absl::StrCat("an event was initialised anew while pending: ",
                          overwritten));
  }
}

void EventRegistry::Destroyed(const BasicEvent* event,
                              std::string description) {
  Notes& notes = TheNotes();
  const std::lock_guard<std::mutex> lock(notes.mutex);
  notes.alive.erase(event);
  notes.destroyed[event] = std::move(description);
  notes.destroyed_order.push_back(event);
  if (notes.destroyed_order.size() > kMostDestroyed) {
    notes.destroyed.erase(notes.destroyed_order.front());
    notes.destroyed_order.pop_front();
  }
}

absl::Status EventRegistry::CheckAlive(const BasicEvent* event) {
  Notes& notes = TheNotes();
  std::string message;
  {
    const std::lock_guard<std::mutex> lock(notes.mutex);
    const auto destroyed = notes.destroyed.find(event);
    if (destroyed == notes.destroyed.end()) return absl::OkStatus();
    message = absl::StrCat("an event was added after it was destroyed: ",
                           destroyed->second);
  }
  Log(LogLevel::kError, message);
  return absl::FailedPreconditionError(message);
}

void EventRegistry::Pending(const BasicEvent* event, std::string description) {
  Notes& notes = TheNotes();
  const std::lock_guard<std::mutex> lock(notes.mutex);
  notes.alive[event] = std::move(description);
}

void EventRegistry::NotPending(const BasicEvent* event) {
  Notes& notes = TheNotes();
  const std::lock_guard<std::mutex> lock(notes.mutex);
  if (const auto it = notes.alive.find(event); it != notes.alive.end()) {
    it->second.clear();
  }
}

}  // namespace internal
}  // namespace percore
