// Two connections that are each other's peer, in memory: what one writes, the
// other reads.
//
// For tests of what speaks to a connection, and for parts of a program that do
// so without a socket in between.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// auto [client, server] = percore::MakeBufferEventPair(**base);
// absl::Status status = server->Enable(percore::EventFlags::kRead);
// client->output().Append("hello");  // arrives by moving, uncopied
// ```
#ifndef PERCORE_NET_BUFFER_EVENT_PAIR_H_
#define PERCORE_NET_BUFFER_EVENT_PAIR_H_

#include <memory>
#include <utility>

#include "percore/net/buffer_event.h"
#include "percore/runtime/event_base.h"

namespace percore {

// Nothing is kept in between: bytes stay in the writer's output() until the
// reader reads, and there is room below its high watermark. They move when the
// loop comes to it, or in Flush(). Destroying one end is an end of file for the
// other, which has EPIPE for what it still writes. Thread: the base's.
std::pair<std::unique_ptr<BufferEvent>, std::unique_ptr<BufferEvent>>
MakeBufferEventPair(EventBase& base, const BufferEventOptions& options = {});

// The same for users of their own. Either may be attached first; it waits for
// the other as for one that neither reads nor writes. Thread: the base's.
std::pair<TransportPtr, TransportPtr> MakePairTransports(EventBase& base);

}  // namespace percore

#endif  // PERCORE_NET_BUFFER_EVENT_PAIR_H_
