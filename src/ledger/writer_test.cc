#include "ledger/writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ledger/reader.h"
#include "ledger/testing.h"

namespace tipstaff {
namespace {

using namespace ledger_test;
namespace fs = std::filesystem;

// As a test reads it: a problem is a failure.
std::unique_ptr<LedgerReader> open_reader(const TempFolder& folder) {
  auto reader = LedgerReader::open(folder.ledger());
  if (!reader) throw std::runtime_error(reader.error().message());
  if (!(*reader)->problems().empty()) throw std::runtime_error((*reader)->problems().front());
  return std::move(*reader);
}

Report report_of(LedgerReader& reader, const std::string& network, bool raw = false) {
  ReportQuery query;
  query.network = IpNetwork::parse(network);
  query.raw = raw;
  auto report = reader.report(query);
  if (!report) throw std::runtime_error(report.error().message());
  return std::move(*report);
}

Report report_of(const TempFolder& folder, const std::string& network, bool raw = false) {
  return report_of(*open_reader(folder), network, raw);
}

void write(LedgerWriter& writer, const Batch& batch, std::size_t written, std::size_t known = 0) {
  const auto counts = writer.write(batch);
  ASSERT_TRUE(counts) << counts.error().message();
  EXPECT_EQ(counts->written, written);
  EXPECT_EQ(counts->known, known);
}

TEST(LedgerWriter, GivesBackWhatWasWritten) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  AttemptRow row = attempt(7);
  row.count = 3;
  Batch all = batch({row, attempt(9, "2001:db8::5", "")});
  all.attempts[1].outcome = RowOutcome::probe;
  all.attempts[1].time.reset();
  all.verdicts = {block(row)};
  write(*writer, all, 3);

  const Report report = report_of(folder, "192.0.2.1", true);
  ASSERT_EQ(report.attempts.size(), 1U);
  const StoredAttempt& back = report.attempts[0];
  EXPECT_EQ(back.key, row.key);
  EXPECT_EQ(back.outcome, row.outcome);
  EXPECT_EQ(back.address, row.address);
  EXPECT_EQ(back.port, row.port);
  EXPECT_EQ(back.count, 3U);
  EXPECT_EQ(back.account, "root");
  EXPECT_EQ(back.service, "sshd");
  EXPECT_EQ(back.extra, "password");
  EXPECT_EQ(back.host, "host-a");
  EXPECT_EQ(back.time, row.time);
  EXPECT_EQ(back.recorded, at(0));
  EXPECT_EQ(back.raw, row.raw);
  EXPECT_EQ(back.id, 1U);
  EXPECT_EQ(report.summary.failures, 3);
  ASSERT_EQ(report.verdicts.size(), 1U);
  EXPECT_EQ(report.verdicts[0].rule, "Catch All Login");
  EXPECT_EQ(report.verdicts[0].until, all.verdicts[0].until);
  EXPECT_EQ(report.verdicts[0].attempts, all.verdicts[0].attempts);
  EXPECT_TRUE(report.verdicts[0].watch_only);

