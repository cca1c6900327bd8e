// What `tipstaff scan` says: the shape of its JSON (docs/formats/scan.md), its summary, its checksum.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/evening.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

std::set<std::string> names(const json::object& object) {
  std::set<std::string> all;
  for (const auto& member : object) all.insert(member.key());
  return all;
}

bool is_utc(const json::value& value) {
  return value.is_string() && value.as_string().size() >= 20 && value.as_string().ends_with('Z') &&
         value.as_string().at(10) == 'T';
}

// --- attempts ------------------------------------------------------------------------------------------------------

TEST(ScanJson, AttemptHasEveryFieldWithItsType) {
  const Said said = scan({"--format", "json", "-"}, {.input = evening()});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.err, "");
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), kEveningAttempts);
  for (const auto& attempt : attempts) {
    EXPECT_EQ(names(attempt),
              (std::set<std::string>{"line", "lines", "file", "time", "outcome", "address", "port", "account",
                                     "service", "detector", "origin", "extra", "host", "count"}));
    EXPECT_TRUE(attempt.at("line").is_number());
    ASSERT_TRUE(attempt.at("lines").is_array());
    EXPECT_TRUE(std::ranges::count(attempt.at("lines").as_array(), attempt.at("line")) == 1);
    EXPECT_TRUE(is_utc(attempt.at("time")));
    EXPECT_GE(number(attempt, "count"), 1);
    EXPECT_EQ(text_of(attempt, "file"), "-");
    EXPECT_EQ(text_of(attempt, "service"), "sshd");
    EXPECT_EQ(text_of(attempt, "detector"), "sshd");
    EXPECT_EQ(text_of(attempt, "origin"), "sshd");
    EXPECT_EQ(text_of(attempt, "host"), "web01");
  }
  const auto& first = attempts[0];
  EXPECT_EQ(text_of(first, "time"), "2024-03-03T10:00:00Z");
  EXPECT_EQ(text_of(first, "outcome"), "failure");
  EXPECT_EQ(text_of(first, "address"), "198.51.100.7");
  EXPECT_EQ(number(first, "port"), 40100);
  EXPECT_EQ(text_of(first, "account"), "root");
  EXPECT_EQ(text_of(first, "extra"), "password");
  const auto& repeated = attempts[7];
  EXPECT_EQ(number(repeated, "count"), 7);
  EXPECT_EQ(number(repeated, "line"), 8);
  const auto& probe = attempts[9];
  EXPECT_EQ(text_of(probe, "outcome"), "probe");
  EXPECT_TRUE(probe.at("account").is_null());
  EXPECT_TRUE(probe.at("extra").is_null());
}

TEST(ScanJson, WhatALineDoesNotTellIsNull) {
  const Said said = scan({"--format", "json", "--service", "sshd", "-"},
                         {.input = "error: maximum authentication attempts exceeded for root from 198.51.100.7 "
                                   "port 4 ssh2 [preauth]\nInvalid user  from 2001:db8::7\n"});
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), 2U) << said.out;
  EXPECT_TRUE(attempts[0].at("time").is_null());
  EXPECT_TRUE(attempts[0].at("host").is_null());
  EXPECT_TRUE(attempts[1].at("port").is_null());
  EXPECT_EQ(attempts[1].at("account"), "") << "an empty account was sent, so it is no null";
}

TEST(ScanJson, BytesThatAreNoUtf8DoNotBreakIt) {
  const Said said =
      scan({"--format", "json", "-"}, {.input = failed(0, 1, "198.51.100.7", "invalid user a\xff\"\x01\\")});
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), 1U);
  EXPECT_EQ(text_of(attempts[0], "account"), "a\xef\xbf\xbd\"\x01\\");
}

struct Repeat {
  const char* name;
  std::string log;
  std::vector<std::int64_t> counts;
};

class Repeats : public testing::TestWithParam<Repeat> {};

