// The status model: what is sent comes back the same, and people see the tree they know.
#include "control/guard_status.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using testing_guard::instant;

GuardStatus sample() {
  GuardStatus status;
  status.now = instant("2026-11-25T08:10:00Z");
  status.since = instant("2026-11-25T08:00:00Z");
  status.ledger = "/var/lib/tipstaff";
  status.recorded = 12;
  status.failures = 10;
  status.enforcement.standing = 1;
  status.successes = 1;
  status.problems = {"/etc/tipstaff/tipstaff.toml:3: a mistake"};
  SourceStatus source;
  source.name = "file:/var/log/auth.log";
  source.state = "following";
  source.lines = 30;
  source.known_program = 20;
  source.understood = 19;
  source.implausible = 2;
  source.unsure = 1;
  source.lost = 3;
  source.behind = 4;
  source.last = instant("2026-11-25T08:09:50Z");
  source.skew = -7;
  source.alarms = {"nothing\x1b[2J is understood"};
  status.sources = {source};
  RuleStatus rule;
  rule.name = "Catch All Login";
  rule.sentence = "5 failures shut it out.";
  rule.currently_failed = 3;
  rule.total_failed = 10;
  rule.total_verdicts = 2;
  rule.currently_blocked = 1;
  rule.blocked = {{"192.0.2.1", "", "gate", instant("2026-11-25T08:05:00Z"), instant("2026-11-25T10:05:00Z")}};
  RuleStatus alert;
  alert.name = "Spraying";
  alert.blocks = false;
  status.rules = {rule, alert};
  status.lookups.databases = {"libloc, Testers of 2026-01-02 (/x/location.db)"};
  return status;
}

TEST(GuardStatus, JsonComesBackTheSame) {
  const std::string text = to_json(sample());
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto back = parse_status(text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(to_json(*back), text);
}

TEST(GuardStatus, WhatIsNoStatusIsAnError) {
  const std::string whole = to_json(sample());
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
                                  std::string(R"({"error":"x"})"), whole.substr(0, whole.size() / 2)}) {
    const auto back = parse_status(text);
    ASSERT_FALSE(back.has_value()) << text;
    EXPECT_EQ(back.error().kind, ErrorKind::invalid);
  }
}

TEST(GuardStatus, TheTree) {
  const auto tree = to_tree(sample(), "");
  ASSERT_TRUE(tree.has_value());
  EXPECT_EQ(*tree, R"(Status: guarding since 2026-11-25T08:00:00Z, watch-only: nothing is shut
|- PROBLEM: /etc/tipstaff/tipstaff.toml:3: a mistake
|- Sources
|  `- file:/var/log/auth.log: following
|     |- Lines seen:          30
|     |- Of a known program:  20
|     |- Understood:          19
|     |- Last line:           10 s ago
|     |- Skew:                stamps are 7 s ahead of arrival
|     |- Implausible stamps:  2 (arrival counted instead; is the clock or the time zone of this source wrong?)
|     |- May be forged:       1 (kept as probes, they count for nothing)
|     |- Lost:                3
|     |- Not read yet:        4
|     `- ALARM: nothing\x1b[2J is understood
|- Attempts
|  |- Failures:  10
|  |- Successes: 1
|  `- Probes:    0
|- Exempt: 0 networks
|  `- Tries of exempt addresses: 0
|- Look-ups
|  |- DNS: off (turn on with [lookups] dns = true)
|  `- Database: libloc, Testers of 2026-01-02 (/x/location.db)
|- Blocks: watch-only, nothing is shut (enforce with --enforce)
|  `- Standing:  1
|- Ledger: /var/lib/tipstaff
|  `- Rows written: 12
`- Rules
   |- Catch All Login
   |  |- Filter
   |  |  |- Currently failed: 3
   |  |  `- Total failed:     10
   |  `- Actions
   |     |- Currently blocked: 1 (would be: watch-only)
   |     |- Total blocked:     2
   |     `- Would be blocked IP list: 192.0.2.1
   `- Spraying
      |- Filter
      |  |- Currently failed: 0
      |  `- Total failed:     0
      `- Actions
         `- Total alerts: 0
)");
}

TEST(GuardStatus, TheTreeOfAGuardThatEnforces) {
  GuardStatus status = sample();
  status.watch_only = false;
  status.enforcement = {.enforcing = true,
                        .backend = "enforcer",
                        .connected = false,
                        .problem = "the enforcer is not there",
                        .standing = 3,
                        .by_hand = 2,
                        .in_force = 1,
                        .exempt = 1,
                        .not_effective = 1,
                        .dropped = 12,
                        .exemptions = 4};
  status.rules[0].blocked[0].until = Instant::max();
  const auto back = parse_status(to_json(status));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(to_json(*back), to_json(status));
  EXPECT_EQ(back->rules[0].blocked[0].until, Instant::max());
  const auto tree = to_tree(*back, "");
  ASSERT_TRUE(tree.has_value());
  EXPECT_NE(tree->find(R"(|- Blocks: enforcing by enforcer
|  |- NOT IN FORCE: the enforcer is not there
|  |- Standing:  3, 2 of them by hand
|  |- In force:  1
|  |- Dropped:   12 packets
|  |- Observed:  1 (exempt by the enforcer's own allowlist)
|  |- Exempt for a time: 4
|  `- NOT EFFECTIVE: 1
)"),
            std::string::npos)
      << *tree;
  EXPECT_NE(tree->find("`- Blocked IP list: 192.0.2.1"), std::string::npos) << *tree;
}

TEST(GuardStatus, OneRule) {
  const auto tree = to_tree(sample(), "Catch All Login");
  ASSERT_TRUE(tree.has_value());
  EXPECT_EQ(*tree, R"(Status for the rule: Catch All Login
|- Filter
|  |- Currently failed: 3
|  |- Total failed:     10
|  `- Source list:      file:/var/log/auth.log
`- Actions
   |- Currently blocked: 1 (would be: watch-only)
   |- Total blocked:     2
   `- Would be blocked IP list: 192.0.2.1
)");
  const auto none = to_tree(sample(), "sshd");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().text, "no rule is called 'sshd'; there are \"Catch All Login\", \"Spraying\"");
}

TEST(GuardStatus, ReadFromTheLedgerItSaysSo) {
  GuardStatus status = sample();
  status.running = false;
  const auto tree = to_tree(status, "");
  ASSERT_TRUE(tree.has_value());
  EXPECT_TRUE(tree->starts_with("Status: the guard is not running; this is what the ledger holds\n")) << *tree;
  EXPECT_NE(tree->find("Currently failed: not known without the guard"), std::string::npos) << *tree;
  EXPECT_EQ(tree->find("Lines seen"), std::string::npos) << *tree;
  EXPECT_NE(tree->find("Failures:  10\n"), std::string::npos) << *tree;
  EXPECT_NE(tree->find("Total blocked:     2\n"), std::string::npos) << *tree;
  const auto object = boost::json::parse(to_json(status)).as_object();
  EXPECT_TRUE(object.at("sources").at(0).at("lines").is_null());
  EXPECT_TRUE(object.at("rules").at(0).at("total_failed").is_null());
  EXPECT_EQ(object.at("rules").at(0).at("total_verdicts").to_number<int>(), 2);
  EXPECT_TRUE(object.at("enforcement").at("in_force").is_null());
  EXPECT_FALSE(object.at("ledger").at("recording").as_bool());
}

}  // namespace
}  // namespace tipstaff
