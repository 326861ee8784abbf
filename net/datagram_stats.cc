#include "percore/net/datagram_stats.h"

#include <cerrno>

namespace percore {

DatagramSendError DatagramSendErrorOf(int error) {
  switch (error) {
    case EMSGSIZE:
      return DatagramSendError::kTooLarge;
    case ECONNREFUSED:
      return DatagramSendError::kRefused;
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
      return DatagramSendError::kUnreachable;
    case EACCES:
    case EPERM:
      return DatagramSendError::kNotPermitted;
    case ENOBUFS:
    case ENOMEM:
      return DatagramSendError::kNoMemory;
    default:
      return DatagramSendError::kOther;
  }
}

}  // namespace percore