TEST_P(Repeats, AreCounted) {
  const auto attempts = json_lines(scan({"--format", "json", "-"}, {.input = GetParam().log}).out);
  std::vector<std::int64_t> counts;
  std::int64_t sum = 0;
  for (const auto& attempt : attempts) {
    counts.push_back(number(attempt, "count"));
    sum += counts.back();
  }
  EXPECT_EQ(counts, GetParam().counts);
  const auto all = summary({"-"}, {.input = GetParam().log});
  EXPECT_EQ(number(all, "failures"), sum);
  EXPECT_EQ(all.at("blocks").as_array().size(), sum >= 5 ? 1U : 0U);
}

const std::string kInner = "Failed password for invalid user bob from 203.0.113.9 port 40200 ssh2";

INSTANTIATE_TEST_SUITE_P(
    Lines, Repeats,
    testing::Values(Repeat{"Alone", sshd(0, 200, "message repeated 7 times: [ " + kInner + "]"), {7}},
                    Repeat{"BehindItsLine",
                           sshd(0, 200, kInner) + sshd(1, 200, "message repeated 3 times: [ " + kInner + "]"),
                           {1, 3}},
                    Repeat{"CompletesTheAttemptBefore",
                           sshd(0, 200, "Invalid user bob from 203.0.113.9 port 40200") +
                               sshd(0, 200, "message repeated 5 times: [ " + kInner + "]"),
                           {1, 4}},
                    Repeat{"Twice",
                           sshd(0, 200, "message repeated 2 times: [ " + kInner + "]") +
                               sshd(9, 201, "message repeated 2 times: [ " + kInner + "]"),
                           {2, 2}}),
    [](const auto& repeat) { return repeat.param.name; });

// --- summary -------------------------------------------------------------------------------------------------------

TEST(ScanSummary, HasEveryFieldWithItsType) {
  const auto all = summary({"-"}, {.input = evening()});
  for (const auto& [name, expected] : std::vector<std::pair<const char*, int>>{{"lines", 12},
                                                                               {"failures", 14},
                                                                               {"successes", 2},
                                                                               {"probes", 1},
                                                                               {"addresses", 4},
                                                                               {"failing_addresses", 2}}) {
    EXPECT_EQ(number(all, name), expected) << name;
  }
  EXPECT_GE(number(all, "known_program"), number(all, "understood"));
  EXPECT_GE(number(all, "understood"), kEveningAttempts);
  EXPECT_TRUE(all.at("checksum").is_string() || all.at("checksum").is_number());
  ASSERT_EQ(all.at("blocks").as_array().size(), 2U);
  const auto& block = all.at("blocks").as_array()[0].as_object();
  for (const char* const name : {"address", "rule", "blocked_at", "until", "host"}) EXPECT_TRUE(block.contains(name));
  EXPECT_EQ(text_of(block, "address"), "198.51.100.7");
  EXPECT_EQ(text_of(block, "rule"), "Catch All Login");
  EXPECT_EQ(text_of(block, "blocked_at"), "2024-03-03T10:00:40Z");
  EXPECT_EQ(text_of(block, "until"), "2024-03-03T12:00:40Z");
  EXPECT_EQ(text_of(block, "host"), "web01");
  EXPECT_EQ(json::serialize(all.at("top")),
            R"([{"address":"203.0.113.9","failures":8},{"address":"198.51.100.7","failures":6}])");
}

TEST(ScanSummary, TopIsOrderedByFailuresThenByText) {
  std::string log;
  int pid = 1;
  for (int last = 2; last <= 14; ++last) log += failed(pid, pid, "198.51.100." + std::to_string(last)), ++pid;
  for (int i = 0; i < 2; ++i) log += failed(pid, pid, "203.0.113.5"), ++pid;
  const auto all = summary({"-"}, {.input = log});
  std::vector<std::string> top;
  for (const auto& one : all.at("top").as_array()) top.push_back(text_of(one.as_object(), "address"));
  ASSERT_GE(top.size(), 8U);
  top.resize(8);
  EXPECT_EQ(top, (std::vector<std::string>{"203.0.113.5", "198.51.100.10", "198.51.100.11", "198.51.100.12",
                                           "198.51.100.13", "198.51.100.14", "198.51.100.2", "198.51.100.3"}));
}

