// What tests of signals are repeated over: every back end, with a handler and
// with signalfd(2).
//
// ```cpp
// class ChildTest
//     : public testing::TestWithParam<percore::SignalParameters> {};
// INSTANTIATE_TEST_SUITE_P(AllBackends, ChildTest,
//                          percore::AllSignalParameters(),
//                          percore::NameOfSignalParameters);
// ```
#ifndef PERCORE_TESTS_SUPPORT_SIGNAL_PARAMETERS_H_
#define PERCORE_TESTS_SUPPORT_SIGNAL_PARAMETERS_H_

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/backends_here.h"

namespace percore {

using SignalParameters = std::tuple<std::string, SignalMethod>;

inline auto AllSignalParameters() {
  return testing::Combine(
      testing::ValuesIn(BackendsHere()),
      testing::Values(SignalMethod::kHandler, SignalMethod::kSignalFd));
}

inline std::string NameOfSignalParameters(
    const testing::TestParamInfo<SignalParameters>& info) {
  const auto& [backend, method] = info.param;
  return backend +
         (method == SignalMethod::kHandler ? "_handler" : "_signalfd");
}

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SIGNAL_PARAMETERS_H_
