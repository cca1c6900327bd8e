// Reports of networks, narrow and wide: by whichever way the rows are found, they are those that were written, of each
// attempt the newest version. Attempts are made at random, and some change their address or are withdrawn, also a month later.
#include "ledger/gathering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "ledger/testing.h"

namespace tipstaff {
namespace {

using ledger_test::at;
using ledger_test::attempt;
using ledger_test::batch;
using ledger_test::TempFolder;

using Row = std::tuple<std::uint64_t, std::string, std::string, std::uint32_t>;  // offset, address, account, version

Row row_of(const AttemptRow& row) {
  return {row.key.offset, row.address ? row.address->to_string() : "", row.account.value_or(""), row.version};
}

class GatheringTest : public testing::Test {
 protected:
  GatheringTest() {
    const auto writer = ledger_test::open_writer(folder_);
    for (int i = 0; i < 300; ++i) {
      std::vector<AttemptRow> rows;
      for (int j = 0; j < 8; ++j) rows.push_back(fresh_or_changed());
      const auto done = writer->write(batch(rows, i < 200 ? at(0) : at(40 * 86'400)));
      EXPECT_TRUE(done);
    }
  }

  [[nodiscard]] std::vector<Row> expected(const ReportQuery& query) const {
    std::vector<Row> all;
    for (const auto& [offset, row] : newest_) {
      if (row.withdrawn || (query.network && !(row.address && query.network->contains(*row.address)))) continue;
      if ((query.account && row.account != query.account) || (query.since && *row.time < *query.since) ||
          (query.until && *row.time >= *query.until))
        continue;
      all.push_back(row_of(row));
    }
    return all;
  }
  void check(const ReportQuery& query) const {
    const auto reader = LedgerReader::open(folder_.ledger());
    ASSERT_TRUE(reader) << reader.error().message();
    const auto report = (*reader)->report(query);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_TRUE((*reader)->problems().empty());
    std::vector<Row> got;
    for (const StoredAttempt& row : report->attempts) got.push_back(row_of(row));
    EXPECT_EQ(got, expected(query));
    EXPECT_EQ(report->summary.failures, static_cast<std::int64_t>(got.size()));
    const auto index = (*reader)->find(query);
    ASSERT_TRUE(index);
    std::map<std::string, std::int64_t> accounts;
    for (const Row& row : got) ++accounts[std::get<2>(row)];
    EXPECT_EQ(index->accounts.names.size(), accounts.size());
    for (const NameCount& one : index->accounts.names) EXPECT_EQ(one.tries, accounts[one.name]) << one.name;
  }
  [[nodiscard]] static ReportQuery about(const std::string& network,
                                         std::optional<std::string> account = std::nullopt) {
    ReportQuery query;
    query.network = IpNetwork::parse(network);
    query.account = std::move(account);
    return query;
  }

  TempFolder folder_;
  std::map<std::uint64_t, AttemptRow> newest_;

 private:
  std::string some_address() {
    const auto n = random_() % 60;
    return random_() % 4 == 0 ? "2001:db8::" + std::to_string(n)
                              : (n < 40 ? "192.0.2." : "198.51.100.") + std::to_string(n);
  }
  AttemptRow fresh_or_changed() {
    AttemptRow row = attempt(newest_.size() + 1, some_address(), "user" + std::to_string(random_() % 5));
    if (random_() % 5 == 0 && !newest_.empty()) {
      row = newest_.at(1 + random_() % newest_.size());
      if (row.withdrawn) return row;  // known already
      ++row.version;
      const auto what = random_() % 4;
      if (what == 0) row.withdrawn = true;
      if (what == 1) row.address = IpAddress::parse(some_address());
      if (what == 2) row.account = "user" + std::to_string(random_() % 5);
    }
    newest_.insert_or_assign(row.key.offset, row);
    return row;
  }

  std::mt19937_64 random_{7};
};

TEST_F(GatheringTest, FindsTheSameHoweverWideTheNetworkIs) {
  for (const char* network : {"0.0.0.0/0", "::/0", "192.0.2.0/24", "192.0.2.0/28", "198.51.100.0/24", "192.0.2.7/32",
                              "192.0.2.6/31", "2001:db8::/32", "2001:db8::1/128", "203.0.113.0/24"}) {
    SCOPED_TRACE(network);
    check(about(network));
    check(about(network, "user3"));
    check(about(network, "nobody"));
    ReportQuery timed = about(network);
    timed.since = at(100);
    timed.until = at(900);
    check(timed);
  }
  ReportQuery account;
  account.account = "user2";
  check(account);
}

TEST_F(GatheringTest, RowsOfAnIndexComeInAnyPieces) {
  const auto reader = LedgerReader::open(folder_.ledger());
  ASSERT_TRUE(reader);
  const auto index = (*reader)->find(about("::/0"));
  ASSERT_TRUE(index);
  std::vector<Row> got;
  for (std::size_t from = 0; from < index->rows.size(); from += 7) {
    for (const StoredAttempt& row : (*reader)->rows(*index, from, 7, false)) got.push_back(row_of(row));
  }
  EXPECT_EQ(got, expected(about("::/0")));
}

}  // namespace
}  // namespace tipstaff