TEST(ScanSummary, TextSaysItInPlainWords) {
  const Said said = scan({"--timezone", "UTC", "-"}, {.input = evening()});
  EXPECT_EQ(said.code, 0);
  for (const char* const part :
       {"2024-03-03T10:00:00Z", "12 lines", "14 failed logins", "2 successful logins", "1 probe", "4 addresses",
        "203.0.113.9", "Catch All Login", "until 2024-03-03T12:00:40Z", "later"}) {
    EXPECT_NE(said.out.find(part), std::string::npos) << part << " is not in:\n" << said.out;
  }
  const Said alone = scan({"--format", "none", "-"}, {.input = evening()});
  EXPECT_TRUE(said.out.ends_with(alone.out)) << alone.out;
}

TEST(ScanSummary, BlockedAgainAndAgainIsOneRowEach) {
  const TemporaryFolder folder;
  const std::string rules =
      folder.file("rules.toml",
                  "[[rule]]\nname = \"Two\"\ntrigger_window = \"1m\"\noccurrences = 2\nlockout = \"10s\"\n"
                  "escalate = [\"10s\", \"1h\"]\n");
  std::string log;
  for (int i = 0; i < 4; ++i) log += failed(i * 20, i + 1, "198.51.100.7");
  const auto all = summary({"--rules", rules, "-"}, {.input = log});
  std::vector<std::string> until;
  for (const auto& one : all.at("blocks").as_array()) until.push_back(text_of(one.as_object(), "until"));
  EXPECT_EQ(until, (std::vector<std::string>{"2024-03-03T10:00:30Z", "2024-03-03T11:01:00Z"}));
}

// --- checksum ------------------------------------------------------------------------------------------------------

std::string checksum(const std::string& log, std::vector<std::string> options = {}) {
  options.push_back("-");
  return json::serialize(summary(options, {.input = log}).at("checksum"));
}

TEST(ScanChecksum, CoversEveryFieldOfEveryAttempt) {
  const std::string log = failed(0, 1, "198.51.100.7");
  std::set<std::string> seen;
  const std::vector<std::string> changed = {
      log,
      failed(1, 1, "198.51.100.7"),                                                                           // time
      failed(0, 1, "198.51.100.8"),                                                                           // address
      failed(0, 2, "198.51.100.7"),                                                                           // port
      failed(0, 1, "198.51.100.7", "toor"),                                                                   // account
      "\n" + log,                                                                                             // line
      sshd(0, 1, "Failed none for root from 198.51.100.7 port 40001 ssh2"),                                   // extra
      sshd(0, 1, "Accepted password for root from 198.51.100.7 port 40001 ssh2"),                             // outcome
      sshd(0, 1, "message repeated 2 times: [ Failed password for root from 198.51.100.7 port 40001 ssh2]"),  // count
      "2024-03-03T10:00:00Z web02 sshd[1]: Failed password for root from 198.51.100.7 port 40001 ssh2\n",     // host
      log + log,
      log + sshd(5, 1, "Failed password for root from 198.51.100.7 port 40001 ssh2"),
  };
  for (const auto& one : changed) EXPECT_TRUE(seen.insert(checksum(one)).second) << "no other checksum for:\n" << one;
}

TEST(ScanChecksum, IsTheSameForTheSameAttempts) {
  EXPECT_EQ(checksum(evening()), checksum(evening(), {"--timezone", "Asia/Tokyo"})) << "stamps with a zone need none";
  const TemporaryFolder folder;
  const std::string one = folder.file("one.log", evening());
  const std::string two = folder.file("two.log", failed(3, 9, "2001:db8::7"));
  std::set<std::string> seen;
  for (const char* const jobs : {"1", "2", "7"}) {
    const auto all = summary({"--jobs", jobs, one, two});
    seen.insert(json::serialize(all));
  }
  EXPECT_EQ(seen.size(), 1U) << "the result hangs on the number of jobs";
}

}  // namespace
}  // namespace tipstaff
