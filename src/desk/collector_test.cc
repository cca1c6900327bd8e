// From rows of a ledger to messages.
#include "desk/collector.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "alert/alert_text.h"
#include "ledger/testing.h"
#include "lookup/names/public_suffix.h"
#include "tests/dns_server.h"

namespace tipstaff {
namespace {

using namespace ledger_test;
using namespace std::chrono_literals;

constexpr std::string_view kRules = R"(
[[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 5
lockout = "2h"
[[rule]]
name = "Success after failures"
trigger_window = "1h"
after_failures = 5
match = { outcome = "success" }
action = "alert"
[[rule]]
name = "Spraying"
trigger_window = "1d"
occurrences = 10
lockout = "2h"
distinct = "account"
)";

class CollectorTest : public testing::Test {
 protected:
  CollectorTest() : writer_(open_writer(folder_)) {
    options_.folder = folder_.ledger();
    options_.channels.mail = {"admin@example.org"};
    configure("");
  }
  void configure(const std::string& more) {
    auto config = parse_rules(std::string(kRules) + more, "rules.toml");
    ASSERT_TRUE(config) << to_text(config.error());
    options_.config = std::make_shared<const Config>(std::move(*config));
  }
  AlertStore open_store() {
    auto store = AlertStore::open(folder_.ledger(), Database::Mode::write);
    if (!store) throw std::runtime_error(store.error().message());
    return std::move(*store);
  }
  // The desk is there before anything happens.
  void first_run() { run(at(0)); }
  void run(Instant now) {
    AlertStore store = open_store();
    Collector collector(options_, store);
    for (bool more = true; more;) {
      const auto step = collector.step(now);
      ASSERT_TRUE(step) << step.error().message();
      more = *step;
    }
    for (int again = 0; again < 15; ++again) ASSERT_TRUE(collector.step(now));
  }
  // Somebody is blocked at his fifth try.
  void attack(const std::string& address, const std::string& rule = "Catch All Login") {
    Batch all;
    all.recorded = at(0);
    for (int i = 0; i < 5; ++i) all.attempts.push_back(attempt(++offset_, address, "root"));
    VerdictRow row = block(all.attempts.back());
    row.rule = rule;
    row.watch_only = false;
    all.verdicts.push_back(row);
    write(std::move(all));
  }
  void write(Batch batch) {
    const auto written = writer_->write(std::move(batch));
    ASSERT_TRUE(written) << written.error().message();
  }
  std::vector<StoredMessage> messages() {
    auto all = open_store().messages(100'000);
    std::ranges::reverse(all);
    return all;
  }

  TempFolder folder_;
  std::unique_ptr<LedgerWriter> writer_;
  CollectorOptions options_;
  std::uint64_t offset_ = 0;
};

TEST_F(CollectorTest, APlainBlockIsLeftToTheDailyWord) {
  first_run();
  attack("192.0.2.1");
  run(at(100));
  EXPECT_TRUE(messages().empty());
  EXPECT_TRUE(open_store().open_rows(10).empty());
}

TEST_F(CollectorTest, EachBlockIsMailedOnceAlsoOverRestarts) {
  configure("[desk]\nalerts = \"each\"\n");
  first_run();
  attack("192.0.2.1");
  run(at(100));
  run(at(101));
  attack("192.0.2.2");
  run(at(102));
  const auto all = messages();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].subject, "Alert from host-a, IP 192.0.2.1 blocked until 2026-11-25 10:00:05 UTC");
  EXPECT_EQ(all[0].of, "each");
  EXPECT_NE(all[0].text.find("Rule used (sshd): Catch All Login. Trigger window 00:30:00, occurrences 5, lockout time "
                             "02:00:00\nPrevious observations of this address:\n2026-11-25 08:00:05  root\n"),
            std::string::npos)
      << all[0].text;
  EXPECT_NE(all[0].text.find("\nLedger: host "), std::string::npos);
}

TEST_F(CollectorTest, ADeskThatIsNewDoesNotTellThePast) {
  configure("[desk]\nalerts = \"each\"\n");
  attack("192.0.2.1");
  first_run();
  EXPECT_TRUE(messages().empty());
  attack("192.0.2.2");
  run(at(100));
  EXPECT_EQ(messages().size(), 1U);
}

TEST_F(CollectorTest, SprayingAndAlertsCannotWait) {
  first_run();
  attack("192.0.2.1", "Spraying");
  Batch success;
  success.recorded = at(50);
  success.attempts.push_back(attempt(++offset_, "192.0.2.2", "anna"));
  success.attempts.back().outcome = RowOutcome::success;
  VerdictRow row = block(success.attempts.back());
  row.kind = VerdictKind::alert;
  row.rule = "Success after failures";
  row.until.reset();
  success.verdicts.push_back(row);
  write(std::move(success));
  run(at(100));
  const auto all = messages();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].of, "now");
  EXPECT_EQ(all[1].of, "now");
  EXPECT_EQ(all[1].subject, "Alert from host-a, Success after failures: IP 192.0.2.2");
  EXPECT_NE(all[1].text.find("  anna  LOGGED IN\n"), std::string::npos) << all[1].text;
}

