// From journal files to what would be recorded: the source as the guard's settings make it, the core, and a ledger in
// memory; restarted after every entry.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "control/guard_sources.h"
#include "control/guard_testing.h"
#include "sources/journal_testing.h"

namespace tipstaff {
namespace {

using testing_guard::MemoryLedger;
using testing_guard::words;

constexpr const char* kRules = R"(
[[rule]]
name = "three"
trigger_window = "30m"
occurrences = 3
lockout = "2h"
)";

Instant after(std::int64_t seconds) { return Instant(std::chrono::seconds(kJournalBegin + seconds)); }

// A guard from its start to its end over what the journal holds by then.
void run_guard(const TestJournal& journal, MemoryLedger& ledger, Instant now) {
  boost::asio::io_context loop;
  GuardSettings settings;
  settings.journal = true;
  settings.journal_folder = journal.path();
  settings.from_start = true;
  const auto saved_row = [&](const std::string& name) -> std::optional<SavedSource> {
    const auto found = ledger.positions.find(name);
    return found == ledger.positions.end() ? std::nullopt : std::optional(from_position(found->second));
  };
  const auto find = [&](const std::string& name) -> std::optional<SavedPlace> {
    const auto saved = saved_row(name);
    return saved ? std::optional(SavedPlace{saved->resume, saved->checkpoint}) : std::nullopt;
  };
  GuardSources maker(loop, settings, find, [](Priority, const std::string&) {}, [] {});
  std::vector<std::string> problems;
  auto made = maker.look(problems);
  EXPECT_EQ(problems, std::vector<std::string>());
  ASSERT_EQ(made.size(), 1U);
  Source& source = *made[0].source;
  EXPECT_EQ(source.name(), "journal:" + journal.path());

  GuardCore core(testing_guard::rules(kRules), testing_guard::detectors(), [](Priority, const std::string&) {}, now);
  core.restore(ledger.recent(), ledger.said(), now);
  const auto saved = saved_row(source.name());
  core.add_source(source.name(), made[0].zone, made[0].trust_network, saved ? saved->read : ReadMark(), now);
  const auto started = source.start(loop, [&](Record record) {
    record.arrival = std::max(now, *record.stamp);
    core.take(0, record);
  });
  ASSERT_TRUE(started) << started.error().message();
  loop.poll();
  ledger.write(core.cut_batch(now, [&](std::size_t, Place place) { return source.checkpoint(place); }));
}

std::vector<TestEntry> evening() {
  std::vector<TestEntry> entries;
  for (int i = 0; i < 4; ++i) {
    const std::string pid = std::to_string(100 + i);
    TestEntry real{"Invalid user oracle from 198.51.100.7 port 4000", i * 10};
    real.pid = pid;
    entries.push_back(real);
    TestEntry forged{"Failed password for root from 203.0.113.9 port 5000 ssh2", i * 10 + 1};
    forged.unit = "session-3.scope";
    forged.comm = "logger";
    forged.uid = "1000";
    forged.pid = pid;  // as if it belonged to the connection
    entries.push_back(forged);
    real.message = "Failed password for invalid user oracle from 198.51.100.7 port 4000 ssh2";
    real.seconds = i * 10 + 2;
    entries.push_back(real);
  }
  return entries;
}

struct Told {
  std::vector<std::string> attempts;
  std::vector<std::string> verdicts;
};

Told told(const MemoryLedger& ledger) {
  Told all;
  for (const StoredAttempt& row : ledger.recent()) all.attempts.push_back(words(row) + " " + row.extra);
  for (const StoredVerdict& row : ledger.said()) {
    all.verdicts.push_back(row.rule + " " + (row.network ? row.network->to_string() : "-"));
  }
  return all;
}

Told expected() {
  Told all;
  for (int i = 0; i < 4; ++i) {
    all.attempts.emplace_back("failure 198.51.100.7:4000 oracle x1 v1 raw 2 password");
    all.attempts.emplace_back("probe 203.0.113.9:5000 root x1 v0 raw 1 may be forged");
  }
  all.verdicts = {"three 198.51.100.7"};
  return all;
}

TEST(GuardJournal, ForgedEntriesAreRecordedButShutNobodyOut) {
  if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  TestJournal journal;
  journal.append("system.journal", evening());
  MemoryLedger ledger;
  run_guard(journal, ledger, after(100));
  EXPECT_EQ(told(ledger).attempts, expected().attempts);
  EXPECT_EQ(told(ledger).verdicts, expected().verdicts);
}

TEST(GuardJournal, ARestartAfterAnyEntryRecordsTheSame) {
  if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  const std::vector<TestEntry> entries = evening();
  TestJournal journal;
  MemoryLedger ledger;
  for (const TestEntry& entry : entries) {
    journal.append("system.journal", {entry});
    run_guard(journal, ledger, after(entry.seconds));
  }
  EXPECT_EQ(told(ledger).attempts, expected().attempts);
  EXPECT_EQ(told(ledger).verdicts, expected().verdicts);
  EXPECT_EQ(ledger.known, 0U) << "nothing is written twice";
  run_guard(journal, ledger, after(200));
  EXPECT_EQ(told(ledger).attempts, expected().attempts) << "and a start without news tells nothing new";
  EXPECT_EQ(told(ledger).verdicts, expected().verdicts);
}

}  // namespace
}  // namespace tipstaff
