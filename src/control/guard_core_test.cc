// The guard driven by hand: what it writes down, whom it would block, and that a restart at any line changes nothing.
#include "control/guard_core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/address.h"
#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_guard::Feed;
using testing_guard::instant;
using testing_guard::kSource;
using testing_guard::lines_of;
using testing_guard::MemoryLedger;
using testing_guard::rules;
using Texts = std::vector<std::string>;

constexpr const char* kRules = R"(
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 5
lockout = "2h"
)";

// A guard of one source over a memory ledger; it can be ended and begun again.
struct Watch {
  std::shared_ptr<const Config> config;
  Feed feed;
  MemoryLedger ledger{};
  Texts said{};
  std::unique_ptr<GuardCore> core{};
  std::chrono::seconds forget_before{0};  // a restart is given attempts no older than this; 0: all

  [[nodiscard]] std::vector<StoredAttempt> recent() const {
    std::vector<StoredAttempt> all = ledger.recent();
    if (forget_before == 0s || all.empty()) return all;
    const Instant newest = std::ranges::max(all, {}, &StoredAttempt::window_time).window_time;
    std::erase_if(all, [&](const StoredAttempt& one) { return one.window_time < newest - forget_before; });
    return all;
  }

  void start(Instant now) {
    core = std::make_unique<GuardCore>(
        config, testing_guard::detectors(), [this](Priority, const std::string& text) { said.push_back(text); }, now);
    ReadMark read;
    if (const auto row = ledger.positions.find(kSource); row != ledger.positions.end()) {
      const SavedSource saved = from_position(row->second);
      EXPECT_EQ(saved.checkpoint, "checkpoint");
      feed.rewind(saved.resume);
      read = saved.read;
    } else {
      feed.rewind({1, 0});
    }
    core->add_source(kSource, TimeZone(), false, read, now);
    core->restore(recent(), ledger.said(), now);
  }
  void give(std::size_t count, Instant arrival) {
    feed.give(count, arrival, true, [this](const Record& record) { core->take(0, record); });
  }
  void commit(Instant now) {
    ledger.write(core->cut_batch(now, [](std::size_t, Place) { return std::string("checkpoint"); }));
  }
  [[nodiscard]] Texts blocks() const {
    std::set<std::pair<Instant, std::string>> sorted;
    for (const StoredVerdict& row : ledger.said())
      sorted.emplace(row.at, fmt::format("{} {} {} {}", row.network->to_string(), to_rfc3339(row.at),
                                         to_rfc3339(*row.until), row.attempts.size()));
    Texts all;
    for (const auto& [at, text] : sorted) all.push_back(text);
    return all;
  }
  [[nodiscard]] Texts rows() const {
    Texts all;
    for (const auto& [key, row] : ledger.attempts) {
      if (!row.withdrawn) all.push_back(fmt::format("{} {}", key.offset, testing_guard::words(row)));
    }
    return all;
  }
};

std::string ssh(std::string_view clock, int pid, std::string_view message) {
  return fmt::format("2026-11-25T{}Z gate sshd[{}]: {}", clock, pid, message);
}

constexpr Instant kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25) + 8h;

Watch story(const char* file) {
  return {rules(kRules), {lines_of(fmt::format("{}/tests/story/sshd/{}", TIPSTAFF_SOURCE_DIR, file))}};
}
constexpr Instant kStoryNow = std::chrono::sys_days(std::chrono::year(2013) / 5 / 11);

TEST(GuardCore, ChangesBetweenTwoCommitsAreOneRow) {
  Watch run{rules(kRules),
            {{ssh("07:59:10", 17, "Invalid user oracle from 192.0.2.1 port 1"),
              ssh("07:59:11", 17, "Failed password for invalid user oracle from 192.0.2.1 port 1 ssh2"),
              ssh("07:59:12", 17, "Connection closed by invalid user oracle 192.0.2.1 port 1 [preauth]")}}};
  run.start(kNow);
  run.give(2, kNow);
  EXPECT_EQ(run.core->waiting(), 1U);
  run.commit(kNow);
  EXPECT_EQ(run.rows(), Texts{"0 failure 192.0.2.1:1 oracle x1 v1 raw 2"});
  run.give(1, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.rows(), Texts{"0 failure 192.0.2.1:1 oracle x1 v2 raw 3"});
  EXPECT_EQ(run.ledger.known, 0U);
}

