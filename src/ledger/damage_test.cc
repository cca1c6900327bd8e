// What happens to the ledger and what it does then: damaged files, power cuts, a full disk, files of other versions.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "ledger/backup.h"
#include "ledger/folder.h"
#include "ledger/reader.h"
#include "ledger/schema.h"
#include "ledger/sqlite.h"
#include "ledger/testing.h"
#include "ledger/thread.h"
#include "ledger/verify.h"

namespace tipstaff {
namespace {

using namespace ledger_test;
namespace fs = std::filesystem;

std::size_t rows_of(const std::string& folder, const std::string& network = "0.0.0.0/0") {
  auto reader = LedgerReader::open(folder);
  if (!reader) throw std::runtime_error(reader.error().message());
  ReportQuery query;
  query.network = IpNetwork::parse(network);
  return (*reader)->report(query)->attempts.size();
}

std::vector<std::string> events_of(const std::string& folder) {
  std::vector<std::string> texts;
  auto reader = LedgerReader::open(folder);
  const auto events = (*reader)->events(100);
  for (const auto& event : *events) texts.push_back(event.kind + ": " + event.text);
  return texts;
}

bool verifies(const std::string& folder) {
  const auto result = verify_ledger(folder, {});
  if (result && result->broken) ADD_FAILURE() << result->broken->text;
  return result && !result->broken;
}

std::size_t set_aside_files(const std::string& folder) {
  return static_cast<std::size_t>(std::ranges::count_if(fs::directory_iterator(folder), [](const auto& file) {
    const std::string name = file.path().filename().string();
    return name.find(".damaged-") != std::string::npos && !name.ends_with("-wal") && !name.ends_with("-shm");
  }));
}

void overwrite(const std::string& path, std::size_t from, std::size_t size) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(from));
  file << std::string(size, '\x5a');
}

