// Customers are not attackers: who logs in here may fail more often, within bounds that a stolen account does not widen.
// Each bound is shown from both sides.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;
using testing_decide::failure;
using testing_decide::Judge;
using testing_decide::success;

constexpr std::string_view kRules = R"(
[protect]
recent_success = "7d"
stale_factor = 10
known_account = "30d"
[[rule]]
name = "Spraying"
trigger_window = "1d"
occurrences = 10
lockout = "2h"
distinct = "account"
continue = true
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 5
lockout = "2h"
escalate = ["2h", "1d"]
count_by = "prefix"
ipv4_prefix = 32
)";

constexpr const char* kOffice = "192.0.2.10";

// What is said of `tries` failures, a second apart, each different sentence once.
std::string fail(Judge& judge, std::chrono::microseconds from, std::string_view address, int tries,
                 std::string_view account) {
  std::string all;
  for (int i = 0; i < tries; ++i) {
    const std::string said = judge(failure(from + i * 1s, address, account));
    if (!said.empty()) all += fmt::format("{}{}: {}", all.empty() ? "" : "; ", i + 1, said);
  }
  return all;
}

// Anna and bo work in the office; carol has an account, but never logged in from there.
Judge office() {
  Judge judge(kRules);
  EXPECT_EQ(judge(success(0s, "198.51.100.77", "carol")), "");
  EXPECT_EQ(judge(success(1s, kOffice, "anna")), "");
  EXPECT_EQ(judge(success(2s, kOffice, "bo")), "");
  return judge;
}

TEST(StaleClient, IsToldThenShutOutOfItsServiceAlone) {
  Judge judge = office();
  EXPECT_EQ(fail(judge, 1h, kOffice, 49, "carol"), "5: alert Stale client");
  EXPECT_EQ(judge.engine().counters().stale, 49U);
  EXPECT_EQ(judge(failure(1h + 49s, kOffice, "carol")), "block 192.0.2.10 7200");
  const Verdict verdict = judge.said().at(0);
  EXPECT_TRUE(verdict.stale_client);
  EXPECT_TRUE(verdict.narrowed.to_service);
  EXPECT_EQ(verdict.service, "sshd");
  EXPECT_EQ(verdict.counted, 50U);
  EXPECT_EQ(verdict.name(), "Catch All Login");
  // behind the block is that service alone
  const auto before = judge.engine().counters().behind_block;
  EXPECT_EQ(fail(judge, 1h + 1min, kOffice, 3, "carol"), "");
  EXPECT_EQ(judge.engine().counters().behind_block, before + 3);
  Attempt mail = failure(1h + 2min, kOffice, "root");
  mail.service = "dovecot";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(judge(mail), "");
  EXPECT_EQ(judge.engine().counters().behind_block, before + 3);
  EXPECT_EQ(judge(mail), "block 192.0.2.10 7200");  // an attacker in the office is still one
  EXPECT_TRUE(judge.said().at(0).service.empty());
}

TEST(StaleClient, TheAlertComesOnceADayAndNamesItself) {
  Judge judge = office();
  for (int day = 0; day < 3; ++day) {
    for (int hour = 1; hour < 24; ++hour) {
      const auto said = fail(judge, 24h * day + hour * 1h, kOffice, 6, "carol");
      EXPECT_EQ(said, hour == 1 ? "5: alert Stale client" : "") << day << " " << hour;
    }
    EXPECT_EQ(judge(success(24h * (day + 1), kOffice, "anna")), "");
    EXPECT_EQ(judge(success(24h * (day + 1), kOffice, "bo")), "");
  }
  Judge other = office();
  EXPECT_EQ(fail(other, 1h, kOffice, 5, "carol"), "5: alert Stale client");
  const Verdict& verdict = other.said().at(0);
  EXPECT_EQ(verdict.name(), "Stale client");
  EXPECT_EQ(verdict.account, "carol");
  EXPECT_EQ(verdict.network.to_string(), kOffice);
}

TEST(StaleClient, AnAccountThatNeverLoggedInIsNone) {
  Judge judge = office();
  EXPECT_EQ(fail(judge, 1h, kOffice, 5, "administrator"), "5: block 192.0.2.10 7200");
  EXPECT_TRUE(judge.said().at(0).service.empty());
  // nor one whose last login is too long ago; the office goes on working
  Judge late = office();
  for (int day = 1; day <= 30; ++day) {
    EXPECT_EQ(late(success(24h * day, kOffice, "anna")), "");
    EXPECT_EQ(late(success(24h * day, kOffice, "bo")), "");
  }
  EXPECT_EQ(fail(late, 24h * 30 + 1min, kOffice, 5, "carol"), "5: block 192.0.2.10 7200");
}

