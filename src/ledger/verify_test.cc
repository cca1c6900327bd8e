#include "ledger/verify.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ledger/reader.h"
#include "ledger/sqlite.h"
#include "ledger/state_file.h"
#include "ledger/testing.h"

namespace tipstaff {
namespace {

using namespace ledger_test;
namespace fs = std::filesystem;

VerifyResult verify(const std::string& folder, const std::vector<SignedHead>& copies = {}) {
  auto result = verify_ledger(folder, copies);
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

std::string what(const VerifyResult& result) {
  return result.broken ? fmt::format("{} batch {} row {}: {}", result.broken->file, result.broken->batch,
                                     result.broken->row, result.broken->text)
                       : "";
}

Database open_database(const std::string& path) {
  auto database = Database::open(path, Database::Mode::write);
  if (!database) throw std::runtime_error(database.error().message());
  return std::move(*database);
}

void run_sql(const std::string& path, const std::string& sql) {
  Database database = open_database(path);
  database.execute(sql.c_str());
  if (!database.ok()) throw std::runtime_error(database.take_error().error().message() + ": " + sql);
}

// Two months, five batches, rows of all kinds: 1 2 3v | 4 5 6 | 7 8e || 9 10 | 11
class LedgerVerify : public ::testing::Test {
 protected:
  void SetUp() override {
    writer_ = open_writer(folder_);
    Batch first = batch({attempt(1), attempt(2, "2001:db8::7", "anna")});
    first.verdicts = {block(first.attempts[0])};
    add(first);
    add(batch({attempt(3), attempt(4, "198.51.100.9"), attempt(5, "198.51.100.9", "")}));
    Batch third = batch({attempt(6)});
    third.events = {{"gap", at(0), "journal", "3 attempts are missing"}};
    add(third);
    add(batch({attempt(7), attempt(8)}, at(0) + std::chrono::days(10)));
    add(batch({attempt(9)}, at(1) + std::chrono::days(10)));
  }
  void add(const Batch& batch) {
    const auto counts = writer_->write(batch);
    ASSERT_TRUE(counts) << counts.error().message();
  }
  // A copy of the ledger as it is, with every WAL emptied.
  std::string copy() {
    writer_.reset();
    for (const auto& name : {"2026-11.db", "2026-12.db", "state.db"})
      open_database(folder_.ledger() + "/" + name).checkpoint();
    const std::string to = folder_.path() + "/copy";
    fs::remove_all(to);
    fs::copy(folder_.ledger(), to);
    return to;
  }

  TempFolder folder_;
  std::unique_ptr<LedgerWriter> writer_;
};

TEST_F(LedgerVerify, GoodLedgerIsGood) {
  const VerifyResult result = verify(folder_.ledger());
  EXPECT_EQ(what(result), "");
  EXPECT_EQ(result.files, 2U);
  EXPECT_EQ(result.batches, 5U);
  EXPECT_EQ(result.rows, 11U);
  EXPECT_EQ(result.erased, 0U);
}

TEST_F(LedgerVerify, NamesTheRowThatWasChanged) {
  const struct {
    const char* sql;
    std::uint64_t batch, row;
  } cases[] = {
      {"UPDATE attempt SET address = 2 WHERE id = 1", 1, 1},
      {"UPDATE attempt SET address = NULL WHERE id = 1", 1, 1},
      {"UPDATE attempt SET flags = flags | 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET flags = flags | 4 WHERE id = 5", 2, 5},
      {"UPDATE attempt SET flags = flags | 64 WHERE id = 5", 2, 5},
      {"UPDATE attempt SET source = source + 8 WHERE id = 2", 1, 2},
      {"UPDATE attempt SET generation = generation + 8 WHERE id = 2", 1, 2},
      {"UPDATE attempt SET offset = offset + 1 WHERE id = 2", 1, 2},
      {"UPDATE attempt SET line_index = 1 WHERE id = 7", 3, 7},
      {"UPDATE attempt SET version = 1 WHERE id = 7", 3, 7},
      {"UPDATE attempt SET port = port + 65536 WHERE id = 7", 3, 7},
      {"UPDATE attempt SET port = port + 1 WHERE id = 7", 3, 7},
      {"UPDATE attempt SET count = 2 WHERE id = 6", 2, 6},
      {"UPDATE attempt SET account = 1 WHERE id = 6", 2, 6},
      {"UPDATE attempt SET account = NULL WHERE id = 4", 2, 4},
      {"UPDATE attempt SET service = 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET detector = 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET origin = 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET extra = 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET host = 99 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET time = time + 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET time = NULL WHERE id = 4", 2, 4},
      {"UPDATE attempt SET window_time = window_time + 1 WHERE id = 4", 2, 4},
      {"UPDATE attempt SET salt = zeroblob(16) WHERE id = 4", 2, 4},
      {"UPDATE address SET value = x'00000000000000000000ffffc0000202' WHERE id = 1", 1, 1},
      {"UPDATE account SET value = x'6e72303074' WHERE id = 1", 1, 1},
      {"UPDATE text SET value = x'00' WHERE value = CAST('password' AS BLOB)", 1, 1},
      {"UPDATE source SET name = x'00'", 1, 1},
      {"DELETE FROM attempt WHERE id = 5", 2, 5},
      {"UPDATE attempt SET id = 100 WHERE id = 5", 2, 5},
      {"UPDATE verdict SET flags = flags + 1", 1, 3},
      {"UPDATE verdict SET flags = flags - 2", 1, 3},
      {"UPDATE verdict SET flags = flags + 4", 1, 3},
      {"UPDATE verdict SET rule = 1", 1, 3},
      {"UPDATE verdict SET network = x'00000000000000000000ffffc000020380'", 1, 3},
      {"UPDATE verdict SET network = NULL", 1, 3},
      {"UPDATE verdict SET account = 1", 1, 3},
      {"UPDATE verdict SET at = at + 1", 1, 3},
      {"UPDATE verdict SET until = until + 1", 1, 3},
      {"UPDATE verdict SET attempts = x''", 1, 3},
      {"DELETE FROM verdict", 1, 3},
      {"UPDATE event SET text = x'20'", 3, 8},
      {"UPDATE event SET kind = x'20'", 3, 8},
      {"UPDATE event SET source = x'20'", 3, 8},
      {"UPDATE event SET at = at + 1", 3, 8},
      {"UPDATE event SET detail = x'20'", 3, 8},
      {"UPDATE raw SET block = zeroblob(8) WHERE batch = 2", 2, 4},
      {"UPDATE raw SET digest = zeroblob(32) WHERE batch = 2", 2, 4},
      {"DELETE FROM raw WHERE batch = 2", 2, 4},
      {"UPDATE batch SET recorded = recorded + 1 WHERE id = 2", 2, 4},
      {"UPDATE batch SET root = zeroblob(32) WHERE id = 2", 2, 4},
      {"UPDATE batch SET link = zeroblob(32) WHERE id = 2", 2, 4},
      {"UPDATE batch SET digests = zeroblob(96) WHERE id = 2", 2, 4},
      {"UPDATE batch SET digests = zeroblob(95) WHERE id = 2", 2, 4},
      {"UPDATE batch SET rows = 2 WHERE id = 2", 2, 4},
      {"UPDATE batch SET first = 5 WHERE id = 2", 2, 4},
      {"UPDATE batch SET earliest = earliest - 1 WHERE id = 2", 2, 4},
      {"DELETE FROM batch WHERE id = 2", 2, 4},
      {"INSERT INTO event VALUES(1000, x'20', 0, x'20', x'20', x'20', x'20')", 0, 0},
      {"UPDATE origin SET link = randomblob(32)", 1, 1},
  };
  for (const auto& one : cases) {
    const std::string to = copy();
    run_sql(to + "/2026-11.db", one.sql);
    const VerifyResult result = verify(to);
    ASSERT_TRUE(result.broken) << one.sql;
    EXPECT_EQ(result.broken->file, "2026-11.db") << one.sql;
    EXPECT_EQ(result.broken->batch, one.batch) << one.sql << ": " << result.broken->text;
    EXPECT_EQ(result.broken->row, one.row) << one.sql << ": " << result.broken->text;
  }
}

TEST_F(LedgerVerify, NamesTheRowForEachBitOfARowABlockAndTheChain) {
  // A bit of each byte of every BLOB, and each bit of every number of one row, batch and block.
  const std::string to = copy();
  const struct {
    const char *table, *column, *where;
    std::uint64_t row;
  } blobs[] = {{"attempt", "salt", "id = 4", 4},  {"raw", "block", "batch = 2", 4}, {"raw", "digest", "batch = 2", 4},
               {"batch", "root", "id = 2", 4},    {"batch", "link", "id = 2", 4},   {"batch", "digests", "id = 2", 0},
               {"verdict", "network", "1", 3},    {"verdict", "attempts", "1", 3},  {"verdict", "salt", "1", 3},
               {"event", "text", "1", 8},         {"event", "salt", "1", 8},        {"address", "value", "id = 1", 1},
               {"account", "value", "id = 1", 1}, {"text", "value", "id = 1", 1}};
  int changes = 0;
  for (const auto& [table, column, where, row] : blobs) {
    Database database = open_database(to + "/2026-11.db");
    std::string value;
    {
      Statement read(database, fmt::format("SELECT {} FROM {} WHERE {}", column, table, where).c_str());
      ASSERT_TRUE(read.next());
      value = read.bytes(0);
    }
    Statement write(database, fmt::format("UPDATE {} SET {} = ? WHERE {}", table, column, where).c_str());
    for (std::size_t byte = 0; byte < value.size(); ++byte) {
      std::string changed = value;
      changed[byte] = static_cast<char>(changed[byte] ^ (1 << (byte % 8)));
      write.run(Blob(changed));
      const VerifyResult result = verify(to);
      ASSERT_TRUE(result.broken) << table << " " << column << " byte " << byte;
      const std::uint64_t expected = std::string_view(column) == "digests" ? 4 + byte / 32 : row;
      EXPECT_EQ(result.broken->row, expected) << table << " " << column << " byte " << byte;
      ++changes;
    }
    write.run(Blob(value));
  }
  const char* const numbers[] = {"source",  "generation", "offset", "line_index", "version",    "flags",
                                 "address", "port",       "count",  "account",    "service",    "detector",
                                 "origin",  "extra",      "host",   "time",       "window_time"};
  for (const char* column : numbers) {
    Database database = open_database(to + "/2026-11.db");
    const std::int64_t value = database.number(fmt::format("SELECT {} FROM attempt WHERE id = 5", column).c_str());
    Statement write(database, fmt::format("UPDATE attempt SET {} = ? WHERE id = 5", column).c_str());
    for (const unsigned bit : {0U, 1U, 2U, 3U, 7U, 15U, 16U, 31U, 32U, 47U, 62U, 63U}) {
      write.run(static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << bit));
      const VerifyResult result = verify(to);
      ASSERT_TRUE(result.broken) << column << " bit " << bit;
      EXPECT_EQ(result.broken->row, 5U) << column << " bit " << bit;
      ++changes;
    }
    write.run(value);
  }
  EXPECT_GT(changes, 600);
  EXPECT_EQ(what(verify(to)), "");
}

TEST_F(LedgerVerify, NoByteOfTheFileChangesUnnoticed) {
  // Whatever byte of the file is changed: either verify says so, or every row reads as before.
  const std::string to = copy();
  const std::string path = to + "/2026-12.db";
  const auto told = [&] {
    std::string text;
    auto reader = LedgerReader::open(to);
    if (!reader) return text;
    ReportQuery query;
    query.network = IpNetwork::parse("0.0.0.0/0");
    query.raw = true;
    if (auto report = (*reader)->report(query)) {
      for (const auto& row : report->attempts) {
        text += fmt::format("{} {} {} {} {}\n", row.id, row.key.offset, row.account.value_or("-"), row.host,
                            row.raw.empty() ? "" : row.raw[0]);
      }
    }
    return text;
  };
  const std::string before = told();
  std::ifstream in(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  std::size_t noticed = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 211) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    std::ofstream(path, std::ios::binary) << changed;
    const auto result = verify_ledger(to, {});
    if (!result || result->broken) {
      ++noticed;
      continue;
    }
    // Postings are not in the chain: what reports find by them may be less, never something else.
    const std::string text = told();
    std::size_t end = 0;
    for (std::size_t line = 0; line < text.size(); line = end + 1) {
      end = text.find('\n', line);
      EXPECT_NE(before.find(text.substr(line, end - line + 1)), std::string::npos) << "byte " << at;
    }
  }
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_GT(noticed, 20U);
  EXPECT_EQ(what(verify(to)), "");
}

TEST_F(LedgerVerify, MissingFilesAndCutEndsAreNamed) {
  std::string to = copy();
  fs::remove(to + "/2026-11.db");
  EXPECT_EQ(verify(to).broken->row, 1U);
  to = copy();
  fs::remove(to + "/2026-12.db");
  VerifyResult result = verify(to);
  ASSERT_TRUE(result.broken);
  EXPECT_EQ(result.broken->row, 9U);
  to = copy();
  run_sql(to + "/2026-12.db", "DELETE FROM batch WHERE id = 5; DELETE FROM attempt WHERE id = 11");
  result = verify(to);
  ASSERT_TRUE(result.broken);
  EXPECT_EQ(result.broken->row, 11U) << what(result);
}

TEST_F(LedgerVerify, HeadsKeptElsewhereConvictAChainWrittenAnew) {
  const auto head = writer_->sign_head(at(2) + std::chrono::days(10));
  ASSERT_TRUE(head) << head.error().message();
  const auto read = read_head(head->to_text());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(verify(folder_.ledger(), {*read}).heads, 2U);  // the copy, and state.db's own
  std::string text = head->to_text();
  text.back() = text.back() == '0' ? '1' : '0';
  EXPECT_FALSE(read_head(text));

  // Somebody with all rights writes the same host's ledger anew, without one attempt, and signs it with the same key.
  const std::string to = copy();
  const TempFolder other;
  fs::create_directory(other.ledger());
  fs::copy(to + "/head.key", other.ledger() + "/head.key");
  {
    const auto forger = open_writer(other);
    Batch all = batch({attempt(1), attempt(3)});
    for (std::uint64_t i = 0; i < 6; ++i) {
      all.attempts[0].key.offset = 10 + i;
      ASSERT_TRUE(forger->write(all));
    }
    ASSERT_TRUE(forger->sign_head(at(5)));
  }
  EXPECT_EQ(what(verify(other.ledger())), "");  // by itself it looks good
  const VerifyResult result = verify(other.ledger(), {*read});
  ASSERT_TRUE(result.broken);
  EXPECT_EQ(result.broken->batch, 5U);
  EXPECT_NE(result.broken->text.find("written anew"), std::string::npos);
}

TEST_F(LedgerVerify, StillVerifiesAfterForgetting) {
  const std::size_t before = 9;
  auto erased =
      writer_->forget({.address = IpAddress::parse("192.0.2.1"), .account = {}, .before = {}}, "asked for", at(9));
  ASSERT_TRUE(erased) << erased.error().message();
  EXPECT_EQ(*erased, 7U);  // six attempts and the verdict
  const VerifyResult result = verify(folder_.ledger());
  EXPECT_EQ(what(result), "");
  EXPECT_EQ(result.erased, 7U);
  auto reader = LedgerReader::open(folder_.ledger());
  ASSERT_TRUE(reader);
  ReportQuery query;
  query.network = IpNetwork::parse("0.0.0.0/0");
  EXPECT_EQ((*reader)->report(query)->attempts.size(), before - 7U);
  // Nothing of the address is left in any file.
  writer_.reset();
  for (const auto& file : fs::directory_iterator(folder_.ledger())) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(bytes.find(std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16)), std::string::npos)
        << file.path();
  }
  // A row taken away besides is still noticed.
  run_sql(folder_.ledger() + "/2026-11.db", "DELETE FROM attempt WHERE id = 5");
  EXPECT_EQ(verify(folder_.ledger()).broken->row, 5U);
}

