// The enforcing guard driven by hand: lines become blocks in a firewall of the test's, changes by hand hold, and a restart
// of guard, enforcer or both changes nothing.
#include <gtest/gtest.h>

#include <algorithm>

#include "control/enforcement_testing.h"
#include "control/guard_commands.h"
#include "control/guard_core.h"
#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_enforce::Bench;
using testing_enforce::kNow;
using testing_guard::Feed;
using testing_guard::kSource;
using testing_guard::MemoryLedger;
using Texts = std::vector<std::string>;

constexpr const char* kRules = R"(
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 3
lockout = "2h"
exempt = ["203.0.113.77"]
[allowlist]
networks = ["198.51.100.0/24"]
)";

IpNetwork net(const char* text) { return *IpNetwork::parse(text); }

// Guard, firewall and ledger; each may end.
struct Guarding {
  Bench bench{};
  Feed feed{};
  MemoryLedger ledger{};
  bool ledger_works = true;
  std::unique_ptr<GuardCore> core{};
  std::unique_ptr<GuardCommands> commands{};

  Guarding() { start(); }

  void start(bool enforcing = true) {
    bench.rows.clear();
    bench.start(enforcing);
    const auto config = testing_guard::rules(kRules);
    bench.enforcement->configure({.enforcing = enforcing, .ports = testing_enforce::ports, .exempt = config->exempt});
    core = std::make_unique<GuardCore>(
        config, testing_guard::detectors(), [this](Priority, const std::string& text) { bench.said.push_back(text); },
        bench.now, bench.enforcement);
    commands = std::make_unique<GuardCommands>(
        bench.enforcement, [this](Priority, const std::string& text) { bench.said.push_back(text); },
        GuardCommands::Surroundings{.core = [this]() -> GuardCore& { return *core; },
                                    .write_now = [this] { return commit(); },
                                    .clock = [this] { return bench.now; }});
    ReadMark read;
    if (const auto row = ledger.positions.find(kSource); row != ledger.positions.end()) {
      const SavedSource saved = from_position(row->second);
      feed.rewind(saved.resume);
      read = saved.read;
    } else {
      feed.rewind({1, 0});
    }
    core->add_source(kSource, TimeZone(), false, read, bench.now);
    core->restore(ledger.recent(), ledger.said(), bench.now);
    if (enforcing) bench.connect();
  }
  bool commit() {
    if (!ledger_works) return false;
    for (VerdictRow& row : bench.rows) core->add_row(std::move(row));
    bench.rows.clear();
    ledger.write(core->cut_batch(bench.now, [](std::size_t, Place) { return std::string("checkpoint"); }));
    return true;
  }
  // A failed login of the address, now.
  void fail(const std::string& address, int process = 0) {
    const std::string clock = to_rfc3339(bench.now);
    feed.lines.push_back(fmt::format("{} gate sshd[{}]: Failed password for root from {} port 40022 ssh2", clock,
                                     process == 0 ? 100 + static_cast<int>(feed.lines.size()) : process, address));
    read();
  }
  void line(const std::string& text, int process) {
    feed.lines.push_back(fmt::format("{} gate sshd[{}]: {}", to_rfc3339(bench.now), process, text));
    read();
  }
  void read() {
    feed.give(10'000, bench.now, false, [this](const Record& record) { core->take(0, record); });
  }
  void attack(const std::string& address) {
    for (int i = 0; i < 3; ++i) fail(address);
  }
};

TEST(GuardEnforcing, ALineBecomesABlockAtOnce) {
  Guarding guard;
  guard.attack("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"}) << "before anything is committed";
  guard.attack("198.51.100.7");
  EXPECT_EQ(guard.bench.held().size(), 1U) << "it is exempt";
  guard.commit();
  const auto said = guard.ledger.said();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_FALSE(said[0].watch_only);
  EXPECT_EQ(said[0].attempts.size(), 3U);
  const GuardStatus status = guard.core->status(guard.bench.now);
  EXPECT_FALSE(status.watch_only);
  EXPECT_EQ(status.rules.at(0).currently_blocked, 1U);
  EXPECT_EQ(status.enforcement.standing, 1U);
}

TEST(GuardEnforcing, ATryThatWasNoneOpens) {
  Guarding guard;
  guard.fail("192.0.2.1");
  guard.fail("192.0.2.1");
  guard.line(
      "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root",
      30);
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"});
  guard.line("Accepted password for root from 192.0.2.1 port 40022 ssh2", 30);
  EXPECT_EQ(guard.bench.held(), Texts{});
  guard.commit();
  guard.start();
  EXPECT_EQ(guard.bench.held(), Texts{});
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"}) << "the two before count on";
}