TEST(GuardCore, AnAccountThatTheServiceDoesNotKnowIsMarked) {
  Watch run{rules(kRules),
            {{ssh("07:59:10", 17, "Invalid user hunter2! from 192.0.2.1 port 1"),
              ssh("07:59:11", 18, "Failed password for invalid user x from 192.0.2.1 port 1 ssh2"),
              ssh("07:59:12", 19, "Failed password for root from 192.0.2.1 port 1 ssh2")}}};
  run.start(kNow);
  run.give(3, kNow);
  const Batch batch = run.core->cut_batch(kNow, [](std::size_t, Place) { return std::string(); });
  ASSERT_EQ(batch.attempts.size(), 3U);
  EXPECT_TRUE(batch.attempts[0].account_unknown);
  EXPECT_TRUE(batch.attempts[1].account_unknown);
  EXPECT_FALSE(batch.attempts[2].account_unknown);
}

TEST(GuardCore, AnAttemptWithoutAddressIsJudgedWhenItHasOne) {
  Texts lines;
  for (int i = 0; i < 5; ++i) {
    lines.push_back(ssh(fmt::format("07:5{}:10", i), 20 + i, "User root not allowed because account is locked"));
    lines.push_back(ssh(fmt::format("07:5{}:12", i), 20 + i, "Connection closed by 192.0.2.1 port 40022 [preauth]"));
  }
  Watch run{rules(kRules), {lines}};
  run.start(kNow);
  run.give(lines.size() - 1, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.blocks(), Texts{});
  run.give(1, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.blocks(), Texts{"192.0.2.1 2026-11-25T07:54:10Z 2026-11-25T09:54:10Z 5"});
}

