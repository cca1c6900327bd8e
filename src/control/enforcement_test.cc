// Book and firewall held together: at once, after either was away, and with counts that only grow.
#include "control/enforcement.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/enforcement_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_enforce::Bench;
using testing_enforce::kNow;
using Texts = std::vector<std::string>;

IpNetwork net(const char* text) { return *IpNetwork::parse(text); }

BlockKey key(const char* network, std::uint16_t port = 0) {
  return {net(network), static_cast<std::uint8_t>(port == 0 ? 0 : 6), port};
}

std::size_t count(const Texts& said, std::string_view part) {
  return static_cast<std::size_t>(
      std::ranges::count_if(said, [part](const std::string& text) { return text.find(part) != std::string::npos; }));
}

Attempt attempt_of(const char* address, Instant at, const char* service = "sshd") {
  Attempt attempt;
  attempt.address = IpAddress::parse(address);
  attempt.service = service;
  attempt.window_time = at;
  return attempt;
}

TEST(Enforcement, ABlockReachesTheFirewallAtOnceAndEndsThere) {
  Bench bench;
  bench.connect();
  const auto id = bench.block("192.0.2.1", 2h);
  EXPECT_EQ(bench.held(), Texts{"192.0.2.1 7200"});
  EXPECT_FALSE(bench.enforcement->book().standing(*bench.enforcement->book().find(id)).in_force);
  bench.firewall->run();
  EXPECT_TRUE(bench.enforcement->book().standing(*bench.enforcement->book().find(id)).in_force);
  bench.block("198.51.100.0/24", 0s);
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1 7200", "198.51.100.0/24 for ever"}));
  const auto was = bench.enforcement->end(id);
  ASSERT_TRUE(was);
  EXPECT_EQ(was->until, kNow + 2h);
  EXPECT_EQ(bench.held(), Texts{"198.51.100.0/24 for ever"});
  EXPECT_FALSE(bench.enforcement->end(id)) << "it has ended already";
  EXPECT_EQ(bench.enforcement->status().standing, 1U);
}

