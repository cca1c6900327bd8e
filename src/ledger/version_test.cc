// Ledgers of all released versions, as SQL text under tests/ledger, opened by this one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "ledger/folder.h"
#include "ledger/reader.h"
#include "ledger/sqlite.h"
#include "ledger/testing.h"
#include "ledger/verify.h"

namespace tipstaff {
namespace {

using namespace ledger_test;

void build(const std::string& path, const std::string& sql_file) {
  std::ifstream in(std::string(TIPSTAFF_SOURCE_DIR) + "/tests/ledger/" + sql_file);
  const std::string sql((std::istreambuf_iterator<char>(in)), {});
  ASSERT_FALSE(sql.empty()) << sql_file;
  ASSERT_TRUE(make_file(path));
  auto database = Database::open(path, Database::Mode::write);
  ASSERT_TRUE(database);
  database->execute(sql.c_str());
  ASSERT_TRUE(database->ok()) << database->take_error().error().message();
}

TEST(LedgerVersions, Version1IsOpenedReadVerifiedAndWrittenOn) {
  const TempFolder folder;
  ASSERT_TRUE(make_folder(folder.ledger()));
  build(folder.ledger() + "/2026-11.db", "version-1-2026-11.sql");
  build(folder.ledger() + "/state.db", "version-1-state.sql");

  std::vector<std::string> notices;
  const auto writer = open_writer(folder, &notices);
  ASSERT_EQ(notices.size(), 1U);  // the key is not part of the copy
  EXPECT_NE(notices[0].find("head.key is another one"), std::string::npos) << notices[0];
  const auto counts = writer->write(batch({attempt(4), attempt(6)}, at(100)));
  ASSERT_TRUE(counts) << counts.error().message();
  EXPECT_EQ(counts->known, 1U);

  auto reader = LedgerReader::open(folder.ledger());
  ASSERT_TRUE(reader) << reader.error().message();
  ReportQuery query;
  query.network = IpNetwork::parse("192.0.2.1");
  query.raw = true;
  const auto report = (*reader)->report(query);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->attempts.size(), 2U);  // offset 1 was withdrawn, 4 is of the old version, 6 of this one
  EXPECT_EQ(report->attempts[0].key.offset, 4U);
  EXPECT_EQ(report->attempts[0].account, "root");
  EXPECT_EQ(report->attempts[0].raw, attempt(4).raw);
  EXPECT_EQ(report->verdicts.size(), 1U);
  query.network = IpNetwork::parse("2001:db8::/32");
  EXPECT_EQ((*reader)->report(query)->summary.successes, 1);
  query.network = IpNetwork::parse("198.51.100.9");
  EXPECT_EQ((*reader)->report(query)->attempts.size(), 0U);  // forgotten by that version

  const auto verified = verify_ledger(folder.ledger(), {});
  ASSERT_TRUE(verified);
  EXPECT_FALSE(verified->broken) << verified->broken->text;
  EXPECT_EQ(verified->erased, 2U);
  EXPECT_EQ(verified->heads, 1U);
}

TEST(LedgerVersions, Version1TakesWhatIsDoneByHand) {
  const TempFolder folder;
  ASSERT_TRUE(make_folder(folder.ledger()));
  build(folder.ledger() + "/2026-11.db", "version-1-2026-11.sql");
  build(folder.ledger() + "/state.db", "version-1-state.sql");
  std::vector<std::string> notices;
  const auto writer = open_writer(folder, &notices);
  ASSERT_TRUE(writer->write(by_hand()));

  auto reader = LedgerReader::open(folder.ledger());
  ASSERT_TRUE(reader) << reader.error().message();
  std::vector<VerdictKind> kinds;
  ASSERT_TRUE((*reader)->each_standing(at(0), [&](const StoredVerdict& row) { kinds.push_back(row.kind); }));
  EXPECT_EQ(kinds, (std::vector{VerdictKind::block, VerdictKind::block, VerdictKind::unblock, VerdictKind::exempt,
                                VerdictKind::drops}));  // the first is of the old version
  const auto verified = verify_ledger(folder.ledger(), {});
  ASSERT_TRUE(verified);
  EXPECT_FALSE(verified->broken) << verified->broken->text;
}

TEST(LedgerVersions, ANewerVersionIsRefusedUntouched) {
  const TempFolder folder;
  {
    const auto writer = open_writer(folder);
    ASSERT_TRUE(writer->write(batch({attempt(1)})));
  }
  const std::string path = folder.ledger() + "/2026-11.db";
  {
    auto database = Database::open(path, Database::Mode::write);
    database->execute("PRAGMA user_version=99");
  }
  LedgerOptions options;
  options.folder = folder.ledger();
  const auto writer = LedgerWriter::open(options);
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.error().kind, ErrorKind::invalid);
  EXPECT_NE(writer.error().text.find("newer version"), std::string::npos);
  const auto reader = LedgerReader::open(folder.ledger());
  ASSERT_FALSE(reader);
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace tipstaff
