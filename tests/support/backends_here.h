// The back ends that a test can be run with on this machine.
//
// ```cpp
// for (const std::string& backend : percore::BackendsHere()) {
//   auto base = percore::EventBase::Create({.backend = backend});
// }
// ```
#ifndef PERCORE_TESTS_SUPPORT_BACKENDS_HERE_H_
#define PERCORE_TESTS_SUPPORT_BACKENDS_HERE_H_

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore {

// Says loudly which of this build's are left out: io_uring, where the kernel is
// too old or refuses it.
inline std::vector<std::string> BackendsHere() {
  std::vector<std::string> here;
  for (const std::string& name : EventBase::SupportedBackends()) {
    const auto base = EventBase::Create({.backend = name});
    if (base.ok()) {
      here.push_back(name);
    } else {
      std::cerr << "NOT TESTED HERE: " << name << ": " << base.status() << '\n';
    }
  }
  return here;
}

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_BACKENDS_HERE_H_
