// Exemptions: what lies wholly inside one, and the ranges that the kernel's sets take.
#include "enforce/enforcer/network_set.h"

#include <gtest/gtest.h>

#include <string>

namespace tipstaff {
namespace {

IpNetwork network(const char* text) { return IpNetwork::parse(text).value(); }

std::string ranges_of(std::vector<IpNetwork> networks, bool v6) {
  std::string all;
  for (const auto& [first, last] : NetworkSet(std::move(networks)).ranges(v6)) {
    all += first.to_string() + "-" + last.to_string() + " ";
  }
  return all;
}

TEST(NetworkSet, CoversWhatLiesWhollyInside) {
  const NetworkSet set({network("192.0.2.0/24"), network("198.51.100.7"), network("2001:db8::/32")});
  for (const char* const inside : {"192.0.2.0/24", "192.0.2.255", "192.0.2.128/25", "198.51.100.7", "2001:db8::/32",
                                   "2001:db8:ffff::/48", "2001:db8::1"}) {
    EXPECT_TRUE(set.covers(network(inside))) << inside;
  }
  for (const char* const outside : {"192.0.2.0/23", "192.0.3.0", "198.51.100.6", "198.51.100.6/31", "0.0.0.0/0", "::/0",
                                    "2001:db9::1", "2001:db8::/31"}) {
    EXPECT_FALSE(set.covers(network(outside))) << outside;
  }
  EXPECT_FALSE(NetworkSet().covers(network("192.0.2.1")));
  EXPECT_FALSE(NetworkSet({network("0.0.0.0/0")}).covers(network("::1")));
  EXPECT_TRUE(NetworkSet({network("0.0.0.0/0")}).covers(network("255.255.255.255")));
}

TEST(NetworkSet, RangesNeitherOverlapNorTouch) {
  EXPECT_EQ(ranges_of({network("192.0.2.7"), network("192.0.2.0/24"), network("192.0.3.0/24"), network("192.0.5.1"),
                       network("192.0.5.1"), network("192.0.5.2"), network("2001:db8::1")},
                      false),
            "192.0.2.0-192.0.3.255 192.0.5.1-192.0.5.2 ");
  EXPECT_EQ(ranges_of({network("255.255.255.255"), network("0.0.0.0/1"), network("128.0.0.0/1")}, false),
            "0.0.0.0-255.255.255.255 ");
  EXPECT_EQ(
      ranges_of({network("::fffe:0:0/96"), network("2001:db8::/127"), network("2001:db8::2"), network("192.0.2.1")},
                true),
      "::fffe:0:0-::fffe:ffff:ffff 2001:db8::-2001:db8::2 ");
  EXPECT_EQ(ranges_of({network("::/0"), network("2001:db8::1")}, true), "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ");
}

TEST(NetworkSet, LastAndNext) {
  EXPECT_EQ(last_of(network("192.0.2.0/24")).to_string(), "192.0.2.255");
  EXPECT_EQ(last_of(network("2001:db8::/64")).to_string(), "2001:db8::ffff:ffff:ffff:ffff");
  EXPECT_EQ(last_of(network("2001:db8::/33")).to_string(), "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
  EXPECT_EQ(next_of(*IpAddress::parse("192.0.2.255"))->to_string(), "192.0.3.0");
  EXPECT_EQ(next_of(*IpAddress::parse("2001:db8::ffff:ffff:ffff:ffff"))->to_string(), "2001:db8:0:1::");
  EXPECT_FALSE(next_of(*IpAddress::parse("255.255.255.255")));
  EXPECT_FALSE(next_of(IpAddress(UINT64_MAX, UINT64_MAX)));
}

}  // namespace
}  // namespace tipstaff
