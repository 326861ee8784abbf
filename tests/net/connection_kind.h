// Every kind of connection, for tests of what holds for all of them.
#ifndef PERCORE_TESTS_NET_CONNECTION_KIND_H_
#define PERCORE_TESTS_NET_CONNECTION_KIND_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {

// Two ends that are connected.
struct Ends {
  std::unique_ptr<BufferEvent> near;
  std::unique_ptr<BufferEvent> far;
};

struct ConnectionKind {
  // With this kind's back end. Null, and the test skipped, where the system has
  // no io_uring.
  std::unique_ptr<EventBase> MakeBase(TestKernel& kernel) const;

  std::string name;
  Ends (*connect)(EventBase& base, const BufferEventOptions& options);
  // Whether the kernel holds bytes between the two.
  bool has_kernel_buffers;
  std::string backend = "epoll";
  // As a kernel has it that cannot bound a receive that goes on.
  bool old_kernel = false;
};

const std::vector<ConnectionKind>& AllConnectionKinds();

}  // namespace percore

#endif  // PERCORE_TESTS_NET_CONNECTION_KIND_H_