TEST_F(CollectorTest, ABlockThatWasTakenBackIsNotTold) {
  configure("[desk]\nalerts = \"each\"\n");
  first_run();
  attack("192.0.2.1");
  Batch back;
  back.recorded = at(10);
  VerdictRow row = block(attempt(offset_, "192.0.2.1", "root"));
  row.cause.index = 1;
  row.watch_only = false;
  row.until = row.at;
  back.verdicts.push_back(row);
  write(std::move(back));
  run(at(100));
  EXPECT_TRUE(messages().empty());
}

TEST_F(CollectorTest, WhatIsDoneByHandIsNotTold) {
  configure("[desk]\nalerts = \"each\"\n");
  first_run();
  write(by_hand());
  run(at(200));
  EXPECT_TRUE(messages().empty());
}

// 5,000 blocked addresses in a minute: few mails, one that tells of the rest; what cannot wait comes at once.
TEST_F(CollectorTest, AFloodBecomesOneMessage) {
  configure("[desk]\nalerts = \"each\"\nvictim_networks = [\"203.0.113.0/24\"]\n");
  first_run();
  Batch flood;
  flood.recorded = at(0);
  for (unsigned i = 0; i < 5000; ++i) {
    const std::string address = fmt::format("198.18.{}.{}", i / 250, i % 250 + 1);
    flood.attempts.push_back(attempt(++offset_, address, "root"));
    flood.verdicts.push_back(block(flood.attempts.back()));
  }
  write(std::move(flood));
  run(at(60));
  attack("203.0.113.9");
  run(at(61));
  auto all = messages();
  ASSERT_EQ(all.size(), Collector::kMostEach + 1);
  EXPECT_EQ(all.back().of, "now");
  run(at(60) + Collector::kBurst + 1s);
  all = messages();
  ASSERT_EQ(all.size(), Collector::kMostEach + 2);
  EXPECT_EQ(all.back().subject, "4990 more alerts from host-a");
  EXPECT_NE(all.back().text.find("... and 4940 more"), std::string::npos) << all.back().text;
  run(at(60) + 2 * Collector::kBurst);
  EXPECT_EQ(messages().size(), Collector::kMostEach + 2);
}

TEST_F(CollectorTest, NamesAreWaitedForButNotForLong) {
  configure("[desk]\nalerts = \"each\"\n");
  DnsServer server;
  server.load(std::string(TIPSTAFF_SOURCE_DIR) + "/tests/story/dns.json");
  server.set_manner("1.2.0.192.in-addr.arpa", DnsServer::Manner::silent);
  auto suffixes = PublicSuffixes::open();
  ASSERT_TRUE(suffixes) << suffixes.error().message();
  NameLookupOptions names;
  names.servers = {server.address()};
  auto lookups = NameLookups::start(std::move(names), std::move(*suffixes));
  ASSERT_TRUE(lookups) << lookups.error().message();
  options_.names = lookups->get();
  first_run();
  attack("198.51.100.23");
  attack("192.0.2.1");
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (messages().empty() && std::chrono::steady_clock::now() < deadline) run(at(100));
  auto all = messages();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].of, "now");
  EXPECT_NE(all[0].text.find("\nPossible victim, not only an attacker: the mail server of parliament.example "
                             "(government)\n"),
            std::string::npos)
      << all[0].text;
  EXPECT_TRUE(
      all[0].subject.starts_with("Possible victim: Alert from host-a, IP 198.51.100.23 "
                                 "(mail.parliament.example) blocked until "))
      << all[0].subject;
  run(at(100) + Collector::kNamesWait);  // nobody answers for the other one
  EXPECT_EQ(messages().size(), 2U);
}

}  // namespace
}  // namespace tipstaff