  const Report other = report_of(folder, "2001:db8::/32");
  ASSERT_EQ(other.attempts.size(), 1U);
  EXPECT_FALSE(other.attempts[0].account);
  EXPECT_FALSE(other.attempts[0].time);
  EXPECT_EQ(other.summary.probes, 1);
}

TEST(LedgerWriter, WritesEachRowOnceHoweverOftenItComes) {
  const TempFolder folder;
  Batch all = batch({attempt(1), attempt(2)});
  all.verdicts = {block(all.attempts[1])};
  {
    const auto writer = open_writer(folder);
    write(*writer, all, 3);
    write(*writer, all, 0, 3);
  }
  const auto writer = open_writer(folder);  // what was in memory is read again
  write(*writer, all, 0, 3);
  write(*writer, batch({attempt(2), attempt(3)}), 1, 1);
  // A row between two that are known is new all the same.
  AttemptRow between = attempt(2);
  between.key.index = 1;
  write(*writer, batch({between}), 1);
  EXPECT_EQ(report_of(folder, "192.0.2.1").attempts.size(), 4U);
}

TEST(LedgerWriter, KnowsRowsOfTheMonthBefore) {
  const TempFolder folder;
  const Instant next_month = at(0) + std::chrono::days(6);
  Batch all = batch({attempt(1), attempt(2)});
  all.verdicts = {block(all.attempts[1])};
  {
    const auto writer = open_writer(folder);
    write(*writer, all, 3);
    all.recorded = next_month;
    write(*writer, all, 0, 3);
  }
  const auto writer = open_writer(folder);
  write(*writer, all, 0, 3);
  AttemptRow amended = attempt(2);
  amended.version = 1;
  amended.withdrawn = true;
  write(*writer, batch({amended, attempt(5)}, next_month), 2);
  EXPECT_TRUE(fs::exists(folder.ledger() + "/2026-11.db"));
  EXPECT_TRUE(fs::exists(folder.ledger() + "/2026-12.db"));
  const auto reader = open_reader(folder);
  const Report report = report_of(*reader, "192.0.2.1");
  ASSERT_EQ(report.attempts.size(), 2U);
  EXPECT_EQ(report.attempts[0].key.offset, 1U);
  EXPECT_EQ(report.attempts[1].key.offset, 5U);
  const auto summary = reader->summary(*IpAddress::parse("192.0.2.1"));
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->failures, 2);
}

TEST(LedgerWriter, AmendsByNewRows) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  AttemptRow first = attempt(1, "192.0.2.1", "");
  first.address.reset();
  AttemptRow second = attempt(1, "192.0.2.1", "root");
  second.version = 2;
  AttemptRow gone = attempt(5, "192.0.2.1", "root");
  write(*writer, batch({first, gone}), 2);
  gone.version = 1;
  gone.withdrawn = true;
  write(*writer, batch({second, gone}), 2);
  write(*writer, batch({first}), 0, 1);  // an older version than what is known
  const auto reader = open_reader(folder);
  const Report report = report_of(*reader, "192.0.2.1");
  ASSERT_EQ(report.attempts.size(), 1U);
  EXPECT_EQ(report.attempts[0].version, 2U);
  EXPECT_EQ(report.attempts[0].account, "root");
  const auto busy = reader->busiest(10);
  ASSERT_TRUE(busy);
  ASSERT_EQ(busy->size(), 1U);
  EXPECT_EQ((*busy)[0].summary.failures, 1);
  const auto timed = reader->busiest(10, at(0), at(100));
  ASSERT_TRUE(timed);
  ASSERT_EQ(timed->size(), 1U);
  EXPECT_EQ((*timed)[0].summary.failures, 1);
}

TEST(LedgerReader, CountsOverAllMonths) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  const Instant next_month = at(0) + std::chrono::days(10);
  Batch first = batch({attempt(1), attempt(2)});
  first.verdicts = {block(attempt(2))};
  write(*writer, first, 3);
  Batch second = batch({attempt(3), attempt(4)}, next_month);
  VerdictRow enforced = block(attempt(4));
  enforced.watch_only = false;
  VerdictRow alert = block(attempt(4));
  alert.kind = VerdictKind::alert;
  alert.rule = "Success after failures";
  alert.until.reset();
  VerdictRow taken_back = block(attempt(3));
  taken_back.until = taken_back.at;
  second.verdicts = {enforced, alert, taken_back};
  write(*writer, second, 5);
  write(*writer, by_hand(), 5);

  const auto reader = open_reader(folder);
  const auto totals = reader->totals();
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->failures, 4);
  EXPECT_EQ(totals->last, attempt(4).time);
  const auto rules = reader->rule_totals();
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->size(), 2U);
  EXPECT_EQ(rules->at(0).rule, "Catch All Login");
  EXPECT_EQ(rules->at(0).verdicts, 2U) << "neither what was taken back nor what was done by hand";
  EXPECT_TRUE(rules->at(0).enforced);
  EXPECT_EQ(rules->at(1).kind, VerdictKind::alert);
  EXPECT_EQ(rules->at(1).verdicts, 1U);
}

