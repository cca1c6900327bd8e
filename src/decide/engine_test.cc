// The engine's promises, each as small as it can be shown. engine_model_test.cc compares it with a naive one at random.
#include "decide/engine.h"

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

constexpr std::string_view kCatchAll = R"(
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 5
lockout = "2h"
)";

std::string shut(Judge& judge, std::chrono::microseconds from, std::string_view address, int tries,
                 std::string_view account = "root") {
  std::string last;
  for (int i = 0; i < tries; ++i) last = judge(failure(from + i * 1s, address, account));
  return last;
}

TEST(Engine, FifthFailureBlocksFromThenUntilTheLockoutEnds) {
  Judge judge(kCatchAll);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(judge(failure(i * 2s, "198.51.100.23")), "");
  EXPECT_EQ(judge(failure(8s, "198.51.100.23")), "block 198.51.100.23 7200");
  const Verdict& verdict = judge.said().at(0);
  EXPECT_EQ(verdict.kind, Verdict::Kind::block);
  EXPECT_EQ(verdict.rule->name, "Catch All Login");
  EXPECT_EQ(verdict.at, testing_decide::kStart + 8s);
  EXPECT_EQ(verdict.until, testing_decide::kStart + 8s + 2h);
  EXPECT_EQ(verdict.host, "host-a");
  EXPECT_EQ(verdict.account, "root");
  EXPECT_EQ(verdict.counted, 5U);
  EXPECT_TRUE(verdict.service.empty());
  EXPECT_EQ(judge.engine().hits(), std::vector<std::uint64_t>{1});
}

struct Edge {
  std::chrono::microseconds fifth;
  std::string_view said;
};

TEST(Engine, ATryExactlyOneWindowOldNoLongerCounts) {
  for (const Edge& edge : {Edge{30min, ""}, Edge{30min - 1us, "block 198.51.100.23 7200"}, Edge{31min, ""}}) {
    Judge judge(kCatchAll);
    EXPECT_EQ(judge(failure(0s, "198.51.100.23")), "");
    EXPECT_EQ(shut(judge, 10min, "198.51.100.23", 3), "");
    EXPECT_EQ(judge(failure(edge.fifth, "198.51.100.23")), edge.said);
  }
}

TEST(Engine, WindowSlidesInsteadOfStartingAnew) {
  Judge judge(kCatchAll);
  std::string last;
  // host-c of the story: 09:33:18 is outside the window of 10:27:18, the other five are not
  for (const auto at : {9h + 33min + 18s, 10h + 1min + 23s, 10h + 1min + 26s, 10h + 1min + 58s, 10h + 27min + 17s}) {
    EXPECT_EQ(judge(failure(at, "198.51.100.23")), "");
  }
  EXPECT_EQ(judge(failure(10h + 27min + 18s, "198.51.100.23")), "block 198.51.100.23 7200");
}

TEST(Engine, BlockEmptiesTheCounterAndWhatComesBehindItCountsForNothing) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 0s, "198.51.100.23", 5), "block 198.51.100.23 7200");
  EXPECT_EQ(shut(judge, 1h + 50min, "198.51.100.23", 20), "");  // behind the block, within the window of its end
  EXPECT_EQ(judge.engine().counters().behind_block, 20U);
  EXPECT_EQ(judge(failure(2h + 4s - 1us, "198.51.100.23")), "");
  EXPECT_EQ(shut(judge, 2h + 4s, "198.51.100.23", 4), "");  // a block has ended at its until
  EXPECT_EQ(judge(failure(2h + 10s, "198.51.100.23")), "block 198.51.100.23 7200");
}

TEST(Engine, AnAttemptCountsForTheTriesItStandsFor) {
  Judge judge(kCatchAll);
  Attempt four = failure(1s, "203.0.113.77");
  four.count = 4;
  EXPECT_EQ(judge(failure(0s, "203.0.113.77")), "");
  EXPECT_EQ(judge(four), "block 203.0.113.77 7200");
  Attempt many = failure(2s, "203.0.113.78");
  many.count = 4'000'000'000U;
  EXPECT_EQ(judge(many), "block 203.0.113.78 7200");
}

TEST(Engine, SuccessesAndProbesAreNotFailuresAndASuccessClearsNothing) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 0s, "192.0.2.10", 4), "");
  EXPECT_EQ(judge(success(5s, "192.0.2.10")), "");
  Attempt probe = failure(6s, "192.0.2.10");
  probe.outcome = Outcome::probe;
  EXPECT_EQ(judge(probe), "");
  EXPECT_EQ(judge(failure(7s, "192.0.2.10")), "block 192.0.2.10 7200");
}