TEST(StaleClient, OneOtherAccountMakesNoOffice) {
  Judge judge(kRules);
  EXPECT_EQ(judge(success(0s, "198.51.100.77", "carol")), "");
  EXPECT_EQ(judge(success(1s, "203.0.113.9", "anna")), "");  // one stolen account
  EXPECT_EQ(judge(success(2s, "203.0.113.9", "anna")), "");
  EXPECT_EQ(fail(judge, 1h, "203.0.113.9", 5, "carol"), "5: block 203.0.113.9 7200");
  EXPECT_TRUE(judge.said().at(0).service.empty());
}

TEST(StaleClient, TheOthersMustHaveLoggedInLately) {
  Judge judge = office();
  EXPECT_EQ(judge(success(24h * 6, kOffice, "bo")), "");
  EXPECT_EQ(fail(judge, 24h * 7 + 1s, kOffice, 5, "carol"), "5: block 192.0.2.10 7200");  // anna has not
}

TEST(StaleClient, TwoAccountsADayAreBorneAtAPlace) {
  Judge judge = office();
  for (const char* name : {"dan", "eve", "fay"}) EXPECT_EQ(judge(success(3s, "198.51.100.77", name)), "");
  EXPECT_EQ(fail(judge, 1h, kOffice, 20, "carol"), "5: alert Stale client");
  EXPECT_EQ(fail(judge, 2h, kOffice, 20, "dan"), "5: alert Stale client");
  EXPECT_EQ(fail(judge, 3h, kOffice, 5, "eve"), "5: block 192.0.2.10 7200");
  EXPECT_EQ(fail(judge, 6h, kOffice, 5, "fay"), "5: block 192.0.2.10 86400");
  Judge next = office();
  for (const char* name : {"dan", "eve"}) EXPECT_EQ(next(success(3s, "198.51.100.77", name)), "");
  EXPECT_EQ(fail(next, 1h, kOffice, 1, "carol") + fail(next, 1h, kOffice, 1, "dan"), "");
  EXPECT_EQ(fail(next, 25h + 1s, kOffice, 20, "eve"), "5: alert Stale client");  // their day is over
}

TEST(StaleClient, SprayingIsCountedAsEver) {
  Judge judge = office();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(judge(success(3s, "198.51.100.77", fmt::format("user{}", i))), "");
  std::string said;
  for (int i = 0; i < 10 && said.empty(); ++i) said = judge(failure(1h + i * 40min, kOffice, fmt::format("user{}", i)));
  EXPECT_EQ(said, "block 192.0.2.10 7200");
  EXPECT_EQ(judge.said().at(0).rule->name, "Spraying");
}

TEST(StaleClient, IsOffWhereTheSettingIsOne) {
  Judge judge("[protect]\nrecent_success = \"7d\"\n" + std::string(kRules.substr(kRules.find("[[rule]]"))));
  EXPECT_EQ(judge(success(0s, "198.51.100.77", "carol")), "");
  for (const char* name : {"anna", "bo", "dan"}) EXPECT_EQ(judge(success(1s, kOffice, name)), "");
  EXPECT_EQ(fail(judge, 1h, kOffice, 5, "carol"), "5: block 192.0.2.10 7200");
}

TEST(StaleClient, HoldsForTheWholeSlash64) {
  Judge judge(kRules);
  EXPECT_EQ(judge(success(0s, "198.51.100.77", "carol")), "");
  EXPECT_EQ(judge(success(1s, "2001:db8::a", "anna")), "");
  EXPECT_EQ(judge(success(2s, "2001:db8::b", "bo")), "");
  EXPECT_EQ(fail(judge, 1h, "2001:db8::c", 6, "carol"), "5: alert Stale client");
  EXPECT_EQ(fail(judge, 2h, "2001:db8:0:1::c", 5, "carol"), "5: block 2001:db8:0:1::/64 7200");
}

TEST(StaleClient, ItsBlockStandsAgainAfterARestart) {
  Judge first = office();
  EXPECT_EQ(fail(first, 1h, kOffice, 50, "carol"), "5: alert Stale client; 50: block 192.0.2.10 7200");
  const Verdict verdict = first.said().at(0);
  const auto config = config_of(kRules);
  RuleEngine engine(config);
  const Attempt cause = failure(verdict.at - testing_decide::kStart, kOffice, "carol");
  engine.restore(config->rules[1], cause, verdict.until, verdict.narrowed);
  std::vector<Verdict> said;
  engine.judge(failure(1h + 60s, kOffice, "root"), said);
  EXPECT_EQ(engine.counters().behind_block, 1U);
  Attempt mail = failure(1h + 60s, kOffice, "root");
  mail.service = "dovecot";
  engine.judge(mail, said);
  EXPECT_EQ(engine.counters().behind_block, 1U);
  engine.lift(config->rules[1], cause);
  engine.judge(failure(1h + 61s, kOffice, "root"), said);
  EXPECT_EQ(engine.counters().behind_block, 1U);
  EXPECT_TRUE(said.empty());
}

