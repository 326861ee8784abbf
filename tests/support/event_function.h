// An event's callback as a function object: for tests, where it is the
// shortest.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// int calls = 0;
// percore::EventFunction count = [&](int, percore::EventFlags) { ++calls; };
// percore::Event event(**base, -1, percore::EventFlags::kNone,
//                      &percore::CallEventFunction, &count);
// ```
#ifndef PERCORE_TESTS_SUPPORT_EVENT_FUNCTION_H_
#define PERCORE_TESTS_SUPPORT_EVENT_FUNCTION_H_

#include <functional>

#include "percore/runtime/event_base.h"

namespace percore {

using EventFunction = std::function<void(int fd, EventFlags what)>;

// The callback of an event whose argument is the EventFunction.
inline void CallEventFunction(int fd, EventFlags what, void* function) {
  (*static_cast<EventFunction*>(function))(fd, what);
}

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_EVENT_FUNCTION_H_
