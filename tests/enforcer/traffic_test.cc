// Real packets through the real program, in networks of the test's own: attacker -- host (with the enforcer) -- server.
#include "tests/enforcer/program.h"

namespace tipstaff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How long a connection is given that must not come to stand; that its packets were dropped is known from their count.
constexpr milliseconds kShort{300};

constexpr std::uint16_t kPort = 2222;
constexpr std::uint16_t kOther = 2525;

class EnforcerTraffic : public testing::Test, protected AttackedNetworks {
 protected:
  EnforcerTraffic() : AttackedNetworks({kPort, kOther}) {}

  bool passes(const std::string& from, const std::string& to, std::uint16_t port = kPort) const {
    return AttackedNetworks::passes(from, to, port);
  }
  // It does not come to stand, and the block's count says that its packets were dropped.
  void expect_dropped(EnforcerPeer& peer, const BlockKey& key, const std::string& from, const std::string& to,
                      std::uint16_t port = kPort) {
    const std::uint64_t before = peer.dropped(key);
    const Socket tried = begin_connection(attacker, from, to, port);
    EXPECT_FALSE(is_connected(tried, kShort)) << from << " to " << to;
    EXPECT_TRUE(comes_true([&] { return peer.dropped(key) > before; }))
        << from << " to " << to << ": nothing was counted";
  }
};

TEST_F(EnforcerTraffic, BlockedIsDroppedAndComesAgainAfterItsTime) {
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  struct Case {
    const char* from;
    const char* to;
    const char* forwarded;
  };
  for (const Case& each :
       {Case{"198.51.100.2", "198.51.100.1", "192.0.2.2"}, Case{"2001:db8:1::2", "2001:db8:1::1", "2001:db8:2::2"}}) {
    const BlockKey key = key_of(each.from);
    ASSERT_TRUE(passes(each.from, each.to));
    ASSERT_TRUE(passes(each.from, each.forwarded));
    ASSERT_TRUE(guard.ask(block_message({key})).entries.empty());
    expect_dropped(guard, key, each.from, each.to);
    expect_dropped(guard, key, each.from, each.forwarded);
    EXPECT_TRUE(passes(each.from == std::string("198.51.100.2") ? "198.51.100.3" : "2001:db8:1::3", each.to));
    // a new end, soon; it takes effect by itself, and the count of all is told
    const std::uint64_t before = guard.dropped(key);
    ASSERT_TRUE(guard.ask(block_message({key}, from_now(milliseconds(200)))).entries.empty());
    const auto over = guard.event(MessageType::ended);
    ASSERT_TRUE(over);
    ASSERT_EQ(over->entries.size(), 1U);
    EXPECT_EQ(over->entries[0].key, key);
    EXPECT_GE(over->entries[0].dropped, before);
    EXPECT_GE(before, 2U);
    EXPECT_TRUE(passes(each.from, each.to));
    EXPECT_TRUE(passes(each.from, each.forwarded));
  }
}

TEST_F(EnforcerTraffic, AServiceBlockShutsItsPortAlone) {
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  for (const auto& [from, to] :
       {std::pair("198.51.100.2", "198.51.100.1"), std::pair("2001:db8:1::2", "2001:db8:1::1")}) {
    const BlockKey key = key_of(from, 6, kPort);
    guard.ask(block_message({key}));
    expect_dropped(guard, key, from, to);
    EXPECT_TRUE(passes(from, to, kOther));
    guard.ask(unblock_message({key}));
    EXPECT_TRUE(passes(from, to));
    // a network's: under its mask
    const BlockKey network =
        key_of(std::string(from) + (std::string_view(from).contains(':') ? "/64" : "/26"), 6, kOther);
    guard.ask(block_message({network}));
    expect_dropped(guard, network, from, to, kOther);
    EXPECT_TRUE(passes(from, to));
  }
}

// As Docker publishes ports: the port that was asked for is the service's, whatever it is translated to.
TEST_F(EnforcerTraffic, AServiceBlockKnowsThePortThatWasAskedFor) {
  host.nft(
      "table ip nat {\nchain pre {\ntype nat hook prerouting priority dstnat\ntcp dport 8022 dnat to "
      "192.0.2.2:2222\n}\n}\n");
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  ASSERT_TRUE(passes("198.51.100.2", "198.51.100.1", 8022));
  const BlockKey key = key_of("198.51.100.2", 6, 8022);
  guard.ask(block_message({key}));
  expect_dropped(guard, key, "198.51.100.2", "198.51.100.1", 8022);
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1", kPort));
}