TEST(Engine, CountsEachHostByItself) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 0s, "198.51.100.23", 4), "");
  Attempt other = failure(5s, "198.51.100.23");
  other.host = "host-b";
  EXPECT_EQ(judge(other), "");
  EXPECT_EQ(judge(failure(6s, "198.51.100.23")), "block 198.51.100.23 7200");
  other.count = 4;  // host-b knows nothing of host-a's block
  EXPECT_EQ(judge(other), "block 198.51.100.23 7200");
  EXPECT_EQ(judge.said().at(0).host, "host-b");
}

TEST(Engine, AttemptsWithoutAddressNeverBlock) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 0s, "", 50), "");
}

TEST(Engine, LogsReadNewestFirstAreNotOneMoment) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 240h, "198.51.100.23", 4), "");
  EXPECT_EQ(judge(failure(0s, "198.51.100.23")), "");
  EXPECT_EQ(shut(judge, 250h, "198.51.100.24", 5), "block 198.51.100.24 7200");
  EXPECT_EQ(shut(judge, 10h, "198.51.100.24", 5), "block 198.51.100.24 7200");  // long before that block
}

constexpr std::string_view kByPrefix = R"(
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 3
lockout = "1h"
count_by = "prefix"
)";

TEST(Engine, CountsAndBlocksPrefixes) {
  Judge judge(kByPrefix);
  EXPECT_EQ(judge(failure(0s, "2001:db8:77::5")), "");
  EXPECT_EQ(judge(failure(1s, "2001:db8:77:0:1::9")), "");
  EXPECT_EQ(judge(failure(2s, "2001:db8:77:1::5")), "");  // the next /64
  EXPECT_EQ(judge(failure(3s, "2001:db8:77::ffff")), "block 2001:db8:77::/64 3600");
  EXPECT_EQ(judge(failure(4s, "2001:db8:77:0:abcd::1")), "");
  EXPECT_EQ(judge.engine().counters().behind_block, 1U);
  EXPECT_EQ(shut(judge, 10s, "203.0.113.1", 2), "");
  EXPECT_EQ(judge(failure(12s, "203.0.113.200")), "block 203.0.113.0/24 3600");
}

TEST(Engine, AnIpv4MappedAddressIsTheIpv4Address) {
  Judge judge(kCatchAll);
  EXPECT_EQ(shut(judge, 0s, "203.0.113.5", 3), "");
  EXPECT_EQ(judge(failure(4s, "::ffff:203.0.113.5")), "");
  EXPECT_EQ(judge(failure(5s, "::ffff:cb00:7105")), "block 203.0.113.5 7200");
}

TEST(Engine, FurtherBlocksLastLongerUntilTheyAreForgotten) {
  Judge judge(std::string(kCatchAll) + R"(escalate = ["2h", "1d", "7d"]
remember = "30d")");
  EXPECT_EQ(shut(judge, 0h, "198.51.100.23", 5), "block 198.51.100.23 7200");
  EXPECT_EQ(shut(judge, 3h, "198.51.100.23", 5), "block 198.51.100.23 86400");
  EXPECT_EQ(shut(judge, 48h, "198.51.100.23", 5), "block 198.51.100.23 604800");
  EXPECT_EQ(shut(judge, 24h * 20, "198.51.100.23", 5), "block 198.51.100.23 604800");
  EXPECT_EQ(shut(judge, 24h * 20, "198.51.100.24", 5), "block 198.51.100.24 7200");
  EXPECT_EQ(shut(judge, 24h * 50 + 4s, "198.51.100.23", 5), "block 198.51.100.23 7200");  // 30 days after the last one
}

TEST(Engine, TheFirstRuleThatLooksDecides) {
  constexpr std::string_view kTwo = R"(
[[rule]]
name = "Root"
trigger_window = "10m"
occurrences = 2
lockout = "1d"
match = { account = ["root", "adm*"] }
[[rule]]
name = "Rest"
trigger_window = "10m"
occurrences = 3
lockout = "1h"
)";
  Judge judge(kTwo);
  EXPECT_EQ(judge(failure(0s, "203.0.113.1", "guest")), "");
  EXPECT_EQ(judge(failure(1s, "203.0.113.1", "root")), "");
  EXPECT_EQ(judge(failure(2s, "203.0.113.1", "guest")), "");  // two for Rest: root did not count there
  EXPECT_EQ(judge(failure(3s, "203.0.113.1", "administrator")), "block 203.0.113.1 86400");
  Judge on(std::string(kTwo).replace(kTwo.find("match"), 0, "continue = true\n"));
  EXPECT_EQ(on(failure(0s, "203.0.113.1", "guest")), "");
  EXPECT_EQ(on(failure(1s, "203.0.113.1", "root")), "");
  EXPECT_EQ(on(failure(2s, "203.0.113.1", "guest")), "block 203.0.113.1 3600");
}

