// The main acceptance case told to the guard: one guard for each host, with a ledger of its own, reading its log from the
// start days later. What the ledger holds of the attacker is the access report of the story, and whom the guard would
// have shut out is the story's list; the same when it is killed in the middle and started again.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "control/guard_testing.h"
#include "ledger/reader.h"
#include "ledger/writer.h"
#include "tests/guard/told.h"
#include "tests/run.h"
#include "tests/story_rows.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

constexpr Instant kNow = std::chrono::sys_days{std::chrono::year{2013} / 5 / 11};

std::string stamp(Instant time) {  // as the story's files write it
  std::string text = to_rfc3339(time);
  std::ranges::replace(text, 'T', ' ');
  text.pop_back();
  return text;
}

std::vector<std::string> lines_with(const fs::path& path, const std::string& text) {
  std::istringstream stream(read_file(path));
  std::vector<std::string> all;
  for (std::string line; std::getline(stream, line);) {
    if (line.find(text) != std::string::npos) all.push_back(line);
  }
  std::ranges::sort(all);
  return all;
}

class Host {
 public:
  explicit Host(const std::string& name)
      : feed_{testing_guard::lines_of(kStory / "sshd" / (name + ".log"))}, rules_(read_file(kStory / "rules.toml")) {
    auto opened = open_writer(ledger());
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    writer_ = std::move(*opened);
  }

  void start() {
    core_ = std::make_unique<GuardCore>(
        testing_guard::rules(rules_), testing_guard::detectors(), [](Priority, const std::string&) {}, kNow);
    const auto positions = writer_->positions();
    ASSERT_TRUE(positions.has_value());
    ReadMark read;
    feed_.rewind({1, 0});
    if (!positions->empty()) {
      const SavedSource saved = from_position(positions->front());
      feed_.rewind(saved.resume);
      read = saved.read;
    }
    core_->add_source(testing_guard::kSource, TimeZone(), false, read, kNow);
    if (positions->empty()) return;
    const auto verdicts = reader()->verdicts(1000);
    ASSERT_TRUE(verdicts.has_value());
    core_->restore(all_rows(*reader()), *verdicts, kNow);
  }

  /// Reads lines, and commits after every few.
  void read(std::size_t lines) {
    for (std::size_t n = 0; n < lines; n += 50) {
      feed_.give(50, kNow, true, [this](const Record& record) { core_->take(0, record); });
      const auto written = writer_->write(core_->cut_batch(kNow, [](std::size_t, Place) { return std::string(); }));
      ASSERT_TRUE(written.has_value()) << written.error().message();
    }
  }

  /// Reads some lines, and ends before they are committed.
  void die() {
    feed_.give(23, kNow, true, [this](const Record& record) { core_->take(0, record); });
    core_.reset();
  }

  [[nodiscard]] std::unique_ptr<LedgerReader> reader() const {
    auto opened = LedgerReader::open(ledger());
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return std::move(*opened);
  }

 private:
  [[nodiscard]] std::string ledger() const { return folder_.path() / "ledger"; }

  TemporaryFolder folder_;
  testing_guard::Feed feed_;
  std::string rules_;
  std::unique_ptr<LedgerWriter> writer_;
  std::unique_ptr<GuardCore> core_;
};

std::vector<std::string> report_rows(LedgerReader& reader, const std::string& address) {
  std::vector<std::string> rows;
  for (const auto& row : rows_of(reader, address)) {
    const std::string text = row.address->to_string() + "," + stamp(row.when()) + "," +
                             (row.outcome == RowOutcome::success ? "Yes" : "No") + "," + row.origin + "," +
                             row.account.value_or("") + "," + row.extra + "," + row.host;
    rows.insert(rows.end(), row.count, text);
  }
  std::ranges::sort(rows);
  return rows;
}

std::vector<std::string> block_rows(LedgerReader& reader) {
  const auto verdicts = reader.verdicts(1000);
  EXPECT_TRUE(verdicts.has_value());
  std::vector<std::string> rows;
  for (const auto& row : *verdicts) {
    EXPECT_TRUE(row.watch_only);
    EXPECT_EQ(row.rule, "Catch All Login");
    EXPECT_FALSE(row.attempts.empty());
    rows.push_back("sshd," + row.host + "," + row.network->to_string() + "," + stamp(row.at) + "," + stamp(*row.until));
  }
  std::ranges::sort(rows);
  return rows;
}

class StoryGuard : public testing::TestWithParam<bool> {};

TEST_P(StoryGuard, ReportsAndWouldBlockAsTold) {
  std::vector<std::string> blocks;
  for (const char* const name : {"host-a", "host-b", "host-c"}) {
    SCOPED_TRACE(name);
    Host host(name);
    host.start();
    if (GetParam()) {
      host.read(1000);
      host.die();
      host.start();
    }
    host.read(3000);
    const auto reader = host.reader();
    const auto of_host = block_rows(*reader);
    blocks.insert(blocks.end(), of_host.begin(), of_host.end());
    if (std::string_view(name) != "host-c") continue;
    const auto expected = lines_with(kStory / "expected/report-host-c-sshd.csv", "198.51.100.23");
    EXPECT_EQ(expected.size(), 35U);
    EXPECT_EQ(report_rows(*reader, "198.51.100.23"), expected);
  }
  std::ranges::sort(blocks);
  EXPECT_EQ(blocks, lines_with(kStory / "expected/blocks.csv", "sshd,"));
}

INSTANTIATE_TEST_SUITE_P(Restart, StoryGuard, testing::Bool(),
                         [](const auto& one) { return one.param ? "InTheMiddle" : "None"; });

}  // namespace
}  // namespace tipstaff