TEST(RecentSuccess, AGuessedOneProtectsNobody) {
  Judge judge(kRules);
  EXPECT_EQ(fail(judge, 0s, "203.0.113.9", 4, "anna"), "");
  EXPECT_EQ(judge(success(10s, "203.0.113.9", "anna")), "");  // the owner, after four typing errors
  EXPECT_EQ(fail(judge, 2h, "203.0.113.9", 50, "anna"), "");
  Judge slow(kRules);  // four in half an hour never fill the rule
  for (int i = 0; i < 6; ++i) EXPECT_EQ(slow(failure(i * 10min, "203.0.113.9", "anna")), "");
  EXPECT_EQ(slow(success(1h, "203.0.113.9", "anna")), "");
  EXPECT_EQ(fail(slow, 3h, "203.0.113.9", 5, "anna"), "5: block 203.0.113.9 7200");
}

TEST(RecentSuccess, NorOneBehindABlockOrRightAfterIt) {
  Judge judge(kRules);
  EXPECT_EQ(fail(judge, 0s, "203.0.113.9", 5, "anna"), "5: block 203.0.113.9 7200");
  EXPECT_EQ(judge(success(1h, "203.0.113.9", "anna")), "");
  EXPECT_EQ(judge(success(2h + 10s, "203.0.113.9", "anna")), "");
  EXPECT_EQ(fail(judge, 4h, "203.0.113.9", 5, "anna"), "5: block 203.0.113.9 86400");
}

TEST(RecentSuccess, AnHourOfQuietIsEnough) {
  Judge judge(kRules);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(judge(failure(i * 10min, "203.0.113.9", "anna")), "");
  EXPECT_EQ(judge(success(50min + 1h, "203.0.113.9", "anna")), "");
  EXPECT_EQ(fail(judge, 3h, "203.0.113.9", 50, "anna"), "");
}

TEST(RecentSuccess, GuessesFromAllOfASlash64CountTogether) {
  Judge judge(
      "[protect]\nrecent_success = \"7d\"\n[[rule]]\nname = \"R\"\ntrigger_window = \"10m\"\n"
      "occurrences = 5\nlockout = \"1h\"\n");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(judge(failure(i * 1s, fmt::format("2001:db8::{}", i + 1), "anna")), "");
  EXPECT_EQ(judge(success(10s, "2001:db8::7", "anna")), "");
  EXPECT_EQ(fail(judge, 1min, "2001:db8::7", 5, "anna"), "5: block 2001:db8::7 3600");
  // and so does what it protects: the owner's next temporary address
  EXPECT_EQ(judge(success(4h, "2001:db8:0:5::1", "anna")), "");
  EXPECT_EQ(fail(judge, 5h, "2001:db8:0:5::2", 50, "anna"), "");
}

TEST(RecentSuccess, WhoIsKnownStaysKnown) {
  Judge judge(kRules);
  EXPECT_EQ(judge(success(0s, kOffice, "anna")), "");
  for (int day = 1; day < 20; ++day) {
    EXPECT_EQ(fail(judge, 24h * day, kOffice, 20, "anna"), "") << day;  // an old password in a mail program
    EXPECT_EQ(judge(success(24h * day + 1min, kOffice, "anna")), "");
  }
}

TEST(RecentSuccess, AStolenAccountOpensNothingElse) {
  Judge judge(kRules);
  EXPECT_EQ(judge(success(0s, "198.51.100.77", "carol")), "");
  EXPECT_EQ(judge(success(0s, "203.0.113.9", "stolen")), "");
  EXPECT_EQ(fail(judge, 1min, "203.0.113.9", 20, "stolen"), "");  // that much is forgiven, to it alone
  EXPECT_EQ(fail(judge, 2min, "203.0.113.9", 5, "carol"), "5: block 203.0.113.9 7200");
  EXPECT_EQ(fail(judge, 3min, "203.0.113.10", 5, "stolen"), "5: block 203.0.113.10 7200");
}

TEST(Protection, ItsTablesAreBounded) {
  Judge judge("[limits]\ntracked = 100\n" + std::string(kRules));
  for (int i = 0; i < 5'000; ++i) {
    const std::string address = fmt::format("198.51.{}.{}", i / 250, i % 250);
    judge(success(i * 1ms, address, fmt::format("user{}", i)));
    judge(failure(i * 1ms, address, fmt::format("other{}", i)));
  }
  EXPECT_GT(judge.engine().counters().evicted, 10'000U);
}

}  // namespace
}  // namespace tipstaff
