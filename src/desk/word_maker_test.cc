// The daily word: once at its hour, with the figures of the ledger.
#include "desk/word_maker.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ledger/testing.h"

namespace tipstaff {
namespace {

using namespace ledger_test;
using namespace std::chrono_literals;

constexpr std::string_view kStatus =
    R"({"watch_only":true,"sources":[{"name":"file:/var/log/auth.log","lines":12,"known_program":10,"understood":9,)"
    R"("last_line":"2026-11-25T08:00:00Z","alarms":[]}]})";

class WordMakerTest : public testing::Test {
 protected:
  WordMakerTest() : writer_(open_writer(folder_)) {}
  AlertStore open_store() {
    auto store = AlertStore::open(folder_.ledger(), Database::Mode::write);
    if (!store) throw std::runtime_error(store.error().message());
    return std::move(*store);
  }
  WordMaker maker(AlertStore& store) {
    return WordMaker({settings_,
                      folder_.ledger(),
                      "host-a",
                      {{"admin@example.org"}, true},
                      TimeZone(),
                      nullptr,
                      nullptr,
                      [this] { return status_; }},
                     store);
  }
  TempFolder folder_;
  std::unique_ptr<LedgerWriter> writer_;
  DeskSettings settings_;
  Result<std::string> status_ = std::string(kStatus);
};

TEST_F(WordMakerTest, ComesOnceAtItsHourAlsoWhenNothingHappened) {
  const Instant morning = at(-3600);  // 07:00 of 25 November
  const auto words = [this] { return open_store().messages(100); };
  for (const auto after : {-23h, -22h}) {  // the first run, at nine in the morning of the day before
    AlertStore store = open_store();
    ASSERT_TRUE(maker(store).step(morning + after + 1h));
  }
  EXPECT_TRUE(words().empty());
  for (int look = 0; look < 3; ++look) {  // each time a new desk, the first one five hours late
    AlertStore store = open_store();
    const auto done = maker(store).step(morning + 5h);
    ASSERT_TRUE(done) << done.error().message();
  }
  const auto all = words();
  ASSERT_EQ(all.size(), 2U);  // by mail and by webhook
  const StoredMessage& mail = all[1];
  EXPECT_EQ(mail.of, "word");
  EXPECT_EQ(mail.subject, "host-a: 0 failed logins, 0 would be blocked (2026-11-25)");
  EXPECT_TRUE(mail.text.starts_with("NOT BLOCKING: would have blocked 0, 0 of them later logged in")) << mail.text;
  EXPECT_NE(mail.text.find("Nothing was logged: nobody even tried.\n"), std::string::npos);
  EXPECT_NE(mail.text.find("- file:/var/log/auth.log\n  12 lines, 9 of 10 understood, last one 2026-11-25T08:00:00Z\n"),
            std::string::npos)
      << mail.text;
  EXPECT_TRUE(mail.html.starts_with("<!doctype html>"));
  EXPECT_TRUE(all[0].text.starts_with("{\"kind\":\"word\""));
}

TEST_F(WordMakerTest, CountsTheDayAndTheOneAWeekBefore) {
  Batch now;
  now.recorded = at(0);
  for (std::uint64_t i = 0; i < 20; ++i) now.attempts.push_back(attempt(i, i < 15 ? "192.0.2.1" : "192.0.2.2"));
  now.verdicts.push_back(block(now.attempts[4]));
  now.attempts.push_back(attempt(100, "192.0.2.1", "anna"));
  now.attempts.back().outcome = RowOutcome::success;
  for (std::uint64_t i = 0; i < 4; ++i) {
    now.attempts.push_back(attempt(200 + i, "192.0.2.9"));
    now.attempts.back().time = now.attempts.back().window_time =
        at(static_cast<std::int64_t>(i)) - std::chrono::days(7);
  }
  ASSERT_TRUE(writer_->write(now));
  AlertStore store = open_store();
  const auto facts = maker(store).facts_until(at(12 * 3600));
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->now.failures, 20);
  EXPECT_EQ(facts->now.successes, 1);
  EXPECT_EQ(facts->now.addresses, 2U);
  EXPECT_EQ(facts->now.blocks, 1U);
  EXPECT_EQ(facts->before.failures, 4);
  EXPECT_EQ(facts->blocked_then_logged_in, 1U);
  ASSERT_EQ(facts->top.size(), 2U);
  EXPECT_EQ(facts->top[0].address, "192.0.2.1");
  EXPECT_EQ(facts->top[0].failures, 15);
  ASSERT_EQ(facts->days.size(), WordMaker::kDays);
  EXPECT_EQ(facts->days.back(), 20);
  EXPECT_NE(std::ranges::find(facts->unusual, "20 failed logins, a week before 4"), facts->unusual.end());
  EXPECT_FALSE(facts->chain_head.empty());
}

TEST_F(WordMakerTest, WeeklyIsOnMondays) {
  settings_.word = DeskSettings::Word::weekly;
  AlertStore store = open_store();
  // 25 November 2026 is a Wednesday
  EXPECT_EQ(maker(store).last_hour(at(0)), at(-3600) - std::chrono::days(2));
}

TEST_F(WordMakerTest, SaysThatNobodyGuards) {
  status_ = std::unexpected(Error{ErrorKind::not_found, "no guard", ""});
  AlertStore store = open_store();
  const auto facts = maker(store).facts_until(at(0));
  ASSERT_TRUE(facts);
  EXPECT_FALSE(facts->guarded);
}

}  // namespace
}  // namespace tipstaff
