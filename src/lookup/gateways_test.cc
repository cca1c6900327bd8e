#include "lookup/gateways.h"

#include <gtest/gtest.h>

#include <string>

namespace tipstaff {
namespace {

std::string text_of(const std::vector<Gateway>& all) {
  std::string text;
  for (const Gateway& one : all) text += one.address.to_string() + " " + one.interface + "; ";
  return text;
}

TEST(Gateways, OfIpv4AreThoseOfDefaultRoutesThatAreUp) {
  const char* const table =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
      "eth1\t00000000\t016433C6\t0002\t0\t0\t200\t00000000\t0\t0\t0\n"  // down
      "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"    // no next hop
      "tun0\t00000000\t010A0A0A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"    // 0.0.0.0/1
      "eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
      "broken line\n"
      "eth2\t00000000\tzz0200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
  EXPECT_EQ(text_of(gateways_of_ipv4(table)), "192.0.2.1 eth0; ");
  EXPECT_EQ(text_of(gateways_of_ipv4("")), "");
}

TEST(Gateways, OfIpv6Too) {
  const std::string zeros(32, '0');
  const std::string table =
      "20010db8000000000000000000000000 40 " + zeros + " 00 " + zeros + " 00000100 00000001 00000000 00000001 eth0\n" +
      zeros + " 00 " + zeros + " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n" +
      zeros + " 00 " + zeros + " 00 " + zeros + " ffffffff 00000001 00000000 00200200 lo\n" + zeros + " 00 " + zeros +
      " 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 eth1";
  EXPECT_EQ(text_of(gateways_of_ipv6(table)), "fe80::1 eth0; 2001:db8::1 eth1; ");
}

TEST(Gateways, OfThisMachineCanBeAsked) { EXPECT_LE(default_gateways().size(), 2 * kMostGateways); }

}  // namespace
}  // namespace tipstaff
