// `tipstaff ledger` from outside: on a ledger that a writer holds open, as a guard does.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ledger/sqlite.h"
#include "ledger/testing.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;
using ledger_test::at;
using ledger_test::attempt;

class LedgerCommands : public ::testing::Test {
 protected:
  void SetUp() override {
    writer_ = ledger_test::open_writer(folder_);
    Batch batch = ledger_test::batch({attempt(1), attempt(2, "2001:db8::7", "an\x1b[31mna")});
    batch.verdicts = {ledger_test::block(batch.attempts[0])};
    ASSERT_TRUE(writer_->write(batch));
  }
  Said run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "ledger");
    arguments.insert(arguments.end(), {"--folder", folder_.ledger()});
    return tipstaff(arguments);
  }
  boost::json::value json_of(const Said& said) {
    EXPECT_EQ(said.code, 0) << said.err;
    return boost::json::parse(said.out);
  }

  ledger_test::TempFolder folder_;
  std::unique_ptr<LedgerWriter> writer_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(LedgerCommands, VerifySaysGoodOrNamesTheRow) {
  Said said = run({"verify"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_TRUE(has(said.out, "3 rows in 1 batches and 1 files are as they were written; 0 were erased")) << said.out;
  const std::string head = run({"head"}).out;
  ASSERT_TRUE(head.starts_with("tipstaff-head 1 ")) << head;
  const fs::path mail = fs::path(folder_.path()) / "mail";
  write_file(mail, "Dear all,\nthe head is: " + head + "\n");
  EXPECT_EQ(json_of(run({"verify", "--json", "--head", mail.string()})).at("heads").as_int64(), 2);
  std::string forged = head.substr(0, head.size() - 1);
  forged.back() = forged.back() == 'a' ? 'b' : 'a';
  said = run({"verify", "--head", forged});
  EXPECT_EQ(said.code, 2);
  EXPECT_TRUE(has(said.err, "the signature of this head is wrong")) << said.err;

  writer_.reset();
  const std::string path = folder_.ledger() + "/2026-11.db";
  auto database = Database::open(path, Database::Mode::write);
  database->execute("UPDATE attempt SET port = 7 WHERE id = 2");
  said = run({"verify"});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(has(said.out, "BROKEN: 2026-11.db: row 2 is not what was written")) << said.out;
  said = run({"verify", "--json"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(boost::json::parse(said.out).at("broken").at("row").as_int64(), 2);
}

TEST_F(LedgerCommands, AboutShowsAllThatIsStored) {
  Said said = run({"about", "192.0.2.1"});
  EXPECT_EQ(said.code, 0) << said.err;
  for (const char* part : {"1 failures, 0 successes, 0 probes; 1 rows and 1 verdicts", "account root, port 40000",
                           "| Nov 25 08:00:00 host-a sshd[1]: Failed password for root from 192.0.2.1 port 40000 ssh2",
                           "would block 192.0.2.1 until 2026-11-25T10:00:01Z, rule \"Catch All Login\""}) {
    EXPECT_TRUE(has(said.out, part)) << part << " is not in:\n" << said.out;
  }
  EXPECT_FALSE(has(run({"about", "2001:db8::7"}).out, "\x1b"));
  const auto json = json_of(run({"about", "--account", "root", "--json"}));
  EXPECT_EQ(json.at("attempts").as_array().size(), 1U);
  EXPECT_TRUE(json.at("complete").as_bool());
  EXPECT_EQ(run({"about", "192.0.2"}).code, 2);
  EXPECT_EQ(run({"about"}).code, 2);
}

TEST_F(LedgerCommands, ForgetNeedsAYesAndRespectsHolds) {
  EXPECT_EQ(run({"forget", "192.0.2.1"}).code, 2);
  EXPECT_EQ(run({"forget", "--yes"}).code, 2);
  EXPECT_EQ(run({"forget", "--before", "yesterday", "--yes"}).code, 2);
  EXPECT_EQ(run({"hold", "192.0.2.1", "--reason", "case 7"}).code, 0);
  const Said held = run({"forget", "192.0.2.1", "--yes"});
  EXPECT_EQ(held.code, 1);
  EXPECT_TRUE(has(held.err, "held for a case (case 7)")) << held.err;
  EXPECT_EQ(run({"release", "192.0.2.1"}).code, 0);
  EXPECT_EQ(run({"release", "192.0.2.1"}).code, 2);
  EXPECT_EQ(json_of(run({"forget", "192.0.2.1", "--yes", "--json"})).at("erased").as_int64(), 2);
  EXPECT_EQ(json_of(run({"about", "192.0.2.1", "--json"})).at("attempts").as_array().size(), 0U);
  EXPECT_EQ(run({"verify"}).code, 0);
  // The writer that was open all the time goes on behind what the command wrote.
  ASSERT_TRUE(writer_->write(ledger_test::batch({attempt(3)})));
  EXPECT_EQ(json_of(run({"verify", "--json"})).at("rows").as_int64(), 5);
  EXPECT_EQ(json_of(run({"forget", "--before", "2030-01-31", "--yes", "--json"})).at("erased").as_int64(), 2);
}

TEST_F(LedgerCommands, HoldsAndHeadsAsJson) {
  const auto held = json_of(run({"hold", "192.0.2.1", "--reason", "case 7", "--json"}));
  EXPECT_EQ(held.at("address").as_string(), "192.0.2.1");
  EXPECT_TRUE(held.at("held").as_bool());
  EXPECT_EQ(held.at("reason").as_string(), "case 7");
  EXPECT_FALSE(json_of(run({"release", "192.0.2.1", "--json"})).at("held").as_bool());
  EXPECT_EQ(run({"release", "192.0.2.1", "--json"}).code, 2);
  const auto head = json_of(run({"head", "--json"}));
  EXPECT_EQ(head.at("host").as_string(), writer_->host());
  EXPECT_EQ(head.at("batch").as_int64(), 1);
  const std::string text(head.at("text").as_string());
  EXPECT_TRUE(text.starts_with("tipstaff-head 1 " + writer_->host() + " 1 ")) << text;
  EXPECT_EQ(json_of(run({"verify", "--json", "--head", text})).at("broken").is_null(), true);
}

TEST_F(LedgerCommands, BackupAndRestore) {
  const std::string copy = folder_.path() + "/copy";
  EXPECT_EQ(run({"backup", copy}).code, 0);
  EXPECT_EQ(run({"backup", copy}).code, 1);
  EXPECT_EQ(run({"restore", copy}).code, 1);
  const std::string there = folder_.path() + "/there";
  const Said said = tipstaff({"ledger", "restore", copy, "--folder", there});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(json_of(tipstaff({"ledger", "verify", "--json", "--folder", there})).at("rows").as_int64(), 3);
}

TEST_F(LedgerCommands, InfoTellsFilesCountsAndHead) {
  const auto json = json_of(run({"info", "--json"}));
  EXPECT_EQ(json.at("host").as_string(), writer_->host());
  EXPECT_EQ(json.at("months").at(0).at("attempts").as_int64(), 2);
  EXPECT_EQ(json.at("head_batch").as_int64(), 1);
  EXPECT_TRUE(has(run({"info"}).out, "2026-11.db"));
  const Said none = tipstaff({"ledger", "info", "--folder", folder_.path() + "/none"});
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "there is no ledger")) << none.err;
}

}  // namespace
}  // namespace tipstaff
