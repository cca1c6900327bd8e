#include "lookup/own_addresses.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tipstaff {
namespace {

TEST(OwnAddresses, AlwaysHoldTheLoopbackNetworks) {
  const auto all = own_addresses();
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1"}) {
    const auto address = *IpAddress::parse(text);
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const IpNetwork& one) { return one.contains(address); }))
        << text;
  }
}

TEST(OwnAddresses, AreHostsNotWholeNetworks) {
  for (const auto& one : own_addresses()) {
    EXPECT_TRUE(one.is_host() || one.address().is_loopback() || one.to_string() == "127.0.0.0/8") << one.to_string();
  }
}

}  // namespace
}  // namespace tipstaff
