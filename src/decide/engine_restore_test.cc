// The engine of a guard: blocks of an earlier run stand again, and what was judged too early is taken back, so that the
// verdicts are those of an engine that saw everything once and in its final form.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;
using testing_decide::failure;
using testing_decide::kStart;

constexpr std::string_view kRules = R"(
[[rule]]
name = "Three"
trigger_window = "10m"
occurrences = 3
lockout = "1h"
escalate = ["1h", "1d"]
)";

class RestoredEngine : public testing::Test {
 protected:
  // Whether the attempt brings a block, and for how long.
  std::chrono::seconds judge(const Attempt& attempt) {
    std::vector<Verdict> said;
    engine_.judge(attempt, said);
    return said.empty() ? 0s : std::chrono::duration_cast<std::chrono::seconds>(said[0].until - said[0].at);
  }
  [[nodiscard]] const Rule& rule() const { return engine_.config().rules[0]; }

  RuleEngine engine_{config_of(kRules)};
};

TEST_F(RestoredEngine, ABlockStandsAgain) {
  engine_.restore(rule(), failure(0s, "192.0.2.1"), kStart + 1h);
  for (int i = 1; i < 10; ++i) EXPECT_EQ(judge(failure(i * 1min, "192.0.2.1")), 0s);
  EXPECT_EQ(engine_.counters().behind_block, 9U);
  // when it is over, the next one is the second
  EXPECT_EQ(judge(failure(1h, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(1h + 1s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(1h + 2s, "192.0.2.1")), 24h);
}

TEST_F(RestoredEngine, ABlockThatItJudgedItselfIsNotCountedTwice) {
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(1s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(2s, "192.0.2.1")), 1h);
  engine_.restore(rule(), failure(2s, "192.0.2.1"), kStart + 2s + 1h);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(judge(failure(2h + i * 1s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(2h + 2s, "192.0.2.1")), 24h) << "the second block, not the third";
}

TEST_F(RestoredEngine, RestoringUsesUpWhatWasCounted) {
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(1s, "192.0.2.1")), 0s);
  engine_.restore(rule(), failure(1s, "192.0.2.1"), kStart + 2s);
  EXPECT_EQ(judge(failure(3s, "192.0.2.1")), 0s) << "the block is over and counting begins anew";
}

TEST_F(RestoredEngine, ALiftedBlockNeverWas) {
  for (int i = 0; i < 3; ++i) std::ignore = judge(failure(i * 1s, "192.0.2.1"));
  engine_.lift(rule(), failure(2s, "192.0.2.1"));
  // the first two of the three were tries all the same
  engine_.count_again(rule(), failure(0s, "192.0.2.1"));
  engine_.count_again(rule(), failure(1s, "192.0.2.1"));
  EXPECT_EQ(judge(failure(3s, "192.0.2.1")), 1h) << "and it is the first block, not the second";
}

TEST_F(RestoredEngine, OnlyTheBlockNamedIsLifted) {
  for (int i = 0; i < 3; ++i) std::ignore = judge(failure(i * 1s, "192.0.2.1"));
  engine_.lift(rule(), failure(1s, "192.0.2.1"));
  engine_.lift(rule(), failure(2s, "192.0.2.2"));
  EXPECT_EQ(judge(failure(3s, "192.0.2.1")), 0s);
  EXPECT_EQ(engine_.counters().behind_block, 1U);
}

TEST_F(RestoredEngine, ATryTakenBackDoesNotCount) {
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(1s, "192.0.2.1")), 0s);
  engine_.take_back(rule(), failure(1s, "192.0.2.1"));
  engine_.take_back(rule(), failure(5s, "192.0.2.1"));  // there is none
  engine_.take_back(rule(), failure(0s, "192.0.2.9"));
  EXPECT_EQ(judge(failure(2s, "192.0.2.1")), 0s);
  EXPECT_EQ(judge(failure(3s, "192.0.2.1")), 1h);
}

// Random tries, some of them taken back at once: as if these had never been.
TEST_F(RestoredEngine, TakingBackLeavesWhatWouldBeWithout) {
  std::mt19937 random(20261125);
  RuleEngine plain(config_of(kRules));
  std::vector<Verdict> wanted;
  for (int i = 0; i < 5'000; ++i) {
    const auto at = std::chrono::seconds(i * 40 + static_cast<int>(random() % 40));
    const std::string address = "192.0.2." + std::to_string(random() % 5);
    const Attempt attempt = failure(at, address);
    wanted.clear();
    const auto before = judge(attempt);
    if (before == 0s && random() % 3 == 0) {
      engine_.take_back(rule(), attempt);
      continue;
    }
    plain.judge(attempt, wanted);
    ASSERT_EQ(before != 0s, !wanted.empty()) << "seed 20261125, try " << i;
  }
}

}  // namespace
}  // namespace tipstaff
