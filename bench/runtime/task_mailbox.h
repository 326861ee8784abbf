// What a user of a loop without messages of its own writes: a vector behind a
// mutex, which the receiver empties in one go.
#ifndef PERCORE_BENCH_RUNTIME_TASK_MAILBOX_H_
#define PERCORE_BENCH_RUNTIME_TASK_MAILBOX_H_

#include <mutex>
#include <vector>

namespace percore::bench {

// A call to be made in another thread.
struct Task {
  void (*function)(void*);
  void* argument;
};

class TaskMailbox {
 public:
  // Any thread. True if the receiver must be woken: it was empty.
  bool Push(Task task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(task);
    return tasks_.size() == 1;
  }

  // The receiver's thread.
  void RunAll() {
    {
      const std::lock_guard lock(mutex_);
      tasks_.swap(taken_);
    }
    for (const Task& task : taken_) task.function(task.argument);
    taken_.clear();
  }

 private:
  std::mutex mutex_;
  std::vector<Task> tasks_;
  // The receiver's; keeps its memory from one time to the next.
  std::vector<Task> taken_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_TASK_MAILBOX_H_
