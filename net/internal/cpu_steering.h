// Which socket of a SO_REUSEPORT group has a new connection, by the CPU that
// handled its first packet.
//
// By itself the kernel chooses by a hash of the addresses: a connection whose
// packets arrive on one CPU is then served by a shard on another. A classic BPF
// program, which needs no privilege, chooses instead. What it answers is a
// place in the kernel's list of the group, which has the order of the listen()
// calls; when a socket is closed, the last one takes its place.
#ifndef PERCORE_NET_INTERNAL_CPU_STEERING_H_
#define PERCORE_NET_INTERNAL_CPU_STEERING_H_

#include <vector>

#include "absl/status/status.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// Steers the group that the listening socket `fd` belongs to. `cpus` has the
// CPU of each socket, in the order in which they began to listen. What arrives
// on a CPU that is not in there, or more than once, is spread by the kernel's
// hash over all. Any thread. Errors: what the kernel says.
absl::Status SteerByCpu(int fd, const std::vector<int>& cpus, Kernel& kernel);

// The same without knowing the CPUs: CPU c to socket c modulo `sockets`.
absl::Status SteerByCpuModulo(int fd, int sockets, Kernel& kernel);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_CPU_STEERING_H_
