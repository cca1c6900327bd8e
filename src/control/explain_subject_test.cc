// `tipstaff explain` from facts to words: the three lines for each way a customer can stand, and what is gathered from a
// real ledger. The moment is a quarter past eight in ledger_test's time.
#include "control/explain_subject.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/control_testing.h"
#include "control/ledger_blocks.h"
#include "ledger/testing.h"

namespace tipstaff {
namespace {

using testing_control::FakeGuard;
using testing_control::network;

constexpr std::string_view kRules =
    "version = 1\n[allowlist]\nnetworks = [\"203.0.113.0/24\"]\n[[rule]]\nname = \"Five\"\ntrigger_window = \"30m\"\n"
    "occurrences = 5\nlockout = \"2h\"\nexempt = [\"192.0.2.200\"]\n[[rule]]\nname = \"Spraying\"\n"
    "trigger_window = \"1d\"\noccurrences = 10\ndistinct = \"account\"\nlockout = \"2h\"\ncontinue = true\n";

class ExplainSubject : public testing::Test {
 protected:
  ExplainSubject() {
    guard_.now = ledger_test::at(0);
    inputs_.config = config_.get();
    inputs_.exempt = config_->exempt.entries();
    inputs_.each_block = [this](const std::function<void(const StandingBlock&)>& use) { guard_.each_block(use); };
    inputs_.watch_only = false;
    inputs_.now = ledger_test::at(900);
    inputs_.problem = "there is none";
  }
  void write(const Batch& batch) {
    if (!writer_) writer_ = ledger_test::open_writer(folder_);
    const auto written = writer_->write(batch);
    ASSERT_TRUE(written.has_value()) << written.error().message();
  }
  void tries(int count, const std::string& address, const std::string& account,
             RowOutcome outcome = RowOutcome::failure) {
    std::vector<AttemptRow> rows;
    for (int i = 0; i < count; ++i) {
      rows.push_back(ledger_test::attempt(offset_, address, account));
      rows.back().outcome = outcome;
      offset_ += 10;
    }
    write(ledger_test::batch(std::move(rows)));
  }
  Explanation explain(std::string_view subject) {
    if (writer_) {
      auto reader = LedgerReader::open(folder_.ledger());
      EXPECT_TRUE(reader.has_value());
      if (reader) reader_ = std::move(*reader);
      inputs_.ledger = reader_.get();
    }
    auto facts = explain_subject(parse_subject(subject), inputs_);
    EXPECT_TRUE(facts.has_value()) << (facts ? std::string() : facts.error().message());
    return facts ? std::move(*facts) : Explanation();
  }
  AnswerLines lines(std::string_view subject) { return answer_lines(explain(subject)); }