TEST(Enforcement, WatchOnlyKeepsTheBookAlone) {
  Bench bench(false);
  const auto id = bench.block("192.0.2.1", 2h);
  EXPECT_FALSE(bench.enforcement->book().find(id)->enforced);
  EXPECT_EQ(bench.enforcement->status().standing, 1U);
  EXPECT_FALSE(bench.enforcement->status().enforcing);
  bench.pass(7'300s);
  EXPECT_EQ(bench.enforcement->book().size(), 0U);
  EXPECT_TRUE(bench.rows.empty()) << "nothing was dropped, so nothing is counted";
}

// Two rules shut the same: the later end holds, and it is open when both have ended.
TEST(Enforcement, TheLatestEndHolds) {
  Bench bench;
  bench.connect();
  const auto a = bench.block("192.0.2.1", 2h, "a");
  const auto b = bench.block("192.0.2.1", 1h, "b");
  EXPECT_EQ(bench.held(), Texts{"192.0.2.1 7200"});
  EXPECT_TRUE(bench.enforcement->end(a));
  EXPECT_EQ(bench.held(), Texts{"192.0.2.1 3600"});
  EXPECT_TRUE(bench.enforcement->end(b));
  EXPECT_EQ(bench.held(), Texts{});
}

TEST(Enforcement, AServiceIsShutByItsPorts) {
  Bench bench;
  bench.connect();
  const auto dovecot = bench.block("192.0.2.1", 2h, "a", "dovecot");
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1:143 7200", "192.0.2.1:993 7200"}));
  const auto mail = bench.block("192.0.2.1", 3h, "b", "mail");  // has a port in common
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1:25 10800", "192.0.2.1:143 10800", "192.0.2.1:993 7200"}));
  EXPECT_TRUE(bench.enforcement->end(mail));
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1:143 7200", "192.0.2.1:993 7200"}));
  bench.block("192.0.2.1", 1h, "c");
  EXPECT_TRUE(bench.enforcement->end(dovecot));
  EXPECT_EQ(bench.held(), Texts{"192.0.2.1 3600"});
}

TEST(Enforcement, AServiceWithoutPortsIsSaidLoudlyOnce) {
  Bench bench;
  bench.connect();
  EXPECT_FALSE(bench.enforcement->shuts("finger"));
  EXPECT_FALSE(bench.enforcement->shuts("finger"));
  bench.block("192.0.2.1", 2h, "a", "finger");
  EXPECT_EQ(bench.held(), Texts{});
  EXPECT_EQ(count(bench.said, "finger"), 1U);
  EXPECT_EQ(bench.enforcement->problems().size(), 1U);
}

TEST(Enforcement, WhatComesWhileTheEnforcerIsAwayArrivesWhenItComes) {
  Bench bench;
  bench.enforcer.there = false;
  bench.connect();
  bench.enforcement->handlers().lost({ErrorKind::not_found, "the enforcer is not there", "/x"});
  EXPECT_EQ(bench.enforcement->problems().size(), 1U);
  EXPECT_EQ(bench.enforcement->status().problem, "/x: the enforcer is not there");
  EXPECT_EQ(bench.events.size(), 1U);
  bench.block("192.0.2.1", 2h);
  bench.block("192.0.2.2", 2h, "R", "sshd");
  EXPECT_EQ(bench.held(), Texts{});
  bench.enforcer.there = true;
  bench.firewall->run();
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1 7200", "192.0.2.2:22 7200"}));
  EXPECT_EQ(bench.enforcement->status().in_force, 2U);
  EXPECT_TRUE(bench.enforcement->problems().empty());
}

TEST(Enforcement, ComparesAfterAConnection) {
  Bench bench;
  bench.enforcer.blocks[key("192.0.2.1")] = {kNow + 1h, 0};  // has another end
  bench.enforcer.blocks[key("192.0.2.2")] = {kNow + 2h, 5};  // is right
  bench.enforcer.blocks[key("192.0.2.9")] = {kNow + 2h, 0};  // nobody knows it
  bench.enforcer.blocks[key("192.0.2.8")] = {kNow + 2h, 0};  // will be judged again
  bench.block("192.0.2.1", 2h);
  const auto right = bench.block("192.0.2.2", 2h);
  bench.block("192.0.2.3", 2h);
  bench.connect();
  EXPECT_EQ(bench.enforcer.asked, 2U) << "what is right is not sent again";
  EXPECT_EQ(bench.held(),
            (Texts{"192.0.2.1 7200", "192.0.2.2 7200", "192.0.2.3 7200", "192.0.2.8 7200", "192.0.2.9 7200"}));
  EXPECT_EQ(bench.enforcement->book().find(right)->dropped, 5U);
  bench.enforcement->pass();
  EXPECT_EQ(bench.enforcer.blocks.size(), 5U) << "not yet";
  bench.block("192.0.2.8", 2h);
  bench.pass(2s);
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1 7198", "192.0.2.2 7198", "192.0.2.3 7198", "192.0.2.8 7198"}));
  EXPECT_EQ(bench.enforcement->status().in_force, 4U);
}

TEST(Enforcement, LeavesStrangersAloneWhereTheLedgerCouldNotBeRead) {
  Bench bench;
  bench.start(true, false);
  bench.enforcer.blocks[key("192.0.2.9")] = {kNow + 1h, 0};
  bench.connect();
  bench.pass(5s);
  EXPECT_EQ(bench.enforcer.blocks.size(), 1U);
  EXPECT_EQ(bench.enforcement->problems().size(), 1U);
}

TEST(Enforcement, ExemptionsOfTheEnforcerAreObserved) {
  Bench bench;
  bench.enforcer.allowlist = {net("192.0.2.0/24")};
  bench.connect();
  const auto id = bench.block("192.0.2.1", 2h);
  bench.firewall->run();
  EXPECT_EQ(bench.held(), Texts{});
  EXPECT_TRUE(bench.enforcement->book().find(id)->exempt);
  EXPECT_EQ(bench.enforcement->status().exempt, 1U);
  EXPECT_EQ(count(bench.said, "192.0.2.1 is observed, not blocked"), 1U);
  EXPECT_TRUE(bench.enforcement->end(id));
}

TEST(Enforcement, AnExemptionForATimeOpensAndEnds) {
  Bench bench;
  bench.connect();
  bench.block("192.0.2.1", 2h);
  bench.block("192.0.2.0/24", 2h);
  const auto ended = bench.enforcement->exempt({net("192.0.2.1"), kNow + 60s, "anna", "customer"});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->size(), 1U);
  EXPECT_EQ(bench.held(), Texts{"192.0.2.0/24 7200"}) << "it goes on for the others";
  EXPECT_EQ(bench.enforcer.allowed, std::vector{net("192.0.2.1")});
  EXPECT_TRUE(bench.enforcement->book().is_exempt(*IpAddress::parse("192.0.2.1")));
  bench.pass(61s);
  EXPECT_TRUE(bench.enforcer.allowed.empty());
  EXPECT_FALSE(bench.enforcement->book().is_exempt(*IpAddress::parse("192.0.2.1")));
}

