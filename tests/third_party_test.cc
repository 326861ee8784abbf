#include <benchmark/benchmark.h>
#include <event2/event.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <prometheus/registry.h>
#include <uv.h>
#include <zlib.h>

#include <array>
#include <asio/io_context.hpp>

#include "absl/flags/flag.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

ABSL_FLAG(int, third_party_test_number, 7, "a flag that nothing sets");

namespace {

TEST(ThirdPartyTest, AbseilLinks) {
  absl::StatusOr<int> number = absl::GetFlag(FLAGS_third_party_test_number);
  EXPECT_EQ(absl::StrCat(*number), "7");
}

TEST(ThirdPartyTest, OpenSslLinks) {
  std::array<unsigned char, 16> bytes;
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 1);
  EXPECT_NE(TLS_method(), nullptr);
}

TEST(ThirdPartyTest, ZlibLinks) { EXPECT_EQ(crc32(0, nullptr, 0), 0U); }

TEST(ThirdPartyTest, PrometheusLinks) {
  EXPECT_TRUE(prometheus::Registry().Collect().empty());
}

TEST(ThirdPartyTest, PeersLink) {
  EXPECT_NE(event_get_version_number(), 0);
  EXPECT_NE(uv_version(), 0);
  EXPECT_EQ(asio::io_context().run(), 0U);
  io_uring_probe* const probe = io_uring_get_probe();  // Null without io_uring.
  io_uring_free_probe(probe);
}

TEST(ThirdPartyTest, BenchmarkLinks) {
  EXPECT_NE(benchmark::RegisterBenchmark("nothing", [](benchmark::State&) {}),
            nullptr);
}

}  // namespace
