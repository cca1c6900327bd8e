#include "sources/peer_rates.h"

#include <gtest/gtest.h>

#include <chrono>

namespace tipstaff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Instant kStart{seconds(1'800'000'000)};

int admitted(PeerRates& rates, const char* peer, Instant now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += rates.admit(*IpAddress::parse(peer), now) ? 1 : 0;
  return count;
}

TEST(PeerRates, EachSenderHasItsOwnShareWhichFillsAgain) {
  PeerRates rates(10);
  EXPECT_EQ(admitted(rates, "192.0.2.1", kStart, 100), 50);
  EXPECT_EQ(admitted(rates, "192.0.2.2", kStart, 100), 50);
  EXPECT_EQ(admitted(rates, "192.0.2.1", kStart + milliseconds(300), 100), 3);
  EXPECT_EQ(admitted(rates, "192.0.2.1", kStart, 100), 0);  // the clock was set back
  EXPECT_EQ(admitted(rates, "192.0.2.1", kStart + std::chrono::hours(1), 100), 50);
}

TEST(PeerRates, ANetworkOfIpv6IsOneSender) {
  PeerRates rates(10);
  EXPECT_EQ(admitted(rates, "2001:db8::1", kStart, 30), 30);
  EXPECT_EQ(admitted(rates, "2001:db8::2", kStart, 30), 20);
  EXPECT_EQ(admitted(rates, "2001:db8:0:1::1", kStart, 60), 50);
}

TEST(PeerRates, MadeUpAddressesTakeNoMoreRoomAndShareOneShare) {
  PeerRates rates(10);
  int taken = 0;
  for (std::uint32_t i = 0; i < 10'000; ++i) taken += rates.admit(IpAddress::v4(0xc6336400U + i), kStart) ? 1 : 0;
  EXPECT_EQ(rates.peers(), PeerRates::kMostPeers);
  EXPECT_EQ(taken, static_cast<int>(PeerRates::kMostPeers) + 50);
  EXPECT_EQ(admitted(rates, "192.0.2.1", kStart + seconds(PeerRates::kBurst), 60), 50);  // the old ones made room
  EXPECT_EQ(rates.peers(), 1U);
}

}  // namespace
}  // namespace tipstaff