  ledger_test::TempFolder folder_;
  std::unique_ptr<LedgerWriter> writer_;
  std::unique_ptr<LedgerReader> reader_;
  std::uint64_t offset_ = 0;
  std::shared_ptr<const Config> config_ = testing_guard::rules(kRules);
  FakeGuard guard_;
  ExplainInputs inputs_;
};

TEST_F(ExplainSubject, SubjectsAreToldApart) {
  EXPECT_EQ(parse_subject("198.51.100.7").network, network("198.51.100.7"));
  EXPECT_EQ(parse_subject("2001:db8::/64").network, network("2001:db8::/64"));
  EXPECT_EQ(parse_subject("#17").block, 17U);
  EXPECT_EQ(parse_subject("#17x").account, "#17x");
  EXPECT_EQ(parse_subject("anna").account, "anna");
  const auto none = explain_subject(parse_subject("#17"), inputs_);
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
}

TEST_F(ExplainSubject, ACustomerWithAnOldPassword) {
  tries(1, "198.51.100.7", "anna", RowOutcome::success);
  tries(5, "198.51.100.7", "anna");
  guard_.add("198.51.100.7", "Five");
  const Explanation facts = explain("198.51.100.7");
  const AnswerLines said = answer_lines(facts);
  EXPECT_EQ(said.blocked,
            "198.51.100.7 is blocked since 2026-11-25T08:00:00Z until 2026-11-25T10:00:00Z (105 min left) by rule "
            "\"Five\" (test.toml:4).");
  EXPECT_EQ(said.attempts,
            "5 failed tries, 1 logins, 0 probes between 2026-11-25T08:00:00Z and 2026-11-25T08:00:50Z; accounts anna "
            "(6); services sshd (6).");
  EXPECT_NE(said.advice.find("Logins from here succeeded, so a customer."), std::string::npos) << said.advice;
  EXPECT_NE(said.advice.find("an old password for anna"), std::string::npos) << said.advice;
  EXPECT_NE(said.advice.find("tipstaff unblock 198.51.100.7 --why '...'"), std::string::npos) << said.advice;
  ASSERT_EQ(facts.rules.size(), 2U);
  EXPECT_EQ(facts.rules[0].tries, 5U);
  EXPECT_EQ(facts.rules[0].needed, 5U);
  EXPECT_EQ(facts.recent.size(), 6U);
  EXPECT_EQ(answer_lines(explain("#1")).blocked, said.blocked);
  const std::string text = to_text(facts);
  EXPECT_TRUE(text.starts_with(said.blocked + "\n" + said.attempts + "\n" + said.advice + "\n")) << text;
  EXPECT_NE(text.find("#1  198.51.100.7"), std::string::npos) << text;
  EXPECT_NE(text.find("\"Five\" (test.toml:4): 5 of 5 count now"), std::string::npos) << text;
}

TEST_F(ExplainSubject, TriesThatABlockHasUsedUpDoNotCount) {
  tries(5, "198.51.100.7", "anna");
  VerdictRow verdict = ledger_test::block(ledger_test::attempt(40, "198.51.100.7", "anna"));
  verdict.rule = "Five";
  verdict.until = verdict.at + std::chrono::seconds(10);
  Batch batch;
  batch.recorded = ledger_test::at(60);
  batch.verdicts.push_back(verdict);
  write(batch);
  tries(2, "198.51.100.7", "anna");
  const Explanation facts = explain("198.51.100.7");
  EXPECT_EQ(facts.rules[0].tries, 2U);
  ASSERT_EQ(facts.past.size(), 1U);
  EXPECT_NE(facts.past[0].find("would block 198.51.100.7"), std::string::npos) << facts.past[0];
  EXPECT_EQ(answer_lines(facts).blocked, "198.51.100.7 is not blocked.");
  EXPECT_NE(answer_lines(facts).advice.find("his password is refused"), std::string::npos);
}

TEST_F(ExplainSubject, TriesGoOutOfTheWindow) {
  tries(3, "198.51.100.7", "anna");
  inputs_.now = ledger_test::at(1'810);
  EXPECT_EQ(explain("198.51.100.7").rules[0].tries, 1U) << "those of 0 and 10 s are half an hour old";
}

TEST_F(ExplainSubject, ManyAccountsAreGuessing) {
  for (int i = 0; i < 8; ++i) tries(1, "198.51.100.7", fmt::format("user{}", i));
  guard_.add("198.51.100.0/24", "Spraying");
  const Explanation facts = explain("198.51.100.7");
  const AnswerLines said = answer_lines(facts);
  EXPECT_TRUE(said.blocked.starts_with("198.51.100.0/24 is blocked")) << said.blocked;
  EXPECT_NE(said.advice.find("8 accounts and no login: this is guessing"), std::string::npos) << said.advice;
  EXPECT_EQ(said.advice.find("tipstaff unblock"), std::string::npos) << said.advice;
}

TEST_F(ExplainSubject, DifferentAccountsAreCountedOnce) {
  config_ = testing_guard::rules(
      "[[rule]]\nname = \"Spraying\"\ntrigger_window = \"1d\"\noccurrences = 10\ndistinct = \"account\"\n"
      "lockout = \"2h\"\n");
  inputs_.config = config_.get();
  tries(3, "198.51.100.7", "anna");
  tries(1, "198.51.100.7", "bob");
  EXPECT_EQ(explain("198.51.100.7").rules[0].tries, 2U);
}

TEST_F(ExplainSubject, BlockedByHandAsksWhoDidIt) {
  guard_.now = ledger_test::at(0);
  ASSERT_TRUE(guard_.block({network("198.51.100.7"), std::nullopt, "sshd", "scans us", "uid 1000 (anna)"}).has_value());
  const AnswerLines said = lines("198.51.100.7");
  EXPECT_EQ(said.blocked,
            "198.51.100.7 is blocked since 2026-11-25T08:00:00Z for ever (for ever) by uid 1000 (anna) (scans us), "
            "from sshd only.");
  EXPECT_EQ(said.attempts, "No attempt is recorded.");
  EXPECT_NE(said.advice.find("ask uid 1000 (anna) first"), std::string::npos) << said.advice;
}

TEST_F(ExplainSubject, ExemptIsObserved) {
  tries(7, "203.0.113.9", "anna");
  const Explanation facts = explain("203.0.113.9");
  EXPECT_EQ(answer_lines(facts).blocked,
            "203.0.113.9 is not blocked: observed, exempt by 203.0.113.0/24 (test.toml:3).");
  EXPECT_TRUE(facts.rules[0].exempt);
  EXPECT_EQ(facts.rules[0].tries, 0U);
  inputs_.timed = {{network("198.51.100.7"), ledger_test::at(90'000), "uid 1000 (anna)", "old phone"}};
  EXPECT_EQ(lines("198.51.100.7").blocked,
            "198.51.100.7 is not blocked: observed, exempt by 198.51.100.7 (for a time, by uid 1000 (anna): old "
            "phone).");
  const Explanation of_rule = explain("192.0.2.200");
  EXPECT_FALSE(of_rule.exempt);
  EXPECT_TRUE(of_rule.rules[0].exempt);
  EXPECT_FALSE(of_rule.rules[1].exempt);
  ASSERT_EQ(of_rule.exemptions.size(), 1U);
  EXPECT_EQ(of_rule.exemptions[0].where, "of rule \"Five\" alone, test.toml:9");
  EXPECT_FALSE(explain("203.0.0.0/8").exempt) << "only a part of it is";
}

TEST_F(ExplainSubject, WatchOnlyStopsNobody) {
  inputs_.watch_only = true;
  guard_.add("198.51.100.7", "Five");
  guard_.standing.back().enforced = false;
  const AnswerLines said = lines("198.51.100.7");
  EXPECT_NE(said.blocked.find("would be blocked (watch-only: nothing is shut)"), std::string::npos) << said.blocked;
  EXPECT_NE(said.advice.find("only watches here"), std::string::npos) << said.advice;
}

TEST_F(ExplainSubject, NobodyKnowsHim) {
  const AnswerLines said = lines("198.51.100.99");
  EXPECT_EQ(said.blocked, "198.51.100.99 is not blocked.");
  EXPECT_NE(said.advice.find("no failed try of his has arrived here"), std::string::npos) << said.advice;
}

TEST_F(ExplainSubject, AnAccountIsToldByTheAddressesThatTriedIt) {
  tries(5, "198.51.100.7", "anna");
  tries(1, "198.51.100.8", "anna");
  guard_.add("198.51.100.7", "Five");
  guard_.add("192.0.2.77", "Five");
  const Explanation facts = explain("anna");
  ASSERT_EQ(facts.blocks.size(), 1U);
  const AnswerLines said = answer_lines(facts);
  EXPECT_TRUE(said.blocked.starts_with("Addresses that tried account 'anna': 198.51.100.7 is blocked")) << said.blocked;
  EXPECT_NE(said.attempts.find("addresses 198.51.100.7 (5), 198.51.100.8 (1)"), std::string::npos) << said.attempts;
  EXPECT_NE(lines("bob").blocked.find("Accounts are never blocked"), std::string::npos);
}

TEST_F(ExplainSubject, TheJsonHoldsTheSame) {
  tries(5, "198.51.100.7", "an\xff\x1b[2J");
  guard_.add("198.51.100.7", "Five");
  const Explanation facts = explain("198.51.100.7");
  const auto said = boost::json::parse(to_json(facts));
  EXPECT_EQ(said.at("kind"), "address");
  EXPECT_TRUE(said.at("blocked").as_bool());
  EXPECT_EQ(said.at("answer").as_array().size(), 3U);
  EXPECT_EQ(said.at("blocks").at(0).at("id"), 1);
  EXPECT_EQ(said.at("rules").at(0).at("where"), "test.toml:4");
  EXPECT_EQ(said.at("attempts").as_array().size(), 5U);
  EXPECT_EQ(to_text(facts).find('\x1b'), std::string::npos) << "nothing of a stranger's reaches the terminal";
}

TEST_F(ExplainSubject, WithoutALedgerItSaysSo) {
  const Explanation facts = explain("198.51.100.7");
  ASSERT_EQ(facts.problems.size(), 1U);
  EXPECT_EQ(facts.problems[0], "the attempts cannot be read: there is none");
}

TEST_F(ExplainSubject, TheLedgerAloneKnowsTheBlocks) {
  tries(1, "198.51.100.7", "anna");
  write(ledger_test::by_hand());
  auto reader = LedgerReader::open(folder_.ledger());
  ASSERT_TRUE(reader.has_value());
  const auto known = blocks_of_ledger(**reader, ledger_test::at(200));
  ASSERT_TRUE(known.has_value());
  ASSERT_EQ(known->blocks.size(), 1U);
  EXPECT_EQ(known->blocks[0].network, network("203.0.113.0/24"));
  EXPECT_EQ(known->blocks[0].dropped, 12U);
  EXPECT_EQ(known->blocks[0].until, kForever);
  ASSERT_EQ(known->exemptions.size(), 1U);
  EXPECT_EQ(known->exemptions[0].network, network("198.51.100.7"));
  const auto later = blocks_of_ledger(**reader, ledger_test::at(6'000));
  ASSERT_TRUE(later.has_value());
  EXPECT_TRUE(later->exemptions.empty());
}

TEST_F(ExplainSubject, BlocksOfTheLedgerThatWereTakenBackDoNotStand) {
  const AttemptRow one = ledger_test::attempt(10, "198.51.100.7", "anna");
  const AttemptRow other = ledger_test::attempt(20, "198.51.100.8", "anna");
  Batch batch = ledger_test::batch({one, other});
  batch.verdicts = {ledger_test::block(one), ledger_test::block(other)};
  VerdictRow end = ledger_test::block(one);
  end.cause.index = 1;
  end.until = end.at;
  batch.verdicts.push_back(end);
  write(batch);
  auto reader = LedgerReader::open(folder_.ledger());
  ASSERT_TRUE(reader.has_value());
  const auto known = blocks_of_ledger(**reader, ledger_test::at(60));
  ASSERT_TRUE(known.has_value());
  ASSERT_EQ(known->blocks.size(), 1U);
  EXPECT_EQ(known->blocks[0].network, network("198.51.100.8"));
  EXPECT_FALSE(known->blocks[0].enforced);
}

}  // namespace
}  // namespace tipstaff