TEST_F(EnforcerTraffic, UdpIsDroppedToo) {
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  const Socket receiver = listen_at(host, "198.51.100.1", 5353, SOCK_DGRAM);
  const Socket sender = listen_at(attacker, "198.51.100.2", 5353, SOCK_DGRAM);
  const auto [where, size] = detail::socket_address("198.51.100.1", 5353);
  const auto send = [&, &to = where, length = size] {
    return ::sendto(sender.file(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), length);
  };
  ASSERT_EQ(send(), 1);
  char byte = 0;
  ASSERT_TRUE(receiver.waits(POLLIN, kPatience));
  ASSERT_EQ(::recv(receiver.file(), &byte, 1, 0), 1);
  const BlockKey key = key_of("198.51.100.2", 17, 5353);
  guard.ask(block_message({key}));
  ASSERT_EQ(send(), 1);
  EXPECT_TRUE(comes_true([&] { return guard.dropped(key) == 1; }));
  EXPECT_FALSE(receiver.waits(POLLIN, milliseconds(0)));
}

TEST_F(EnforcerTraffic, TheAllowlistWinsOverAWiderBlock) {
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  guard.ask(block_message({key_of("198.51.100.0/24"), key_of("2001:db8:1::/64")}));
  expect_dropped(guard, key_of("198.51.100.0/24"), "198.51.100.2", "198.51.100.1");
  // root's file, read again
  write_file(program.allowlist(), "198.51.100.2\n2001:db8:1::2\n");
  ASSERT_EQ(::chmod(program.allowlist().c_str(), 0644), 0);
  program.signal(SIGHUP);
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1"));
  EXPECT_TRUE(passes("2001:db8:1::2", "2001:db8:1::1"));
  expect_dropped(guard, key_of("198.51.100.0/24"), "198.51.100.3", "198.51.100.1");
  EXPECT_EQ(guard.ask(block_message({key_of("198.51.100.2", 6, kPort)})).entries.at(0).result, EntryResult::exempt);
  // the guard's exemptions
  guard.ask({.type = MessageType::allow, .first = true, .entries = {{.key = key_of("198.51.100.3")}}});
  EXPECT_TRUE(passes("198.51.100.3", "198.51.100.1"));
  // a wrong file: what was in force stays
  write_file(program.allowlist(), "office\n");
  program.signal(SIGHUP);
  EXPECT_TRUE(
      comes_true([&] { return program.said().contains("NOT TAKEN") && program.said().contains("allowlist:1"); }));
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1"));
}

TEST_F(EnforcerTraffic, OwnAddressesAndGatewaysAreExemptAlsoNewOnes) {
  host.ip("route add default via 192.0.2.2");
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  const auto said = guard.ask(block_message({key_of("198.51.100.1"), key_of("192.0.2.2"), key_of("127.0.0.1"),
                                             key_of("::1"), key_of("2001:db8:1::1"), key_of("198.51.100.99")}));
  EXPECT_EQ(said.entries.size(), 5U);
  host.ip("address add 198.51.100.99/24 dev h0");
  const auto over = guard.event(MessageType::ended);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->entries.at(0).key, key_of("198.51.100.99"));
  EXPECT_EQ(over->entries.at(0).result, EntryResult::exempt);
}

TEST_F(EnforcerTraffic, ConnectionsThatThisMachineOpensToABlockedHostWork) {
  EnforcerProgram program(host);
  EnforcerPeer guard(program.socket());
  const Socket theirs = listen_at(attacker, "198.51.100.2", 25);
  guard.ask(block_message({key_of("198.51.100.2")}));
  EXPECT_TRUE(connects(host, "198.51.100.1", "198.51.100.2", 25));
  EXPECT_TRUE(connects(server, "192.0.2.2", "198.51.100.2", 25)) << "and those of the machines behind it";
  expect_dropped(guard, key_of("198.51.100.2"), "198.51.100.2", "198.51.100.1");
}