TEST(LedgerByHand, IsPartOfTheChain) {
  const TempFolder folder;
  {
    const auto writer = open_writer(folder);
    ASSERT_TRUE(writer->write(by_hand()));
    auto again = by_hand();
    again.recorded = at(101);
    EXPECT_EQ(writer->write(again)->known, 4U);
    auto ended = by_hand();
    ended.recorded = at(200);
    ended.verdicts.resize(1);
    ended.verdicts[0].cause.offset = 2'000;
    ended.verdicts[0].until = ended.verdicts[0].at;
    ASSERT_TRUE(writer->write(ended));
  }
  {
    const auto good = verify_ledger(folder.ledger(), {});
    ASSERT_TRUE(good);
    EXPECT_FALSE(good->broken) << good->broken->text;
    auto reader = LedgerReader::open(folder.ledger());
    std::vector<StoredVerdict> rows;
    const auto keep = [&rows](const StoredVerdict& row) { rows.push_back(row); };
    ASSERT_TRUE((*reader)->each_standing(at(150), keep));
    ASSERT_EQ(rows.size(), 5U);
    EXPECT_EQ(rows[0].until, Instant::max());
    EXPECT_EQ(rows[0].by, "uid 1000 (anna)");
    EXPECT_EQ(rows[0].why, "asked for");
    EXPECT_EQ(rows[3].dropped, 12U);
    EXPECT_EQ(rows[3].counter, 7U);
    EXPECT_EQ(rows[4].until, rows[4].at);
    rows.clear();
    ASSERT_TRUE((*reader)->each_standing(at(4'500), keep));
    EXPECT_EQ(rows.size(), 4U) << "the unblocking matters no more";
    EXPECT_EQ((*reader)->verdicts(100)->size(), 4U) << "without the counts";
    const auto told = [&](std::optional<Instant> over) {
      rows.clear();
      EXPECT_TRUE((*reader)->each_verdict(100, over, keep));
      return rows.size();
    };
    EXPECT_EQ(told(std::nullopt), 4U);
    EXPECT_EQ(told(at(4'500)), 1U) << "each_standing() gives the others";
  }
  auto database = Database::open(folder.ledger() + "/2026-11.db", Database::Mode::write);
  database->execute("UPDATE verdict SET dropped = 11 WHERE dropped = 12");
  const auto bad = verify_ledger(folder.ledger(), {});
  ASSERT_TRUE(bad);
  EXPECT_TRUE(bad->broken);
}

}  // namespace
}  // namespace tipstaff