TEST(GuardCore, ABlockEndsThatRestsOnATryThatWasNone) {
  Texts lines;
  for (int i = 0; i < 4; ++i)
    lines.push_back(
        ssh(fmt::format("07:5{}:10", i), 20 + i, "Failed password for root from 192.0.2.1 port 40022 ssh2"));
  lines.push_back(ssh("07:55:00", 30,
                      "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                      "rhost=192.0.2.1  user=root"));
  lines.push_back(ssh("07:55:02", 30, "Accepted password for root from 192.0.2.1 port 40022 ssh2"));
  Watch run{rules(kRules), {lines}};
  run.start(kNow);
  run.give(5, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.blocks(), Texts{"192.0.2.1 2026-11-25T07:55:00Z 2026-11-25T09:55:00Z 5"});
  EXPECT_EQ(run.core->status(kNow).rules.at(0).currently_blocked, 1U);
  run.give(1, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.core->status(kNow).rules.at(0).currently_blocked, 0U);
  EXPECT_EQ(run.blocks(), (Texts{"192.0.2.1 2026-11-25T07:55:00Z 2026-11-25T07:55:00Z 5",
                                 "192.0.2.1 2026-11-25T07:55:00Z 2026-11-25T09:55:00Z 5"}));
  // the four before it count on
  run.feed.lines.push_back(ssh("07:56:00", 31, "Failed password for root from 192.0.2.1 port 40022 ssh2"));
  run.give(1, kNow);
  run.commit(kNow);
  EXPECT_EQ(run.core->status(kNow).rules.at(0).currently_blocked, 1U);
  // and a restart knows all that
  run.start(kNow);
  EXPECT_EQ(run.core->status(kNow).rules.at(0).currently_blocked, 1U);
  EXPECT_EQ(run.core->status(kNow).rules.at(0).blocked.at(0).at, instant("2026-11-25T07:56:00Z"));
}

// The story's log of one host, as a guard reads it from the file's start, gives what a scan gives.
TEST(GuardCore, TheStoryOfHostC) {
  Watch run = story("host-c.log");
  run.start(kStoryNow);
  run.give(10'000, kStoryNow);
  run.commit(kStoryNow);
  EXPECT_EQ(run.blocks().size(), 8U);
  std::size_t failures = 0;
  for (const auto& [key, row] : run.ledger.attempts) {
    if (row.outcome == RowOutcome::failure && !row.withdrawn) failures += row.count;
  }
  EXPECT_EQ(failures, 85U);
}

// The longest window is 30 minutes, and a ledger of months is not read to begin again.
TEST(GuardCore, TheLastAttemptsAndTheBlocksAreEnoughToGoOn) {
  Watch whole = story("host-c.log");
  whole.start(kStoryNow);
  whole.give(10'000, kStoryNow);
  whole.commit(kStoryNow);
  for (std::size_t at = 0; at < whole.feed.lines.size(); at += 37) {
    Watch watch = story("host-c.log");
    watch.start(kStoryNow);
    watch.give(at, kStoryNow);
    watch.commit(kStoryNow);
    watch.forget_before = watch.core->memory();
    watch.start(kStoryNow);
    watch.give(10'000, kStoryNow);
    watch.commit(kStoryNow);
    ASSERT_EQ(watch.blocks(), whole.blocks()) << "restarted behind line " << at;
  }
}

// Killed after any number of lines, with or without the last rows written, as often as one likes.
TEST(GuardCore, RestartsChangeNothing) {
  Watch whole = story("host-c.log");
  whole.start(kStoryNow);
  whole.give(10'000, kStoryNow);
  whole.commit(kStoryNow);

  std::mt19937 random(20261125);
  for (int round = 0; round < 20; ++round) {
    Watch run = story("host-c.log");
    while (true) {
      run.start(kStoryNow);
      const std::size_t until = run.feed.at + std::uniform_int_distribution<std::size_t>(1, 400)(random);
      while (run.feed.at < run.feed.lines.size() && run.feed.at < until) {
        run.give(std::uniform_int_distribution<std::size_t>(1, 60)(random), kStoryNow);
        if (random() % 4 != 0) run.commit(kStoryNow);
      }
      if (run.feed.at == run.feed.lines.size()) break;
    }
    run.commit(kStoryNow);
    EXPECT_EQ(run.rows(), whole.rows()) << "round " << round;
    EXPECT_EQ(run.blocks(), whole.blocks()) << "round " << round;
    EXPECT_EQ(run.ledger.known, 0U) << "nothing is offered twice";
  }
}

TEST(GuardCore, PositionsAreReadBackAsTheyWereWritten) {
  SavedSource saved{{3, 100}, {}, "inode 7\nfingerprint"};
  for (int generations = 0; generations < 4; ++generations) {
    if (generations > 0) saved.read.note({2U + static_cast<unsigned>(generations), 200});
    const SavedSource back = from_position(to_position("file:/x", saved));
    EXPECT_EQ(back.resume, saved.resume);
    EXPECT_EQ(back.read, saved.read);
    EXPECT_EQ(back.checkpoint, saved.checkpoint);
  }
  for (const char* other : {"", "inode 7", "read", "read 4:"}) {  // not of this version: read up to its place
    const SavedSource foreign = from_position({"file:/x", 3, 100, other});
    EXPECT_EQ(foreign.read.places(), std::vector<Place>({{3, 100}})) << other;
    EXPECT_EQ(foreign.checkpoint, other);
  }
}

TEST(GuardCore, StatusCounts) {
  Watch run{rules(kRules),
            {{ssh("07:59:10", 17, "Failed password for root from 192.0.2.1 port 40022 ssh2"), "noise",
              ssh("07:59:11", 18, "some words that sshd never wrote")}}};
  run.start(kNow);
  run.give(3, kNow);
  const GuardStatus status = run.core->status(kNow);
  ASSERT_EQ(status.sources.size(), 1U);
  EXPECT_EQ(status.sources[0].lines, 3U);
  EXPECT_EQ(status.sources[0].known_program, 2U);
  EXPECT_EQ(status.sources[0].understood, 1U);
  EXPECT_EQ(status.failures, 1U);
  ASSERT_EQ(status.rules.size(), 1U);
  EXPECT_EQ(status.rules[0].currently_failed, 1U);
  EXPECT_EQ(status.rules[0].total_failed, 1U);
  EXPECT_EQ(run.core->status(kNow + 30min).rules[0].currently_failed, 0U);
}

}  // namespace
}  // namespace tipstaff