TEST(GuardEnforcing, ByHand) {
  Guarding guard;
  const auto blocked = guard.commands->block({net("192.0.2.1"), 2h, "", "spam", "uid 1000 (anna)"});
  ASSERT_TRUE(blocked) << blocked.error().message();
  EXPECT_TRUE(blocked->recorded);
  EXPECT_TRUE(blocked->block.enforced);
  EXPECT_EQ(blocked->note, "");
  EXPECT_EQ(blocked->block.by, "uid 1000 (anna)");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"});
  ASSERT_TRUE(guard.commands->block({net("2001:db8::/32"), std::nullopt, "sshd", "", "root"}));
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 7200", "2001:db8::/32:22 for ever"}));
  EXPECT_EQ(guard.ledger.said().size(), 2U) << "it is in the ledger before it is answered";

  const auto exempt = guard.commands->block({net("198.51.100.9"), 2h, "", "", "root"});
  ASSERT_FALSE(exempt);
  EXPECT_EQ(exempt.error().kind, ErrorKind::denied);
  EXPECT_EQ(exempt.error().where, "test.toml:9");
  EXPECT_NE(exempt.error().text.find("198.51.100.0/24"), std::string::npos);
  for (const BlockRequest& wrong :
       {BlockRequest{net("0.0.0.0/0"), 2h, "", "", ""}, BlockRequest{net("::/0"), 2h, "", "", ""},
        BlockRequest{net("192.0.2.2"), 2h, "finger", "", ""}, BlockRequest{net("192.0.2.2"), 0s, "", "", ""}}) {
    const auto answer = guard.commands->block(wrong);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::invalid);
  }
  const auto wide = guard.commands->block({net("198.51.0.0/16"), 2h, "", "", "root"});
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->note, "1 exempt networks within it stay open");
  std::size_t listed = 0;
  guard.commands->each_block([&](const StandingBlock&) { ++listed; });
  EXPECT_EQ(listed, 3U);
  ASSERT_EQ(guard.commands->blocks_of(*IpAddress::parse("192.0.2.1")).size(), 1U);
  EXPECT_EQ(guard.commands->block_of(wide->block.id)->network, net("198.51.0.0/16"));
}

TEST(GuardEnforcing, UnblockingLetsInWhoeverIsAskedFor) {
  Guarding guard;
  guard.attack("192.0.2.1");
  ASSERT_TRUE(guard.commands->block({net("192.0.2.0/24"), 2h, "", "", "root"}));
  ASSERT_TRUE(guard.commands->block({net("203.0.113.1"), 2h, "", "", "root"}));
  EXPECT_EQ(guard.bench.held().size(), 3U);
  const auto answer = guard.commands->unblock(net("192.0.2.1"), "a customer", "uid 1001 (bert)");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->count, 2U) << "the network that covers it too";
  EXPECT_EQ(guard.bench.held(), Texts{"203.0.113.1 7200"});
  EXPECT_FALSE(guard.commands->unblock(net("192.0.2.1"), "", "root"));
  guard.fail("192.0.2.1");
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.bench.held().size(), 1U) << "it counts from nothing";
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 7200", "203.0.113.1 7200"}));
  const auto all = guard.commands->unblock(std::nullopt, "", "root");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->count, 2U);
  EXPECT_EQ(guard.bench.held(), Texts{});
  guard.start();
  EXPECT_EQ(guard.bench.held(), Texts{}) << "what was ended by hand does not return";
}

TEST(GuardEnforcing, WhatATrialsRulesBlockedIsTakenBackAndNothingElse) {
  Guarding guard;
  guard.attack("192.0.2.1");
  guard.bench.now += 1min;
  const Instant begun = guard.bench.now;
  guard.attack("192.0.2.2");
  ASSERT_TRUE(guard.commands->block({net("192.0.2.2"), 3h, "", "", "root"}));
  ASSERT_TRUE(guard.commands->block({net("192.0.2.0/24"), 4h, "", "", "root"}));
  EXPECT_EQ(guard.commands->take_back_since(begun, "on trial", "trial"), 1U);
  const Texts left{"192.0.2.0/24 14400", "192.0.2.1 7140", "192.0.2.2 10800"};
  EXPECT_EQ(guard.bench.held(), left);
  EXPECT_EQ(guard.commands->take_back_since(begun, "on trial", "trial"), 0U);
  guard.start();
  EXPECT_EQ(guard.bench.held(), left) << "nor does a restart change that";
}

TEST(GuardEnforcing, AnExemptionHolds) {
  Guarding guard;
  guard.attack("192.0.2.1");
  const auto answer =
      guard.commands->exempt({net("192.0.2.1"), guard.bench.now + 24h, "uid 1001 (bert)", "a customer"});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->note, "1 blocks within it ended");
  EXPECT_EQ(guard.bench.held(), Texts{});
  guard.attack("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{});
  const auto denied = guard.commands->block({net("192.0.2.1"), 2h, "", "", "root"});
  ASSERT_FALSE(denied);
  EXPECT_NE(denied.error().text.find("bert"), std::string::npos);
  guard.commit();
  guard.start();
  guard.attack("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{});
  ASSERT_EQ(guard.commands->exemptions().size(), 1U);
  ASSERT_TRUE(guard.commands->exempt({net("192.0.2.1"), guard.bench.now, "root", ""}));
  EXPECT_TRUE(guard.commands->exemptions().empty());
  guard.start();
  EXPECT_TRUE(guard.commands->exemptions().empty());
  guard.attack("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"});
  EXPECT_FALSE(guard.commands->exempt({net("0.0.0.0/0"), guard.bench.now + 24h, "root", ""}));
}