TEST(LedgerReader, GivesTheLastRecordedInTheOrderInWhichTheyWereMade) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  write(*writer, batch({attempt(1)}, at(0)), 1);
  write(*writer, batch({attempt(9), attempt(5)}, at(100)), 2);
  AttemptRow amended = attempt(9);
  amended.version = 1;
  amended.withdrawn = true;
  write(*writer, batch({attempt(20), amended}, at(160)), 2);
  const auto reader = open_reader(folder);
  const auto offsets = [&](std::chrono::seconds span, std::size_t most) {
    std::vector<std::uint64_t> all;
    const auto rows = reader->last_recorded(span, most);
    if (!rows) throw std::runtime_error(rows.error().message());
    for (const StoredAttempt& row : *rows) all.push_back(row.key.offset);
    return all;
  };
  EXPECT_EQ(offsets(std::chrono::seconds(59), 100), (std::vector<std::uint64_t>{20, 9}));
  EXPECT_EQ(offsets(std::chrono::seconds(60), 100), (std::vector<std::uint64_t>{9, 5, 20}));
  EXPECT_EQ(offsets(std::chrono::hours(1), 100), (std::vector<std::uint64_t>{1, 9, 5, 20}));
  EXPECT_EQ(offsets(std::chrono::hours(1), 1), (std::vector<std::uint64_t>{20, 9})) << "whole batches";
  const auto rows = reader->last_recorded(std::chrono::seconds(60), 100);
  ASSERT_TRUE(rows);
  EXPECT_TRUE(rows->at(0).withdrawn) << "the newest version";
}

TEST(LedgerWriter, SavesPositionsWithTheRows) {
  const TempFolder folder;
  {
    const auto writer = open_writer(folder);
    write(*writer, batch({attempt(1)}), 1);
    Batch none;
    none.recorded = at(1) + std::chrono::days(6);  // a position alone, in the next month
    none.positions = {{"journal", 3, 4, "cursor"}};
    write(*writer, none, 0);
  }
  const auto writer = open_writer(folder);
  const auto positions = writer->positions();
  ASSERT_TRUE(positions);
  const std::vector<PositionRow> expected = {{"file:/var/log/auth.log", 1, 2, "inode 7"}, {"journal", 3, 4, "cursor"}};
  EXPECT_EQ(*positions, expected);
  const auto read = open_reader(folder)->positions();
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, expected);
}

TEST(LedgerWriter, FilesAreForOwnerAndGroup) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  write(*writer, batch({attempt(1)}), 1);
  const std::pair<const char*, mode_t> expected[] = {
      {"2026-11.db", 0640}, {"2026-11.db-wal", 0640}, {"state.db", 0640}, {"head.key", 0600}, {"", 0750}};
  for (const auto& [name, mode] : expected) {
    struct stat about{};
    ASSERT_EQ(::stat((folder.ledger() + "/" + name).c_str(), &about), 0) << name;
    EXPECT_EQ(about.st_mode & 07777U, mode) << name;
  }
}

TEST(LedgerWriter, TwoProcessesMayWrite) {
  const TempFolder folder;
  const auto one = open_writer(folder);
  const auto two = open_writer(folder);
  write(*one, batch({attempt(1)}), 1);
  write(*two, batch({attempt(1), attempt(2)}), 1, 1);
  write(*one, batch({attempt(2), attempt(3)}), 1, 1);
  EXPECT_EQ(report_of(folder, "192.0.2.1").attempts.size(), 3U);
}

