// The whole way once: a guard as a process of its own follows a log or a journal, and what it understood is read back with
// `report` and `status` from its ledger and socket. The journal holds entries of a user's `logger -t sshd` among sshd's
// own: they never become a failure, whatever they say.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "sources/journal_testing.h"
#include "tests/evening.h"
#include "tests/guard/guard_process.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

class GuardReport : public testing::Test {
 protected:
  // Begins a guard with these [sources] and waits until it is ready.
  GuardProcess& guard(const std::string& sources) {
    write_file(config_,
               fmt::format("version = 1\n[sources]\nfrom_start = true\n{}\n[ledger]\ndirectory = '{}'\n[control]\n"
                           "socket = '{}'\n",
                           sources, ledger_, (folder_.path() / "socket").string()));
    guard_ = std::make_unique<GuardProcess>(TIPSTAFF_BINARY, config_, log_, "", manager_.path());
    EXPECT_TRUE(manager_.told().starts_with("READY=1\n")) << read_file(log_);
    return *guard_;
  }
  [[nodiscard]] Said status(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"status", "--config", config_});
    return tipstaff(more);
  }
  // Until so many rows are in the ledger.
  json::object recorded(std::int64_t rows) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    json::object now = json_object(status({"--json"}));
    while (number(now.at("ledger").as_object(), "recorded") < rows && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      now = json_object(status({"--json"}));
    }
    EXPECT_EQ(number(now.at("ledger").as_object(), "recorded"), rows) << json::serialize(now) << read_file(log_);
    return now;
  }
  [[nodiscard]] std::string report(const std::string& subject) const {
    const Said said = tipstaff({"report", subject, "--format", "csv", "--ledger", ledger_});
    EXPECT_EQ(said.code, 0) << said.err;
    return said.out;
  }

  TemporaryFolder folder_;
  const std::string config_ = folder_.path() / "tipstaff.toml";
  const std::string log_ = folder_.path() / "guard.log";
  const std::string ledger_ = folder_.path() / "ledger";
  ServiceManager manager_{folder_.path() / "notify"};
  std::unique_ptr<GuardProcess> guard_;
};

constexpr const char* kHead = "FromIPAddress,Date,Success,Origin,Account,Extra,Host\n";

TEST_F(GuardReport, WhatALogTellsIsInReportAndStatus) {
  const std::string log = folder_.file("auth.log", evening());
  GuardProcess& running = guard("files = ['" + log + "']\ntimezone = 'UTC'");
  // eleven attempts; the would-be blocks of two addresses, one of which also gets in: an alert
  std::ofstream(log, std::ios::app) << failed(200, 400, "198.51.100.9", "mallory");
  json::object now = recorded(kEveningAttempts + 1 + 3);
  EXPECT_EQ(number(now, "failures"), 15);
  EXPECT_EQ(number(now, "successes"), 2);
  EXPECT_EQ(number(now, "probes"), 1);

  EXPECT_EQ(report("198.51.100.9"),
            std::string(kHead) + "198.51.100.9,2024-03-03 10:03:20,No,sshd,mallory,password,web01\n");
  EXPECT_EQ(report("203.0.113.50"), std::string(kHead) + "203.0.113.50,2024-03-03 10:01:30,Probe,sshd,,,web01\n");
  const std::string bob = report("203.0.113.9");
  EXPECT_EQ(std::ranges::count(bob, '\n'), 1 + 8) << "the line that stands for seven tries is seven lines: " << bob;
  const std::string busy = report("198.51.100.7");
  EXPECT_TRUE(busy.starts_with(std::string(kHead) + "198.51.100.7,2024-03-03 10:00:00,No,sshd,root,password,web01\n"))
      << busy;
  EXPECT_TRUE(busy.ends_with("198.51.100.7,2024-03-03 10:01:40,Yes,sshd,root,password,web01\n")) << busy;
  const std::string all = report("0.0.0.0/0");
  EXPECT_EQ(std::ranges::count(all, '\n'), 1 + 15 + 2 + 1) << all;

  const std::string tree = status().out;
  for (const char* part : {"file:", "Lines seen:          13", "Of a known program:  12", "Understood:          12",
                           "Failures:  15", "Successes: 2", "Probes:    1"}) {
    EXPECT_NE(tree.find(part), std::string::npos) << part << " is not in:\n" << tree;
  }
  EXPECT_TRUE(WIFEXITED(running.end(SIGTERM))) << read_file(log_);
  const Said after = status();
  EXPECT_TRUE(after.out.starts_with("Status: the guard is not running")) << after.out;
  EXPECT_NE(after.out.find("Total blocked:     2"), std::string::npos) << after.out;
  EXPECT_EQ(report("0.0.0.0/0"), all);
}

TEST_F(GuardReport, AForgedJournalEntryNeverBecomesAFailure) {
  if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  const TestJournal journal;
  const auto forged = [](const std::string& message, std::int64_t seconds) {
    TestEntry entry{message, seconds};  // as `logger -t sshd` of a user makes it: SYSLOG_IDENTIFIER is sshd
    entry.unit = "session-3.scope";
    entry.comm = "logger";
    entry.uid = "1000";
    return entry;
  };
  std::vector<TestEntry> entries;
  for (int i = 0; i < 30; ++i) {
    entries.push_back(forged("Failed password for root from 203.0.113.9 port 5000 ssh2", i * 2));
    entries.push_back(forged("Invalid user oracle from 203.0.113.9 port 5000", i * 2 + 1));
  }
  entries.push_back(forged("Accepted password for root from 203.0.113.9 port 5000 ssh2", 70));
  entries.push_back(TestEntry{"Failed password for root from 198.51.100.7 port 4000 ssh2", 80});
  journal.append("system.journal", entries);
  GuardProcess& running = guard("journal_folder = '" + journal.path() + "'");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  json::object now = json_object(status({"--json"}));
  while (number(now, "failures") == 0 && std::chrono::steady_clock::now() < until) {  // sshd's own comes last
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    now = json_object(status({"--json"}));
  }
  EXPECT_EQ(number(now, "failures"), 1) << json::serialize(now) << read_file(log_);
  EXPECT_EQ(number(now, "successes"), 0);
  EXPECT_EQ(number(now.at("sources").at(0).as_object(), "unsure"), 61);
  EXPECT_TRUE(WIFEXITED(running.end(SIGTERM)));

  EXPECT_EQ(report("198.51.100.7"), std::string(kHead) + "198.51.100.7,2026-11-05 03:01:20,No,sshd,root,password,mx\n");
  const std::string told = report("203.0.113.9");
  EXPECT_NE(told.find(",Probe,"), std::string::npos) << told;
  EXPECT_EQ(told.find(",No,"), std::string::npos) << told;
  EXPECT_EQ(told.find(",Yes,"), std::string::npos) << told;
  const Said blocks = tipstaff({"report", "203.0.113.9", "--format", "json", "--ledger", ledger_});
  EXPECT_TRUE(json_object(blocks).at("headline").at("verdicts").as_array().empty()) << blocks.out;
}

}  // namespace
}  // namespace tipstaff