TEST(GuardEnforcing, AChangeHoldsThoughTheLedgerCannotTakeIt) {
  Guarding guard;
  guard.ledger_works = false;
  const auto answer = guard.commands->block({net("192.0.2.1"), 2h, "", "", "root"});
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->recorded);
  EXPECT_NE(answer->note.find("not certain to outlast a restart"), std::string::npos);
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"});
}

TEST(GuardEnforcing, WatchOnlyRecordsWhatItWouldDo) {
  Guarding guard;
  guard.start(false);
  const auto answer = guard.commands->block({net("192.0.2.1"), 2h, "", "", "root"});
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->watch_only);
  EXPECT_FALSE(answer->block.enforced);
  EXPECT_NE(answer->note.find("watch-only"), std::string::npos);
  guard.attack("192.0.2.9");
  guard.commit();
  for (const StoredVerdict& row : guard.ledger.said()) EXPECT_TRUE(row.watch_only);
  guard.start(true);
  EXPECT_EQ(guard.bench.held(), Texts{}) << "what was only watched is not shut by turning enforcing on";
  EXPECT_EQ(guard.bench.enforcement->passed_over(), 2U);
  guard.attack("192.0.2.9");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.9 7200"}) << "whoever goes on is blocked anew";
}

TEST(GuardEnforcing, ARestartBringsBackWhatStandsWithTheTimeThatIsLeft) {
  Guarding guard;
  guard.attack("192.0.2.1");
  ASSERT_TRUE(guard.commands->block({net("203.0.113.1"), std::nullopt, "", "", "root"}));
  guard.commit();
  guard.bench.pass(600s);
  guard.start();
  EXPECT_EQ(guard.bench.enforcer.asked, 2U) << "they were there all the time";
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 6600", "203.0.113.1 for ever"}));
  guard.bench.enforcer.blocks.clear();  // the machine is started anew
  guard.start();
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 6600", "203.0.113.1 for ever"}));
  guard.bench.pass(5s);
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 6595", "203.0.113.1 for ever"}));
  guard.fail("192.0.2.1");
  guard.fail("192.0.2.1");
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), (Texts{"192.0.2.1 6595", "203.0.113.1 for ever"})) << "behind a block nothing counts";
}

// What is over takes nothing along that it had ended: a ledger is asked for what has not come to its end.
TEST(GuardEnforcing, ARestartDoesNotBringBackWhatAShorterOneHadEnded) {
  Guarding guard;
  ASSERT_TRUE(guard.commands->block({net("203.0.113.1"), std::nullopt, "", "", "root"}));
  ASSERT_TRUE(guard.commands->block({net("203.0.113.1"), 10s, "", "", "root"}));
  ASSERT_TRUE(guard.commands->exempt({net("203.0.113.2"), guard.bench.now + 24h, "root", ""}));
  ASSERT_TRUE(guard.commands->exempt({net("203.0.113.2"), guard.bench.now + 10s, "root", ""}));
  guard.attack("192.0.2.1");
  ASSERT_TRUE(guard.commands->block({net("192.0.2.0/24"), 1h, "", "", "root"}));
  ASSERT_TRUE(guard.commands->exempt({net("192.0.2.1"), guard.bench.now + 10s, "root", ""}));
  guard.commit();
  guard.bench.pass(60s);
  const auto over = [&](const auto& one) {
    return one.second.until > one.second.at && *one.second.until <= guard.bench.now;
  };
  EXPECT_EQ(std::erase_if(guard.ledger.verdicts, over), 3U);
  guard.start();
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.0/24 3540"});
  EXPECT_TRUE(guard.commands->exemptions().empty());
}

// Killed before the block's row was written: the lines are read and judged again, and the firewall goes on as it was.
TEST(GuardEnforcing, ABlockWhoseRowWasLostIsJudgedAgain) {
  Guarding guard;
  guard.fail("192.0.2.1");
  guard.commit();
  guard.fail("192.0.2.1");
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"});
  guard.start();
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7200"}) << "not yet known, but for a second it is left";
  guard.read();
  guard.bench.pass(3s);
  EXPECT_EQ(guard.bench.held(), Texts{"192.0.2.1 7197"});
  EXPECT_EQ(guard.bench.enforcement->status().standing, 1U);
}

TEST(GuardEnforcing, AnAttemptBehindABlockIsSaid) {
  Guarding guard;
  guard.attack("192.0.2.1");
  guard.bench.firewall->run();
  guard.bench.pass(60s);
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.core->status(guard.bench.now).enforcement.not_effective, 0U);
  guard.bench.pass(120s);
  guard.fail("192.0.2.1");
  EXPECT_EQ(guard.core->status(guard.bench.now).enforcement.not_effective, 1U);
}

}  // namespace
}  // namespace tipstaff