TEST(LedgerDamage, ADamagedMonthIsPutAsideOnceAndRecordingGoesOn) {
  for (const std::size_t from : {std::size_t{0}, std::size_t{100}}) {
    const TempFolder folder;
    {
      const auto writer = open_writer(folder);
      ASSERT_TRUE(writer->write(batch({attempt(1), attempt(2)})));
      ASSERT_TRUE(writer->sign_head(at(1)));  // all of it into the file
    }
    overwrite(folder.ledger() + "/2026-11.db", from, 4'000);
    std::vector<std::string> notices;
    {
      const auto writer = open_writer(folder, &notices);
      ASSERT_EQ(notices.size(), 1U);
      EXPECT_NE(notices[0].find("2026-11.db was damaged"), std::string::npos) << notices[0];
      EXPECT_EQ(set_aside_files(folder.ledger()), 1U);
      // Reading goes on where it was, by state.db's copy of the positions.
      ASSERT_TRUE(writer->positions());
      ASSERT_EQ(writer->positions()->size(), 1U);
      EXPECT_EQ(writer->positions()->front().offset, 3U);
      ASSERT_TRUE(writer->write(batch({attempt(3)})));
    }
    EXPECT_EQ(rows_of(folder.ledger()), 1U);
    const auto events = events_of(folder.ledger());
    ASSERT_EQ(events.size(), 1U);
    EXPECT_TRUE(events[0].starts_with("set_aside: 2026-11.db was damaged")) << events[0];
    EXPECT_TRUE(verifies(folder.ledger()));  // the chain goes on from the last link of the file that is gone
    notices.clear();
    const auto again = open_writer(folder, &notices);
    EXPECT_TRUE(notices.empty());
    EXPECT_EQ(set_aside_files(folder.ledger()), 1U);
  }
}

TEST(LedgerDamage, DamageWhileWritingIsPutAsideToo) {
  const TempFolder folder;
  std::vector<std::string> notices;
  const auto writer = open_writer(folder, &notices);
  std::vector<AttemptRow> rows;
  for (std::uint64_t i = 1; i <= 2'000; ++i) rows.push_back(attempt(i, "198.51.100." + std::to_string(i % 200)));
  ASSERT_TRUE(writer->write(batch(rows)));
  ASSERT_TRUE(writer->sign_head(at(1)));
  // Every page but the first, under the running writer; its cache still holds good ones, so another process reads first.
  const std::string path = folder.ledger() + "/2026-11.db";
  overwrite(path, 4'096, fs::file_size(path) - 4'096);
  const auto other = open_writer(folder, &notices);
  const auto counts = other->write(batch({attempt(5'000)}));
  ASSERT_TRUE(counts) << counts.error().message();
  EXPECT_EQ(set_aside_files(folder.ledger()), 1U);
  // The first sees that the file is another one.
  const auto more = writer->write(batch({attempt(5'001)}));
  ASSERT_TRUE(more) << more.error().message();
  EXPECT_EQ(rows_of(folder.ledger()), 2U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerDamage, AnOlderMonthThatIsDamagedLeavesItsLastLink) {
  const TempFolder folder;
  const Instant december = at(0) + std::chrono::days(10);
  {
    const auto writer = open_writer(folder);
    ASSERT_TRUE(writer->write(batch({attempt(1)})));
    ASSERT_TRUE(writer->write(batch({attempt(2)}, december)));
  }
  overwrite(folder.ledger() + "/2026-11.db", 0, 4'096);
  const auto writer = open_writer(folder);
  ASSERT_TRUE(writer->write(batch({attempt(3)}, december)));
  EXPECT_EQ(rows_of(folder.ledger()), 2U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerDamage, StateIsMadeAnewFromTheMonths) {
  const TempFolder folder;
  std::string host;
  {
    const auto writer = open_writer(folder);
    host = writer->host();
    ASSERT_TRUE(writer->write(batch({attempt(1), attempt(2)})));
  }
  overwrite(folder.ledger() + "/state.db", 0, 8'000);
  std::vector<std::string> notices;
  const auto writer = open_writer(folder, &notices);
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("state.db was damaged"), std::string::npos);
  EXPECT_EQ(writer->host(), host);
  EXPECT_EQ(writer->positions()->front().offset, 3U);
  ASSERT_TRUE(writer->write(batch({attempt(2), attempt(3)})));
  EXPECT_EQ(rows_of(folder.ledger()), 3U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerDamage, CommitsLostInAPowerCutAreSaidAndReadAgain) {
  const TempFolder folder;
  const std::string path = folder.ledger() + "/2026-11.db";
  {
    const auto writer = open_writer(folder);
    ASSERT_TRUE(writer->write(batch({attempt(1)})));
    ASSERT_TRUE(writer->sign_head(at(0)));
    fs::copy(path, folder.path() + "/before");
    ASSERT_TRUE(writer->write(batch({attempt(2)})));
  }
  // The month as the disk had it; state.db has seen one batch more.
  remove_database(path);
  fs::copy(folder.path() + "/before", path);
  std::vector<std::string> notices;
  const auto writer = open_writer(folder, &notices);
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("power cut"), std::string::npos);
  EXPECT_EQ(writer->positions()->front().offset, 2U);
  const auto counts = writer->write(batch({attempt(2)}));
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->known, 0U);
  EXPECT_EQ(rows_of(folder.ledger()), 2U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerDamage, AFullDiskIsAnErrorAndTheSameBatchMayComeAgain) {
  const TempFolder folder;
  LedgerOptions options;
  options.folder = folder.ledger();
  options.clock = [] { return at(0); };
  options.most_bytes = 300'000;
  std::uint64_t offset = 0;
  std::size_t written = 0;
  Batch refused;
  {
    const auto writer = LedgerWriter::open(options);
    ASSERT_TRUE(writer) << writer.error().message();
    while (true) {
      std::vector<AttemptRow> rows;
      for (int i = 0; i < 200; ++i, ++offset) {
        rows.push_back(attempt(offset, "198.51.100." + std::to_string(offset % 250)));
      }
      refused = batch(rows);
      const auto counts = (*writer)->write(refused);
      if (!counts) {
        EXPECT_EQ(counts.error().kind, ErrorKind::unavailable);
        EXPECT_NE(counts.error().text.find("disk is full"), std::string::npos) << counts.error().text;
        break;
      }
      written += counts->written;
      ASSERT_LT(offset, 100'000U);
    }
    EXPECT_FALSE((*writer)->write(refused));
  }
  EXPECT_GT(written, 0U);
  EXPECT_EQ(rows_of(folder.ledger()), written);
  options.most_bytes = 0;  // somebody has made room
  const auto writer = LedgerWriter::open(options);
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->write(refused));
  EXPECT_EQ(rows_of(folder.ledger()), written + 200);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerThread, DropsWhatDoesNotFitAndSaysSoWhenItCanWriteAgain) {
  const TempFolder folder;
  std::vector<std::string> notices;
  {
    LedgerOptions options;
    options.folder = folder.ledger();
    auto writer = LedgerWriter::open(std::move(options));
    ASSERT_TRUE(writer);
    LedgerThreadOptions settings;
    settings.most_rows = 3;
    settings.retry = std::chrono::milliseconds(1);
    settings.keep.successes.reset();
    settings.notice = [&](const std::string& text) { notices.push_back(text); };  // read after the thread has ended
    LedgerThread thread(std::move(*writer), settings);
    // The folder is gone from where it was: nothing can be opened, as on a disk that fell out.
    fs::rename(folder.ledger(), folder.path() + "/elsewhere");
    EXPECT_TRUE(thread.submit(batch({attempt(1), attempt(2)})));
    EXPECT_TRUE(thread.crowded());
    // The thread has the first batch in hand: what is dropped from here on is one gap.
    while (thread.health().recording) std::this_thread::yield();
    EXPECT_FALSE(thread.submit(batch({attempt(3), attempt(4)})));
    EXPECT_FALSE(thread.submit(batch({attempt(5), attempt(9)})));
    LedgerHealth health = thread.health();
    EXPECT_EQ(health.dropped, 4U);
    EXPECT_EQ(health.waiting, 2U);
    EXPECT_NE(health.problem.find("cannot be written"), std::string::npos);
    fs::rename(folder.path() + "/elsewhere", folder.ledger());
    EXPECT_TRUE(thread.drain(std::chrono::seconds(30)));
    EXPECT_TRUE(thread.submit(batch({attempt(10)})));
    EXPECT_TRUE(thread.drain(std::chrono::seconds(30)));
    health = thread.health();
    EXPECT_TRUE(health.recording);
    EXPECT_EQ(health.problem, "");
    EXPECT_FALSE(health.last_head.empty());
  }
  ASSERT_EQ(notices.size(), 2U);
  EXPECT_NE(notices[0].find("Guarding goes on"), std::string::npos);
  EXPECT_EQ(notices[1], "The ledger is written again.");
  EXPECT_EQ(rows_of(folder.ledger()), 3U);
  const auto events = events_of(folder.ledger());
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0],
            "gap: 4 attempts (4 tries) of file:/var/log/auth.log are missing, from 2026-11-25T08:00:03Z at 1:3 to "
            "2026-11-25T08:00:09Z at 1:9: the disk could not be written to");
  EXPECT_EQ(open_writer(folder)->positions()->front().offset, 11U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerThreadTest, TheFirstHeadCoversTheFirstRows) {
  const TempFolder folder;
  LedgerOptions options;
  options.folder = folder.ledger();
  auto writer = LedgerWriter::open(std::move(options));
  ASSERT_TRUE(writer);
  LedgerThread thread(std::move(*writer), {});
  Batch places;  // a guard begins with where its sources stand
  places.recorded = at(1);
  places.positions = batch({attempt(1)}).positions;
  EXPECT_TRUE(thread.submit(std::move(places)));
  EXPECT_TRUE(thread.drain(std::chrono::seconds(30)));
  EXPECT_EQ(thread.health().last_head, "");
  EXPECT_TRUE(thread.submit(batch({attempt(1)}, at(2))));
  EXPECT_TRUE(thread.drain(std::chrono::seconds(30)));
  const std::string head = thread.health().last_head;
  EXPECT_FALSE(head.empty());
  EXPECT_TRUE(thread.submit(batch({attempt(2)}, at(3))));
  EXPECT_TRUE(thread.drain(std::chrono::seconds(30)));
  EXPECT_EQ(thread.health().last_head, head) << "the next comes a day later";
  const auto verified = verify_ledger(folder.ledger(), {});
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->heads, 1U);
}

TEST(LedgerKeeping, ErasesSuccessesWhenTheirTimeIsOverButNotWhatIsHeld) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  std::vector<AttemptRow> rows;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    rows.push_back(attempt(i, i % 3 == 0 ? "192.0.2.3" : "192.0.2.1", "user" + std::to_string(i)));
    rows.back().outcome = i <= 6 ? RowOutcome::success : RowOutcome::failure;
  }
  ASSERT_TRUE(writer->write(batch(rows)));
  ASSERT_TRUE(writer->hold(*IpAddress::parse("192.0.2.3"), "case 7", at(0)));
  const KeepingPeriods keep;  // failures for ever, successes 180 days
  EXPECT_EQ(writer->expire(keep, at(0) + std::chrono::days(180)), 0U);
  EXPECT_EQ(writer->expire(keep, at(0) + std::chrono::days(181)), 4U);
  EXPECT_EQ(writer->expire(keep, at(0) + std::chrono::days(181)), 0U);
  EXPECT_EQ(rows_of(folder.ledger()), 5U);
  auto reader = LedgerReader::open(folder.ledger());
  ASSERT_TRUE(reader);
  EXPECT_EQ((*reader)->summary(*IpAddress::parse("192.0.2.1"))->successes, 0);
  EXPECT_EQ((*reader)->summary(*IpAddress::parse("192.0.2.1"))->failures, 2);
  EXPECT_EQ((*reader)->summary(*IpAddress::parse("192.0.2.3"))->successes, 2);
  EXPECT_TRUE(verifies(folder.ledger()));
  ASSERT_TRUE(writer->lift_hold(*IpAddress::parse("192.0.2.3")));
  EXPECT_EQ(writer->expire(keep, at(0) + std::chrono::days(181)), 2U);
  EXPECT_EQ(rows_of(folder.ledger()), 3U);
  EXPECT_TRUE(verifies(folder.ledger()));
}

TEST(LedgerKeeping, ForgetsAnAccountAndWholeMonths) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  AttemptRow secret = attempt(2, "192.0.2.2", "Tr0ub4dor&3");
  secret.account_unknown = true;
  ASSERT_TRUE(writer->write(batch({attempt(1, "192.0.2.1", "anna"), secret})));
  ASSERT_TRUE(writer->write(batch({attempt(3, "192.0.2.1", "anna")}, at(0) + std::chrono::days(10))));
  const Instant now = at(0) + std::chrono::days(11);
  EXPECT_EQ(writer->forget({.address = {}, .account = "anna", .before = at(1)}, "asked for", now), 1U);
  EXPECT_EQ(writer->forget({.address = {}, .account = "Tr0ub4dor&3", .before = {}}, "asked for", now), 1U);
  EXPECT_EQ(rows_of(folder.ledger()), 1U);
  EXPECT_TRUE(verifies(folder.ledger()));
  EXPECT_FALSE(writer->forget({}, "nothing", now));
  ASSERT_TRUE(writer->hold(*IpAddress::parse("192.0.2.1"), "case", now));
  const auto held = writer->forget({.address = IpAddress::parse("192.0.2.1"), .account = {}, .before = {}}, "", now);
  ASSERT_FALSE(held);
  EXPECT_EQ(held.error().kind, ErrorKind::conflict);
  ASSERT_TRUE(writer->lift_hold(*IpAddress::parse("192.0.2.1")));
  // All of November, as a file: its last link stays.
  EXPECT_EQ(writer->forget({.address = {}, .account = {}, .before = at(0) + std::chrono::days(9)}, "a new year", now),
            2U);
  EXPECT_FALSE(fs::exists(folder.ledger() + "/2026-11.db"));
  EXPECT_TRUE(verifies(folder.ledger()));
  EXPECT_EQ(rows_of(folder.ledger()), 1U);
}

TEST(LedgerKeeping, ACopyTakenWhileWritingIsALedger) {
  const TempFolder folder;
  const auto writer = open_writer(folder);
  ASSERT_TRUE(writer->write(batch({attempt(1)})));
  ASSERT_TRUE(writer->write(batch({attempt(2)}, at(0) + std::chrono::days(10))));
  const std::string copy = folder.path() + "/copy";
  const auto names = back_up_ledger(folder.ledger(), copy);
  ASSERT_TRUE(names) << names.error().message();
  EXPECT_EQ(*names, (std::vector<std::string>{"state.db", "2026-11.db", "2026-12.db"}));
  EXPECT_FALSE(fs::exists(copy + "/head.key"));
  EXPECT_EQ(back_up_ledger(folder.ledger(), copy).error().kind, ErrorKind::conflict);
  ASSERT_TRUE(writer->write(batch({attempt(3)}, at(0) + std::chrono::days(10))));
  EXPECT_EQ(rows_of(copy), 2U);
  EXPECT_TRUE(verifies(copy));

  EXPECT_EQ(restore_ledger(copy, folder.ledger()).error().kind, ErrorKind::conflict);
  const std::string there = folder.path() + "/there";
  ASSERT_TRUE(restore_ledger(copy, there));
  {
    LedgerOptions options;
    options.folder = there;
    const auto restored = LedgerWriter::open(options);
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ((*restored)->host(), writer->host());
    ASSERT_TRUE((*restored)->write(batch({attempt(2), attempt(3)}, at(0) + std::chrono::days(10))));
  }
  EXPECT_EQ(rows_of(there), 3U);
  EXPECT_TRUE(verifies(there));
  overwrite(copy + "/2026-12.db", 8'192, 4'096);
  EXPECT_EQ(restore_ledger(copy, folder.path() + "/other").error().kind, ErrorKind::corrupt);
}

TEST(LedgerSchema, MigratesStepByStepOrNotAtAll) {
  const char* const steps[] = {"CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES(7)",
                               "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5"};
  auto database = Database::memory();
  ASSERT_TRUE(database);
  ASSERT_TRUE(migrate(*database, SchemaSteps(steps, 1)));
  EXPECT_EQ(database->number("PRAGMA user_version"), 1);
  ASSERT_TRUE(migrate(*database, steps));
  EXPECT_EQ(database->number("PRAGMA user_version"), 2);
  EXPECT_EQ(database->number("SELECT x * y FROM a"), 35);
  ASSERT_TRUE(migrate(*database, steps));  // nothing to do

  const auto older = migrate(*database, SchemaSteps(steps, 1));
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().kind, ErrorKind::invalid);
  EXPECT_NE(older.error().text.find("newer version"), std::string::npos);

  const char* const broken[] = {steps[0], "ALTER TABLE a ADD COLUMN y INTEGER; ALTER TABLE nothing ADD COLUMN z"};
  auto other = Database::memory();
  ASSERT_TRUE(migrate(*other, SchemaSteps(broken, 1)));
  EXPECT_FALSE(migrate(*other, broken));
  EXPECT_EQ(other->number("PRAGMA user_version"), 1);
  EXPECT_EQ(other->number("SELECT count(*) FROM pragma_table_info('a')"), 1);
}

TEST(LedgerSchema, StrangersTablesAreRefused) {
  for (const char* sql :
       {"CREATE TRIGGER t AFTER INSERT ON attempt BEGIN DELETE FROM attempt; END", "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE t(x)", "DROP TABLE raw", "DROP INDEX batch_first"}) {
    auto database = Database::memory();
    ASSERT_TRUE(migrate(*database, month_schema()));
    database->execute(sql);
    const auto checked = check_schema(*database, month_schema());
    ASSERT_FALSE(checked) << sql;
    EXPECT_EQ(checked.error().kind, ErrorKind::corrupt);
  }
}

}  // namespace
}  // namespace tipstaff