TEST(Enforcement, BlocksThatTheConfigurationExemptsEndAndAreWrittenDown) {
  Bench bench;
  bench.connect();
  bench.block("192.0.2.1", 2h);
  bench.block("192.0.2.0/24", 2h);
  bench.enforcement->configure(
      {.enforcing = true, .ports = testing_enforce::ports, .exempt = Exemptions({{net("192.0.2.0/25"), "a.toml:7"}})});
  bench.enforcement->end_exempt();
  EXPECT_EQ(bench.held(), Texts{"192.0.2.0/24 7200"});
  ASSERT_EQ(bench.rows.size(), 1U);
  EXPECT_EQ(bench.rows[0].kind, VerdictKind::unblock);
  EXPECT_EQ(bench.rows[0].why, "exempt by a.toml:7");
  EXPECT_EQ(bench.enforcer.allowed, std::vector{net("192.0.2.0/25")});
}

TEST(Enforcement, CountsGrowOverProlongingAndANewTable) {
  Bench bench;
  bench.connect();
  const auto id = bench.block("192.0.2.1", 2h);
  const auto dropped = [&] { return bench.enforcement->book().find(id)->dropped; };
  bench.enforcer.blocks[key("192.0.2.1")].dropped = 10;
  bench.pass(61s);
  EXPECT_EQ(dropped(), 10U);
  bench.enforcer.blocks[key("192.0.2.1")].dropped = 25;
  bench.pass(240s);
  EXPECT_EQ(dropped(), 25U);
  ASSERT_EQ(bench.rows.size(), 1U) << "once in five minutes";
  EXPECT_EQ(bench.rows[0].kind, VerdictKind::drops);
  EXPECT_EQ(bench.rows[0].dropped, 25U);
  // the machine is started anew: an empty table
  bench.enforcer.there = false;
  bench.firewall->run();
  bench.enforcer.blocks.clear();
  bench.enforcer.there = true;
  bench.firewall->run();
  bench.enforcer.blocks[key("192.0.2.1")].dropped = 3;
  bench.pass(61s);
  EXPECT_EQ(dropped(), 28U);
  // and it ends: the last count is written
  bench.enforcer.blocks[key("192.0.2.1")].dropped = 4;
  bench.rows.clear();
  bench.pass(2h);
  ASSERT_FALSE(bench.rows.empty());
  EXPECT_EQ(bench.rows.back().dropped, 29U);
  EXPECT_EQ(bench.rows.back().until, kNow + 2h);
  EXPECT_EQ(bench.enforcement->book().size(), 0U);
}

TEST(Enforcement, TheLastCountOfABlockEndedByHandIsWritten) {
  Bench bench;
  bench.connect();
  const auto id = bench.block("192.0.2.1", 2h, "R", "dovecot");
  bench.enforcer.blocks[key("192.0.2.1", 143)].dropped = 3;
  bench.enforcer.blocks[key("192.0.2.1", 993)].dropped = 4;
  EXPECT_TRUE(bench.enforcement->end(id));
  bench.pass(5s);
  ASSERT_EQ(bench.rows.size(), 1U);
  EXPECT_EQ(bench.rows[0].dropped, 7U);
  EXPECT_EQ(bench.rows[0].service, "dovecot");
}