TEST(Engine, ABlockEndsTheLookAlsoWithContinue) {
  Judge judge(R"(
[[rule]]
name = "One"
trigger_window = "10m"
occurrences = 2
lockout = "1d"
continue = true
[[rule]]
name = "Two"
trigger_window = "10m"
occurrences = 2
lockout = "1h"
)");
  EXPECT_EQ(shut(judge, 0s, "203.0.113.1", 2), "block 203.0.113.1 86400");
}

TEST(Engine, ServiceScopeShutsAndCountsOneService) {
  Judge judge(std::string(kCatchAll) + "scope = \"service\"\n");
  const auto mail = [](std::chrono::microseconds at) {
    Attempt attempt = failure(at, "203.0.113.9");
    attempt.service = "dovecot";
    return attempt;
  };
  EXPECT_EQ(shut(judge, 0s, "203.0.113.9", 4), "");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(judge(mail(5s + i * 1s)), "");
  EXPECT_EQ(judge(mail(10s)), "block 203.0.113.9 7200");
  EXPECT_EQ(judge.said().at(0).service, "dovecot");
  EXPECT_EQ(judge(mail(11s)), "");
  EXPECT_EQ(judge.engine().counters().behind_block, 1U);
  EXPECT_EQ(judge(failure(12s, "203.0.113.9")), "block 203.0.113.9 7200");
  EXPECT_EQ(judge.said().at(0).service, "sshd");
}

TEST(Engine, TheAllowlistBeatsEveryRule) {
  Judge judge("[allowlist]\nnetworks = [\"192.0.2.0/24\", \"2001:db8:1::7\"]\n" + std::string(kByPrefix));
  EXPECT_EQ(shut(judge, 0s, "192.0.2.10", 50), "");
  EXPECT_EQ(shut(judge, 0s, "2001:db8:1::7", 50), "");  // an exempt address inside a /64 that is counted
  EXPECT_EQ(judge.engine().counters().exempt, 100U);
  EXPECT_EQ(shut(judge, 60s, "2001:db8:1::8", 2), "");
  EXPECT_EQ(judge(failure(63s, "2001:db8:1::7")), "");                          // not the third
  EXPECT_EQ(judge(failure(64s, "2001:db8:1::8")), "block 2001:db8:1::8 3600");  // not the /64
  EXPECT_TRUE(judge.said().at(0).narrowed.to_address);
  EXPECT_EQ(judge(failure(65s, "2001:db8:1::7")), "");  // exempt, not behind the block
  EXPECT_EQ(judge.engine().counters().behind_block, 0U);
  EXPECT_EQ(judge(failure(66s, "2001:db8:1::8")), "");
  EXPECT_EQ(judge.engine().counters().behind_block, 1U);
  EXPECT_EQ(shut(judge, 67s, "2001:db8:1::9", 3), "block 2001:db8:1::9 3600");  // a neighbour counts by himself
}

TEST(Engine, ARulesExemptionLeavesTheAddressToTheNextRule) {
  Judge judge(R"(
[[rule]]
name = "Strict"
trigger_window = "10m"
occurrences = 2
lockout = "1d"
exempt = ["192.0.2.0/24"]
[[rule]]
name = "Rest"
trigger_window = "10m"
occurrences = 4
lockout = "1h"
)");
  EXPECT_EQ(shut(judge, 0s, "198.51.100.1", 2), "block 198.51.100.1 86400");
  EXPECT_EQ(shut(judge, 0s, "192.0.2.1", 3), "");
  EXPECT_EQ(judge(failure(5s, "192.0.2.1")), "block 192.0.2.1 3600");
}

TEST(Engine, SprayingCountsDifferentAccounts) {
  Judge judge(R"(
[[rule]]
name = "Spraying"
trigger_window = "1d"
occurrences = 3
lockout = "2h"
distinct = "account"
)");
  EXPECT_EQ(shut(judge, 0s, "203.0.113.77", 20, "anna"), "");
  EXPECT_EQ(judge(failure(1h, "203.0.113.77", "bo")), "");
  EXPECT_EQ(judge(failure(2h, "203.0.113.77", "bo")), "");
  EXPECT_EQ(judge(failure(3h, "203.0.113.77", "")), "");            // no account told
  EXPECT_EQ(judge(failure(24h + 19s, "203.0.113.77", "cid")), "");  // anna is a day old
  EXPECT_EQ(judge(failure(25h, "203.0.113.77", "anna")), "block 203.0.113.77 7200");
}

