#include "lookup/resolver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace tipstaff {
namespace {

TEST(Resolver, KnowsWhatANameLooksLike) {
  for (const char* good : {"example.com", "office-1.example.net", "a", "_x.example.org", "example.com.", "1a.example"})
    EXPECT_TRUE(is_dns_name(good)) << good;
  const std::string label(64, 'a');
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a..b"), std::string(".example.com"), std::string("192.0.2.1"),
        std::string("2001:db8::1"), std::string("ex ample.com"), std::string("b\xc3\xbc.example"), label + ".example",
        std::string("192.0.2.0/24"), std::string(300, 'a'), std::string("*.example.com"),
        std::string("-rf.example.com"), std::string("a-.example"), std::string("1.2.3"), std::string("a\0.example", 10),
        std::string("a.example..")}) {
    EXPECT_FALSE(is_dns_name(bad)) << bad;
  }
}

TEST(Resolver, KnowsServersByAddressAndPort) {
  EXPECT_EQ(dns_server_of("192.0.2.53"), "192.0.2.53:53");
  EXPECT_EQ(dns_server_of("192.0.2.53:5353"), "192.0.2.53:5353");
  EXPECT_EQ(dns_server_of("2001:db8::53"), "[2001:db8::53]:53");
  EXPECT_EQ(dns_server_of("[2001:db8::53]:5353"), "[2001:db8::53]:5353");
  for (const char* bad : {"", "dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:70000", "[2001:db8::53",
                          "[2001:db8::53]x", "192.0.2.53:53x"})
    EXPECT_FALSE(dns_server_of(bad)) << bad;
}

TEST(Resolver, AsksTheSystem) {
  const auto local = resolve("localhost");
  ASSERT_TRUE(local.has_value()) << local.error().message();
  EXPECT_TRUE(std::ranges::all_of(*local, &IpAddress::is_loopback));
  EXPECT_TRUE(std::ranges::is_sorted(*local));
}

}  // namespace
}  // namespace tipstaff