TEST(Enforcement, ComesBackFromTheLedger) {
  Bench bench;
  bench.connect();
  std::vector<VerdictRow> ledger;
  const auto row = [&](VerdictKind kind, const char* network, Instant at, Instant until) -> VerdictRow& {
    VerdictRow& one = ledger.emplace_back();
    one.cause = {"control", 0, ledger.size(), 0};
    one.kind = kind;
    if (network != nullptr) one.network = net(network);
    one.at = at;
    one.until = until;
    return one;
  };
  row(VerdictKind::block, "192.0.2.1", kNow - 1h, kNow + 1h).rule = "R";
  row(VerdictKind::block, "192.0.2.2", kNow - 1h, kNow + 1h).rule = "R";
  row(VerdictKind::block, "192.0.2.3", kNow - 2h, kNow - 1h).rule = "R";  // over
  row(VerdictKind::block, "192.0.2.4", kNow - 1h, kNow + 1h).watch_only = true;
  row(VerdictKind::block, "192.0.2.5", kNow - 1h, kForever).by = "anna";
  row(VerdictKind::block, "192.0.2.6", kNow - 1h, kForever).by = "anna";
  row(VerdictKind::unblock, "192.0.2.6", kNow - 1h, kForever);
  row(VerdictKind::block, "192.0.2.2", kNow - 1h, kNow - 1h).rule = "R";  // taken back
  row(VerdictKind::exempt, "192.0.2.7", kNow - 1h, kNow + 1h);
  VerdictRow& drops = row(VerdictKind::drops, "192.0.2.1", kNow - 1h, kNow + 1h);
  drops.rule = "R";
  drops.dropped = 50;
  drops.counter = 20;
  bench.start();
  for (const VerdictRow& one : ledger) bench.enforcement->restore(one, kNow);
  EXPECT_EQ(bench.enforcement->passed_over(), 1U);
  bench.enforcer.blocks[key("192.0.2.1")] = {kNow + 1h, 22};  // two more since
  bench.connect();
  EXPECT_EQ(bench.held(), (Texts{"192.0.2.1 3600", "192.0.2.5 for ever"}));
  EXPECT_EQ(bench.enforcer.allowed, std::vector{net("192.0.2.7")});
  EXPECT_EQ(bench.enforcement->status().dropped, 52U);
}

TEST(Enforcement, SaysThatABlockIsNotEffective) {
  Bench bench;
  bench.connect();
  const auto id = bench.block("192.0.2.1", 2h, "R", "sshd");
  bench.firewall->run();
  const auto effective = [&] { return !bench.enforcement->book().find(id)->ineffective; };
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow - 1s));
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 30s));  // its connection may be an old one
  bench.enforcement->note_attempt(attempt_of("192.0.2.2", kNow + 5min));
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 5min, "dovecot"));
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 3h));
  EXPECT_TRUE(effective());
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 5min));
  bench.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 6min));
  EXPECT_FALSE(effective());
  EXPECT_EQ(count(bench.said, "not effective"), 1U) << "once for each block";
  EXPECT_EQ(count(bench.said, "listens on a port"), 1U);
  EXPECT_EQ(count(bench.said, "proxy"), 1U);
  ASSERT_EQ(bench.events.size(), 1U);
  EXPECT_EQ(bench.events[0].kind, "not_effective");
  EXPECT_EQ(bench.enforcement->problems().size(), 1U);
  EXPECT_EQ(bench.enforcement->status().not_effective, 1U);
}

TEST(Enforcement, NothingIsIneffectiveThatIsNotInForce) {
  Bench watch(false);
  watch.block("192.0.2.1", 2h);
  watch.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 5min));
  EXPECT_TRUE(watch.events.empty());
  Bench away;
  away.block("192.0.2.1", 2h);
  away.enforcement->note_attempt(attempt_of("192.0.2.1", kNow + 5min));
  EXPECT_TRUE(away.events.empty()) << "the enforcer has never said that it is in force";
}

TEST(Enforcement, WhatIsTakenOutBeforeItsTimeIsSaid) {
  Bench bench;
  bench.connect();
  bench.block("192.0.2.1", 2h);
  bench.firewall->run();
  const std::vector<Entry> cleared{{key("192.0.2.1"), kNow + 2h, 4, EntryResult::good}};
  bench.enforcer.blocks.clear();
  bench.firewall->handlers().ended(cleared);
  EXPECT_EQ(bench.enforcement->status().in_force, 0U);
  EXPECT_EQ(bench.enforcement->status().dropped, 4U);
  EXPECT_EQ(count(bench.said, "before their time"), 1U);
}

TEST(Enforcement, AHundredThousandAreComparedQuickly) {
  Bench bench;
  for (unsigned i = 0; i < 100'000; ++i) {
    bench.enforcement->add({.network = IpNetwork(IpAddress::v4(0x0a000000U + i), 32),
                            .rule = "R",
                            .at = kNow,
                            .until = kNow + 2h,
                            .enforced = true});
  }
  const auto begin = std::chrono::steady_clock::now();
  bench.connect();
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(bench.enforcer.blocks.size(), 100'000U);
  EXPECT_EQ(bench.enforcement->status().in_force, 100'000U);
  EXPECT_LT(took, 2s);
}

}  // namespace
}  // namespace tipstaff