// Bytes arrive within the time.
bool hears(const Socket& socket, milliseconds patience) {
  char byte = 0;
  return socket.waits(POLLIN, patience) && ::recv(socket.file(), &byte, 1, MSG_DONTWAIT) == 1;
}

Socket accept_from(const Socket& listener) {
  EXPECT_TRUE(listener.waits(POLLIN, kPatience));
  return Socket(::accept4(listener.file(), nullptr, nullptr, SOCK_CLOEXEC));
}

TEST_F(EnforcerTraffic, EstablishedConnectionsEndUnlessTheyAreKept) {
  for (const bool keep : {false, true}) {
    EnforcerProgram program(host, keep ? std::vector<std::string>{"--keep-established"} : std::vector<std::string>{});
    EnforcerPeer guard(program.socket());
    const Socket listener = listen_at(host, "198.51.100.1", 4000);
    const Socket client = begin_connection(attacker, "198.51.100.2", "198.51.100.1", 4000);
    ASSERT_TRUE(is_connected(client, kPatience));
    const Socket accepted = accept_from(listener);
    ASSERT_EQ(::send(client.file(), "x", 1, 0), 1);
    ASSERT_TRUE(hears(accepted, kPatience));
    const BlockKey key = key_of("198.51.100.2");
    guard.ask(block_message({key}));
    ASSERT_EQ(::send(client.file(), "x", 1, 0), 1);
    EXPECT_EQ(hears(accepted, keep ? milliseconds(kPatience) : kShort), keep);
    EXPECT_EQ(guard.dropped(key), 0U) << "what belongs to an old connection is no sign that the attack goes on";
    expect_dropped(guard, key, "198.51.100.2", "198.51.100.1", 4000);
    guard.ask(unblock_message({key}));
  }
}

TEST_F(EnforcerTraffic, CountsGoOnOverNewEndsAndAKill) {
  EnforcerProgram program(host);
  std::uint64_t count = 0;
  const BlockKey key = key_of("198.51.100.2");
  {
    EnforcerPeer guard(program.socket());
    guard.ask(block_message({key}, from_now(seconds(3'000))));
    expect_dropped(guard, key, "198.51.100.2", "198.51.100.1");
    guard.ask(block_message({key}, from_now(seconds(4'000))));
    count = guard.dropped(key);
    EXPECT_GE(count, 1U);
    expect_dropped(guard, key, "198.51.100.2", "198.51.100.1");
    count = guard.dropped(key);
    EXPECT_GE(count, 2U);
  }
  EXPECT_EQ(program.end(SIGKILL), -SIGKILL);
  EXPECT_FALSE(connects(attacker, "198.51.100.2", "198.51.100.1", kPort, kShort)) << "nobody runs, and it stays shut";
  program.start();
  EnforcerPeer guard(program.socket());
  EXPECT_GT(guard.dropped(key), count);
  expect_dropped(guard, key, "198.51.100.2", "198.51.100.1");
  EXPECT_GT(guard.ask(unblock_message({key})).entries.at(0).dropped, count + 1);
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1"));
}

TEST_F(EnforcerTraffic, WhatEndedWhileItWasDeadIsToldWithItsCount) {
  EnforcerProgram program(host);
  const BlockKey key = key_of("198.51.100.2");
  const Instant until = from_now(milliseconds(1'500));
  std::uint64_t count = 0;
  {
    EnforcerPeer guard(program.socket());
    guard.ask(block_message({key}, until));
    const Socket tried = begin_connection(attacker, "198.51.100.2", "198.51.100.1", kPort);
    EXPECT_FALSE(is_connected(tried, kShort));
    count = guard.dropped(key);
  }
  program.end(SIGKILL);
  ASSERT_TRUE(comes_true([&] { return from_now(milliseconds(0)) > until; }));
  program.start();
  EnforcerPeer guard(program.socket());
  const auto over = guard.event(MessageType::ended);
  ASSERT_TRUE(over);
  EXPECT_EQ(over->entries.at(0).key, key);
  EXPECT_EQ(over->entries.at(0).until, until) << "to the microsecond";
  EXPECT_GE(over->entries.at(0).dropped, std::max<std::uint64_t>(count, 1));
  EXPECT_TRUE(passes("198.51.100.2", "198.51.100.1"));
}

}  // namespace
}  // namespace tipstaff
