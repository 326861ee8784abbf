#include "percore/bench/runtime/message_cases.h"

#include <pthread.h>
#include <sched.h>

#include <cstddef>

namespace percore::bench {

std::vector<int> TwoCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (!Check(sched_getaffinity(0, sizeof(allowed), &allowed) == 0,
             "sched_getaffinity")) {
    return {0};
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < 2; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

void PinLoop(const std::vector<int>& cpus, int loop) {
  cpu_set_t cpu;
  CPU_ZERO(&cpu);
  CPU_SET(cpus[static_cast<size_t>(loop) % cpus.size()], &cpu);
  Check(pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu) == 0,
        "pthread_setaffinity_np");
}

}  // namespace percore::bench