TEST(LedgerWriter, ManyBatchesAreMergedAndStillCounted) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  std::uint64_t offset = 0;
  for (int i = 0; i < 600; ++i) {  // 600 segments: two levels of merging
    std::vector<AttemptRow> rows;
    for (int j = 0; j < 3; ++j) {
      ++offset;
      rows.push_back(attempt(offset, "192.0.2." + std::to_string(offset % 7), "user" + std::to_string(offset % 5)));
    }
    write(*writer, batch(rows), 3);
  }
  const auto reader = open_reader(folder);
  const auto busy = reader->busiest(100);
  ASSERT_TRUE(busy);
  ASSERT_EQ(busy->size(), 7U);
  std::int64_t sum = 0;
  for (const auto& one : *busy) {
    const Report report = report_of(*reader, one.address.to_string());
    EXPECT_EQ(static_cast<std::int64_t>(report.attempts.size()), one.summary.failures);
    EXPECT_EQ(report.summary.failures, one.summary.failures);
    EXPECT_EQ(report.summary.first, one.summary.first);
    EXPECT_EQ(report.summary.last, one.summary.last);
    sum += one.summary.failures;
  }
  EXPECT_EQ(sum, 1800);
  const auto totals = reader->totals();
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->failures, 1800);
  EXPECT_EQ(totals->first, attempt(1).time);
  EXPECT_EQ(totals->last, attempt(1800).time);
  const auto names = reader->recent_names({*IpAddress::parse("192.0.2.3"), *IpAddress::parse("203.0.113.1")}, 10'000);
  ASSERT_TRUE(names);
  EXPECT_EQ(names->at(0).accounts, 5U);
  EXPECT_EQ(names->at(0).hosts, 1U);
  EXPECT_FALSE(names->at(0).more);
  EXPECT_EQ(names->at(1).accounts, 0U);
  const auto few = reader->recent_names({*IpAddress::parse("192.0.2.3")}, 3);
  ASSERT_TRUE(few);
  EXPECT_EQ(few->at(0).accounts, 3U);
  EXPECT_TRUE(few->at(0).more);
  ReportQuery query;
  query.account = "user3";
  const auto report = reader->report(query);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->attempts.size(), 360U);
  EXPECT_TRUE(std::ranges::is_sorted(report->attempts, {}, &StoredAttempt::when));
}

TEST(LedgerWriter, CutsWhatIsTooLong) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  AttemptRow row = attempt(1, "192.0.2.1", std::string(5'000, 'x'));
  row.raw.assign(100, std::string(70'000, 'y'));
  const auto counts = writer->write(batch({row}));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->cut, 1U + 100U + 36U);
  const Report report = report_of(folder, "192.0.2.1", true);
  ASSERT_EQ(report.attempts.size(), 1U);
  EXPECT_EQ(report.attempts[0].account, std::string(1'024, 'x'));
  ASSERT_EQ(report.attempts[0].raw.size(), 64U);
  EXPECT_EQ(report.attempts[0].raw[0].size(), 65'536U);
}

TEST(LedgerWriter, KeepsOfPasswordsOnlyTheShape) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  const std::string secret = "Tr0ub4dor&3";
  AttemptRow row = attempt(1, "192.0.2.1", secret);
  row.account_unknown = true;
  AttemptRow again = row;
  again.key.offset = 2;
  VerdictRow verdict = block(row);
  verdict.account = secret;
  verdict.account_unknown = true;
  Batch all = batch({row, again});
  all.verdicts = {verdict};
  write(*writer, all, 3);
  const Report report = report_of(folder, "192.0.2.1", true);
  ASSERT_EQ(report.attempts.size(), 2U);
  EXPECT_TRUE(report.attempts[0].hidden_account);
  EXPECT_EQ(report.attempts[0].account, "11 characters: upper, lower, digits, signs");
  EXPECT_NE(report.attempts[0].raw[0].find("for <11 characters: upper, lower, digits, signs> from"), std::string::npos);
  for (const auto& file : fs::directory_iterator(folder.ledger())) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(bytes.find(secret), std::string::npos) << file.path();
  }
}

}  // namespace
}  // namespace tipstaff
