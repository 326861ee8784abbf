#include "percore/runtime/internal/signal_hub.h"

#include <pthread.h>

#include <cerrno>
#include <mutex>
#include <thread>

namespace percore::internal {
namespace {

// A subscription. Never freed, only reused: a handler on another thread may be
// walking the list at any time.
struct Slot {
  std::atomic<SignalMailbox*> mailbox{nullptr};
  Slot* next = nullptr;
};

struct Subscriptions {
  std::atomic<Slot*> first{nullptr};
  int count = 0;                   // guarded by the mutex
  struct sigaction previous = {};  // guarded by the mutex
};

std::array<Subscriptions, kSignalLimit> subscriptions;
std::atomic<int> handlers_running{0};

std::mutex& SubscriptionMutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

void HandleSignal(int signal) {
  const int saved_errno = errno;
  SignalHub::Distribute(signal);
  errno = saved_errno;
}

// fork() copies the memory, and of the threads only the one that called it: in
// the child nobody would ever unlock what another thread had locked, and no
// handler of another thread would ever end.
void HandleForks() {
  static const int once = pthread_atfork([] { SubscriptionMutex().lock(); },
                                         [] { SubscriptionMutex().unlock(); },
                                         [] {
                                           handlers_running.store(0);
                                           SubscriptionMutex().unlock();
                                         });
  static_cast<void>(once);
}

int Install(int signal, struct sigaction* previous) {
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  // The rest of the process should not notice: its system calls go on.
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  return sigaction(signal, &action, previous) < 0 ? -errno : 0;
}

void Fill(Subscriptions& list, SignalMailbox* mailbox) {
  for (Slot* slot = list.first.load(); slot != nullptr; slot = slot->next) {
    if (slot->mailbox.load() == nullptr) {
      slot->mailbox.store(mailbox);
      return;
    }
  }
  Slot* slot = new Slot;
  slot->mailbox.store(mailbox);
  slot->next = list.first.load();
  list.first.store(slot);
}

}  // namespace

int SignalHub::Subscribe(int signal, SignalMailbox* mailbox) {
  HandleForks();
  const std::lock_guard<std::mutex> lock(SubscriptionMutex());
  Subscriptions& list = subscriptions[signal];
  if (list.count == 0) {
    if (const int result = Install(signal, &list.previous); result < 0) {
      return result;
    }
  }
  ++list.count;
  Fill(list, mailbox);
  return 0;
}

void SignalHub::Unsubscribe(int signal, SignalMailbox* mailbox) {
  const std::lock_guard<std::mutex> lock(SubscriptionMutex());
  Subscriptions& list = subscriptions[signal];
  if (--list.count == 0) sigaction(signal, &list.previous, nullptr);
  for (Slot* slot = list.first.load(); slot != nullptr; slot = slot->next) {
    if (slot->mailbox.load() == mailbox) {
      slot->mailbox.store(nullptr);
      break;
    }
  }
  // A handler that began before may still hold the pointer. It runs to its end
  // in a few instructions and cannot wait for us.
  while (handlers_running.load() != 0) std::this_thread::yield();
}

void SignalHub::Distribute(int signal) {
  handlers_running.fetch_add(1);
  for (const Slot* slot = subscriptions[signal].first.load(); slot != nullptr;
       slot = slot->next) {
    if (SignalMailbox* mailbox = slot->mailbox.load()) mailbox->Deliver(signal);
  }
  handlers_running.fetch_sub(1);
}

}  // namespace percore::internal
