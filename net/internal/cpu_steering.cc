#include "percore/net/internal/cpu_steering.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

using Program = std::vector<sock_filter>;

// A place that no socket has: the kernel falls back to its hash.
constexpr uint32_t kNoSocket = UINT32_MAX;

constexpr sock_filter kLoadCpu = BPF_STMT(
    BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_CPU));

absl::Status Attach(int fd, Program program, Kernel& kernel) {
  const sock_fprog native = {.len = static_cast<unsigned short>(program.size()),
                             .filter = program.data()};
  const int result = kernel.SetSocketOption(
      fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &native, sizeof(native));
  if (result == 0) return absl::OkStatus();
  return SystemError(-result, "setsockopt SO_ATTACH_REUSEPORT_CBPF",
                     absl::StrCat("fd ", fd));
}

}  // namespace

absl::Status SteerByCpu(int fd, const std::vector<int>& cpus, Kernel& kernel) {
  Program program = {kLoadCpu};
  for (size_t place = 0; place < cpus.size(); ++place) {
    if (std::count(cpus.begin(), cpus.end(), cpus[place]) > 1) continue;
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                               static_cast<uint32_t>(cpus[place]), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, static_cast<uint32_t>(place)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, kNoSocket));
  return Attach(fd, std::move(program), kernel);
}

absl::Status SteerByCpuModulo(int fd, int sockets, Kernel& kernel) {
  return Attach(
      fd,
      {kLoadCpu,
       BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, static_cast<uint32_t>(sockets)),
       BPF_STMT(BPF_RET | BPF_A, 0)},
      kernel);
}

}  // namespace percore::internal
