// The merged ranges must say exactly what IpNetwork::contains says of each entry.
#include "decide/exemptions.h"

#include <gtest/gtest.h>

namespace tipstaff {
namespace {

Exemptions of(std::initializer_list<const char*> networks) {
  std::vector<Exemption> entries;
  for (const char* network : networks) entries.push_back({IpNetwork::parse(network).value(), network});
  return Exemptions(std::move(entries));
}

TEST(Exemptions, AgreeWithEachNetwork) {
  const Exemptions sets[] = {
      of({}),
      of({"192.0.2.7"}),
      of({"192.0.2.0/24", "192.0.2.128/25", "192.0.3.0/24", "0.0.0.0/32", "255.255.255.255"}),
      of({"0.0.0.0/0"}),
      of({"::/0"}),
      of({"::/64", "2001:db8::/32", "2001:db8:1::7", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}),
      of({"2001:db8::/127", "2001:db8::2/128", "::1", "8000::/1"}),
  };
  const char* const addresses[] = {
      "0.0.0.0",          "0.0.0.1",         "192.0.1.255", "192.0.2.0",
      "192.0.2.7",        "192.0.2.255",     "192.0.3.0",   "192.0.4.0",
      "255.255.255.254",  "255.255.255.255", "::",          "::1",
      "::fffe:ffff:ffff", "::1:0:0:0",       "::1:0:0:0:0", "2001:db8::",
      "2001:db8::1",      "2001:db8::2",     "2001:db8::3", "2001:db8:1::7",
      "2001:db9::",       "7fff::",          "8000::",      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
      "::ffff:192.0.2.7"};
  for (const Exemptions& set : sets) {
    for (const char* text : addresses) {
      const IpAddress address = IpAddress::parse(text).value();
      const Exemption* found = set.find(address);
      EXPECT_EQ(set.contains(address), found != nullptr) << text << (found != nullptr ? " in " + found->where : "");
    }
    for (const char* text :
         {"0.0.0.0/0", "192.0.2.0/24", "192.0.2.6/31", "192.0.4.0/22", "255.0.0.0/8", "::/0", "::/16", "::/96",
          "2001:db8::/64", "2001:db8:1::/64", "2001:db8:2::/64", "8000::/1", "4000::/2", "ffff::/16", "2001:db8::2"}) {
      const IpNetwork network = IpNetwork::parse(text).value();
      EXPECT_EQ(set.overlaps(network), set.find(network) != nullptr) << text;
    }
  }
}

TEST(Exemptions, WhoEnforcesGetsEachNetworkOnce) {
  const Exemptions a = of({"192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1"});
  const Exemptions b = of({"192.0.2.128/25", "198.51.100.1", "2001:db8:1::1", "::/64", "198.51.100.1"});
  std::string all;
  for (const IpNetwork& one : networks_of({&a, nullptr, &b})) all += one.to_string() + " ";
  EXPECT_EQ(all, "192.0.2.0/24 198.51.100.1 ::/64 2001:db8::/32 ");
  EXPECT_TRUE(networks_of({}).empty());
}

}  // namespace
}  // namespace tipstaff
