#ifndef PERCORE_TESTS_SUPPORT_GTEST_HEADERS_H_
#define PERCORE_TESTS_SUPPORT_GTEST_HEADERS_H_

// What every test begins with, so that it is compiled once: reading it takes 2
// to 3 seconds of each test (see percore_test in tools/percore.bzl). A test
// includes what it uses nevertheless: it must compile without this.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "percore/tools/common_headers.h"

#endif  // PERCORE_TESTS_SUPPORT_GTEST_HEADERS_H_
