#include "percore/net/socket_pair.h"

#include <sys/socket.h>

#include "percore/runtime/error.h"

namespace percore {
namespace {

int NativeType(SocketPairType type) {
  switch (type) {
    case SocketPairType::kDatagram:
      return SOCK_DGRAM;
    case SocketPairType::kSequencedPacket:
      return SOCK_SEQPACKET;
    case SocketPairType::kStream:
      break;
  }
  return SOCK_STREAM;
}

}  // namespace

absl::StatusOr<std::array<UniqueFd, 2>> SocketPair(SocketPairType type,
                                                   Kernel& kernel) {
  std::array<int, 2> ends;
  const int result =
      kernel.SocketPair(AF_UNIX, NativeType(type), 0, ends.data());
  if (result < 0) return SystemError(-result, "socketpair");
  return std::array<UniqueFd, 2>{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace percore