TEST(Engine, ManyAddressesOnOneAccountAlertOncePerWindow) {
  Judge judge(R"(
[[rule]]
name = "Many"
trigger_window = "1d"
occurrences = 3
count_by = "account"
distinct = "address"
action = "alert"
)");
  std::string said;
  for (int i = 1; i <= 9; ++i) {
    const std::string now = judge(failure(i * 1h, fmt::format("203.0.113.{}", i), "anna"));
    EXPECT_EQ(now, i == 3 ? "alert Many" : "") << i;
  }
  EXPECT_EQ(judge(failure(27h - 1us, "203.0.113.10", "anna")), "");
  EXPECT_EQ(judge(failure(27h, "203.0.113.11", "anna")), "alert Many");
  EXPECT_EQ(judge.said().at(0).account, "anna");
  EXPECT_EQ(judge.said().at(0).network.to_string(), "203.0.113.11");
  EXPECT_EQ(shut(judge, 28h, "203.0.113.77", 9, "bo"), "");  // one address only
}

constexpr std::string_view kAfter = R"(
[[rule]]
name = "Success after failures"
trigger_window = "1h"
after_failures = 3
match = { outcome = "success" }
action = "alert"
)";

TEST(Engine, SuccessAfterFailuresAlerts) {
  Judge judge(kAfter);
  EXPECT_EQ(shut(judge, 0s, "203.0.113.1", 2), "");
  EXPECT_EQ(judge(success(10s, "203.0.113.1")), "");
  EXPECT_EQ(judge(failure(11s, "203.0.113.1", "bo")), "");
  EXPECT_EQ(judge(success(12s, "203.0.113.2")), "");
  EXPECT_EQ(judge(success(12s, "203.0.113.1", "bo")), "alert Success after failures");
  EXPECT_EQ(judge(success(13s, "203.0.113.1")), "");  // once per window
  EXPECT_EQ(shut(judge, 2h, "203.0.113.3", 3), "");
  EXPECT_EQ(judge(success(3h + 2s, "203.0.113.3")), "");  // too late
}

TEST(Engine, ASuccessBehindABlockStillAlerts) {
  Judge judge(std::string(kAfter) + std::string(kCatchAll));
  EXPECT_EQ(shut(judge, 0s, "203.0.113.1", 5), "block 203.0.113.1 7200");
  EXPECT_EQ(judge(success(10s, "203.0.113.1")), "alert Success after failures");
}

TEST(Engine, ARecentSuccessForgivesItsOwnAccountWithinBounds) {
  const std::string protect = "[protect]\nrecent_success = \"7d\"\n" + std::string(kCatchAll);
  Judge judge(protect);
  EXPECT_EQ(judge(success(0s, "192.0.2.10", "anna")), "");
  EXPECT_EQ(shut(judge, 1h, "192.0.2.10", 50, "anna"), "");  // ten times occurrences
  EXPECT_EQ(judge.engine().counters().forgiven, 50U);
  EXPECT_EQ(shut(judge, 1h + 60s, "192.0.2.10", 5, "anna"), "block 192.0.2.10 7200");
  // neither another account at that address nor the account elsewhere nor the account on another host
  Judge other(protect);
  EXPECT_EQ(other(success(0s, "192.0.2.10", "anna")), "");
  EXPECT_EQ(shut(other, 1h, "192.0.2.10", 5, "root"), "block 192.0.2.10 7200");
  EXPECT_EQ(shut(other, 1h, "192.0.2.11", 5, "anna"), "block 192.0.2.11 7200");
  // nor for longer than the setting says
  Judge late(protect);
  EXPECT_EQ(late(success(0s, "192.0.2.10", "anna")), "");
  EXPECT_EQ(shut(late, 24h * 7, "192.0.2.10", 5, "anna"), "block 192.0.2.10 7200");
  // and never where a rules file does not ask for it
  Judge off(kCatchAll);
  EXPECT_EQ(off(success(0s, "192.0.2.10", "anna")), "");
  EXPECT_EQ(shut(off, 1h, "192.0.2.10", 5, "anna"), "block 192.0.2.10 7200");
}

TEST(Engine, AtTheCapTheQuietestGoesAndIsCounted) {
  Judge judge("[limits]\ntracked = 100\n" + std::string(kCatchAll));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(judge(failure(i * 1ms, fmt::format("198.51.{}.{}", i / 250, i % 250))), "");
  EXPECT_EQ(judge.engine().counters().evicted, 900U);
  EXPECT_EQ(shut(judge, 2s, "203.0.113.1", 5), "block 203.0.113.1 7200");
  Judge busy("[limits]\ntracked = 100\n" + std::string(kCatchAll));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(busy(failure(i * 1h, fmt::format("198.51.{}.{}", i / 250, i % 250))), "");
  EXPECT_EQ(busy.engine().counters().evicted, 0U);  // each had run out before its place was taken
}

}  // namespace
}  // namespace tipstaff
