#include "percore/net/internal/stored_address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "percore/net/socket_address.h"

namespace percore::internal {
namespace {

class StoredAddressTest : public testing::TestWithParam<const char*> {};

TEST_P(StoredAddressTest, GivesBackWhatItWasMadeOf) {
  const SocketAddress address = *SocketAddress::Parse(GetParam());
  const StoredAddress stored(address);
  EXPECT_EQ(stored.Get(), address);
  EXPECT_EQ(stored.Get().ToString(), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Addresses, StoredAddressTest,
                         testing::Values("0.0.0.0:0", "127.0.0.1:80",
                                         "255.255.255.255:65535", "[::1]:8080",
                                         "unix:/run/x.sock", "unix:@name"));

TEST(StoredAddressOfTest, TheUnnamedIsUnnamed) {
  const sockaddr native = {.sa_family = AF_UNIX, .sa_data = {}};
  const SocketAddress unnamed =
      *SocketAddress::FromNative(&native, sizeof(sa_family_t));
  EXPECT_EQ(StoredAddress(unnamed).Get(), unnamed);
}

TEST(StoredAddressOfTest, TakesEightBytes) {
  EXPECT_EQ(sizeof(StoredAddress), 8u);
}

}  // namespace
}  // namespace percore::internal
