// `tipstaff report` over ledgers written for it: the story's access report, amended, withdrawn and repeated attempts,
// hostile names, months that are damaged, and what it says where nothing is found or an option is wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "ledger/testing.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;
using ledger_test::at;
using ledger_test::attempt;
using ledger_test::batch;
using ledger_test::block;
using ledger_test::TempFolder;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A ledger of some attempts, begun at 2026-11-25 08:00:00 UTC (at(0)).
class Report : public testing::Test {
 protected:
  void write(std::vector<AttemptRow> attempts, std::vector<VerdictRow> verdicts = {}, Instant recorded = at(0)) {
    Batch all = batch(std::move(attempts), recorded);
    all.verdicts = std::move(verdicts);
    const auto written = ledger_test::open_writer(folder_)->write(all);
    ASSERT_TRUE(written.has_value()) << written.error().message();
  }
  [[nodiscard]] Said report(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "report");
    arguments.insert(arguments.end(), {"--ledger", folder_.ledger()});
    return tipstaff(std::move(arguments));
  }
  /// The rows of the CSV, without its header.
  [[nodiscard]] std::vector<std::string> rows(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--format", "csv"});
    const Said said = report(std::move(arguments));
    EXPECT_EQ(said.code, 0) << said.err;
    auto lines = lines_of(said.out);
    if (lines.empty()) return {"no header"};
    EXPECT_EQ(lines.front(), "FromIPAddress,Date,Success,Origin,Account,Extra,Host");
    lines.erase(lines.begin());
    return lines;
  }
  TempFolder folder_;
};

TEST_F(Report, IsTheStorysByteForByte) {
  const std::string expected =
      read_file(std::filesystem::path(TIPSTAFF_SOURCE_DIR) / "tests/story/expected/report-host-c-sshd.csv");
  std::vector<AttemptRow> told;
  for (const std::string& line : lines_of(expected)) {
    if (!line.starts_with("198.51.100.23,")) continue;
    std::tm parts{};
    ASSERT_NE(strptime(line.c_str() + 14, "%Y-%m-%d %H:%M:%S", &parts), nullptr) << line;
    AttemptRow row = attempt(told.size(), "198.51.100.23");
    row.time = row.window_time = Instant(std::chrono::seconds(timegm(&parts)));
    row.host = "host-c";
    told.push_back(row);
  }
  ASSERT_EQ(told.size(), 35U);
  const VerdictRow verdict = block(told[34]);
  std::ranges::reverse(told);  // the order of recording is not the order of the report
  told.push_back(attempt(100, "198.51.100.24"));
  write(std::move(told), {verdict});
  const Said said = report({"198.51.100.23", "--format", "csv"});
  EXPECT_EQ(said.code, 0);
  EXPECT_EQ(said.out, expected);
  EXPECT_EQ(said.err, "");
}

TEST_F(Report, TableHasAHeadline) {
  AttemptRow good = attempt(20, "192.0.2.1", "alice");
  good.outcome = RowOutcome::success;
  good.extra = "publickey";
  AttemptRow probe = attempt(30, "192.0.2.1", "");
  probe.outcome = RowOutcome::probe;
  probe.extra.clear();
  write({attempt(10), good, probe, attempt(40)}, {block(attempt(40))});
  const Said said = report({"192.0.2.1"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out, R"(Access report: attempts of 192.0.2.1

  first seen  2026-11-25 08:00:10
  last seen   2026-11-25 08:00:40
  failures    2
  successes   1
  probes      1
  hosts       host-a (4)
  accounts    root (2), alice (1)
  verdicts    1
    2026-11-25 08:00:40  would block 192.0.2.1 until 2026-11-25 10:00:40, rule "Catch All Login" on host-a

FromIPAddress    Date (UTC)           Success  Origin    Account       Extra       Host
192.0.2.1        2026-11-25 08:00:10  No       sshd      root          password    host-a
192.0.2.1        2026-11-25 08:00:20  Yes      sshd      alice         publickey   host-a
192.0.2.1        2026-11-25 08:00:30  Probe    sshd      -             -           host-a
192.0.2.1        2026-11-25 08:00:40  No       sshd      root          password    host-a
)");
}

TEST_F(Report, ShowsWhatAttemptsHaveBecome) {
  AttemptRow named = attempt(1, "192.0.2.1", "");
  AttemptRow mistaken = attempt(2, "192.0.2.1", "bob");
  AttemptRow repeated = attempt(3);
  write({named, mistaken, repeated});
  named.version = 2;
  named.account = "carol";
  mistaken.version = 1;
  mistaken.withdrawn = true;
  repeated.version = 1;
  repeated.count = 3;
  write({named, mistaken, repeated});
  // The same in the file of the month after.
  AttemptRow later = attempt(4);
  write({later});
  later.version = 1;
  later.extra = "keyboard-interactive";
  write({later}, {}, at(10 * 86'400));
  const std::string again = "192.0.2.1,2026-11-25 08:00:03,No,sshd,root,password,host-a";
  EXPECT_EQ(rows({"192.0.2.1"}), (std::vector<std::string>{
                                     "192.0.2.1,2026-11-25 08:00:01,No,sshd,carol,password,host-a", again, again, again,
                                     "192.0.2.1,2026-11-25 08:00:04,No,sshd,root,keyboard-interactive,host-a"}));
  const Said table = report({"192.0.2.1"});
  EXPECT_TRUE(has(table.out, "failures    5\n")) << table.out;
  EXPECT_TRUE(has(table.out, "accounts    root (4), carol (1)\n")) << table.out;
  EXPECT_TRUE(has(table.out, "password (3 tries)")) << table.out;
}

TEST_F(Report, FindsByNetworkAccountAndTime) {
  write({attempt(10, "192.0.2.1"), attempt(20, "192.0.2.200", "alice"), attempt(30, "198.51.100.7"),
         attempt(40, "2001:db8::1"), attempt(50, "2001:db8:0:1::2", "alice"), attempt(60, "192.0.2.1", "")});
  struct Case {
    std::vector<std::string> arguments;
    std::vector<std::string> addresses;
  };
  const std::vector<Case> cases = {
      {{"192.0.2.0/24"}, {"192.0.2.1", "192.0.2.200", "192.0.2.1"}},
      {{"192.0.2.128/25"}, {"192.0.2.200"}},
      {{"::ffff:198.51.100.7"}, {"198.51.100.7"}},
      {{"2001:db8::/32"}, {"2001:db8::1", "2001:db8:0:1::2"}},
      {{"2001:db8::/64"}, {"2001:db8::1"}},
      {{"--account", "alice"}, {"192.0.2.200", "2001:db8:0:1::2"}},
      {{"--account", "alice", "2001:db8::/32"}, {"2001:db8:0:1::2"}},
      {{"--account", "ali"}, {}},
      {{"0.0.0.0/0", "--since", "2026-11-25 08:00:20"}, {"192.0.2.200", "198.51.100.7", "192.0.2.1"}},
      {{"0.0.0.0/0", "--until", "2026-11-25T08:00:20Z"}, {"192.0.2.1"}},
      {{"0.0.0.0/0", "--since", "2026-11-25T10:00:20+02:00", "--until", "2026-11-25 08:00:31"},
       {"192.0.2.200", "198.51.100.7"}},
      {{"0.0.0.0/0", "--timezone", "Europe/Stockholm", "--since", "2026-11-25 09:00:30", "--until", "2026-11-25 09:01"},
       {"198.51.100.7"}},
      {{"0.0.0.0/0", "--since", "2026-11-26"}, {}},
      {{"0.0.0.0/0", "--limit", "2"}, {"198.51.100.7", "192.0.2.1"}},
  };
  for (const Case& one : cases) {
    std::vector<std::string> addresses;
    for (const std::string& row : rows(one.arguments)) addresses.push_back(row.substr(0, row.find(',')));
    EXPECT_EQ(addresses, one.addresses) << json::serialize(json::value_from(one.arguments));
  }
  const Said limited = report({"0.0.0.0/0", "--limit", "2"});
  EXPECT_TRUE(has(limited.out, "failures    4\n") && has(limited.out, "Only the newest 2 rows")) << limited.out;
  EXPECT_TRUE(has(limited.out, "addresses   192.0.2.1 (2), 192.0.2.200 (1), 198.51.100.7 (1)\n")) << limited.out;
  const Said empty = report({"--account", ""});
  EXPECT_TRUE(has(empty.out, "No attempts on the empty account in the ledger.")) << empty.out;
}

TEST_F(Report, ADurationCountsBackFromNow) {
  AttemptRow recent = attempt(1);
  const Instant now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  recent.time = recent.window_time = now - std::chrono::hours(30);
  AttemptRow old = attempt(2);
  old.time = old.window_time = now - std::chrono::hours(60);
  write({recent, old}, {}, now);
  EXPECT_EQ(rows({"192.0.2.1", "--since", "2d"}).size(), 1U);
  EXPECT_EQ(rows({"192.0.2.1", "--since", "3d"}).size(), 2U);
  EXPECT_EQ(rows({"192.0.2.1", "--since", "3d", "--until", "1d12h"}).size(), 1U);
  EXPECT_EQ(rows({"192.0.2.1", "--since", "20h"}).size(), 0U);
}

TEST_F(Report, DatesAreInTheZoneAsked) {
  write({attempt(10)});
  EXPECT_EQ(rows({"192.0.2.1", "--timezone", "Europe/Stockholm"}),
            std::vector<std::string>{"192.0.2.1,2026-11-25 09:00:10,No,sshd,root,password,host-a"});
  const Said table = report({"192.0.2.1", "--timezone", "-03:30"});
  EXPECT_TRUE(has(table.out, "Date (-03:30)")) << table.out;
  EXPECT_TRUE(has(table.out, "2026-11-25 04:30:10  No")) << table.out;
}

TEST_F(Report, ColumnsStandBelowEachOther) {
  write({attempt(1), attempt(2, "2001:db8:1111:2222:3333:4444:5555:6666", "k\xc3\xb6nig-with-a-longer-name"),
         attempt(3, "2001:db8::1")});
  const Said said = report({"--account", "root"});
  const Said all = report({"::/0"});
  for (const Said& one : {said, all}) {
    std::vector<std::string> table;
    for (const std::string& line : lines_of(one.out)) {
      if (line.starts_with("FromIPAddress") || line.starts_with("2001:") || line.starts_with("192.")) {
        table.push_back(line);
      }
    }
    ASSERT_EQ(table.size(), 3U) << one.out;
    for (const std::string& line : table) {
      // Bytes before the last column, without those that continue a character.
      std::string before = line.substr(0, line.rfind(' ') + 1);
      std::erase_if(before, [](char c) { return (c & 0xc0) == 0x80; });
      EXPECT_EQ(before.size(), table[0].rfind(' ') + 1) << one.out;
    }
  }
}

TEST_F(Report, StrangersTextIsHarmless) {
  AttemptRow row = attempt(1, "192.0.2.1", "=1+1\x1b[2J\n,\"x\"");
  row.host = "ho\xffst";
  row.raw = {"evil\x1b[2J\tline"};
  write({row});
  EXPECT_EQ(
      rows({"192.0.2.1"}),
      std::vector<std::string>{R"(192.0.2.1,2026-11-25 08:00:01,No,sshd,"'=1+1\x1b[2J\n,""x""",password,ho\xffst)"});
  for (const char* const format : {"table", "csv", "json"}) {
    const Said said = report({"192.0.2.1", "--raw", "--format", format});
    EXPECT_EQ(said.code, 0);
    EXPECT_FALSE(has(said.out, "\x1b")) << said.out;
    EXPECT_FALSE(has(said.out, "\xff")) << said.out;
  }
  const auto all = json_object(report({"192.0.2.1", "--json"}));
  const auto& stored = all.at("rows").as_array().at(0).as_object();
  EXPECT_EQ(text_of(stored, "account"), "=1+1\x1b[2J\n,\"x\"");
}

TEST_F(Report, RawLinesStandBelowTheirAttempt) {
  AttemptRow two = attempt(1);
  two.raw = {"first line", "second line"};
  write({two});
  write({attempt(2)});
  const auto lines = lines_of(report({"192.0.2.1", "--raw"}).out);
  const auto head = std::ranges::find_if(lines, [](const std::string& line) { return line.starts_with("From"); });
  ASSERT_EQ(lines.end() - head, 6);
  EXPECT_TRUE(head[1].starts_with("192.0.2.1  ")) << head[1];
  EXPECT_EQ(head[2], "    | first line");
  EXPECT_EQ(head[3], "    | second line");
  EXPECT_EQ(head[5], "    | " + attempt(2).raw[0]);
  EXPECT_FALSE(has(report({"192.0.2.1"}).out, "first line"));
  const Said csv = report({"192.0.2.1", "--raw", "--format", "csv"});
  EXPECT_TRUE(csv.out.starts_with("FromIPAddress,Date,Success,Origin,Account,Extra,Host,Raw\n")) << csv.out;
  EXPECT_TRUE(has(csv.out, ",host-a,\"first line\nsecond line\"\n")) << csv.out;
}

TEST_F(Report, JsonIsOneObject) {
  AttemptRow second = attempt(20, "192.0.2.1", "");
  second.count = 2;
  second.port = 0;
  second.time.reset();
  AttemptRow password = attempt(30, "192.0.2.1", "Tr0ub4dor&3x");
  password.account_unknown = true;
  write({attempt(10), second, password}, {block(attempt(10))});
  const auto all = json_object(report({"192.0.2.1", "--json", "--raw", "--since", "2026-11-25"}));
  EXPECT_EQ(all.at("complete"), true);
  EXPECT_EQ(json::serialize(all.at("problems")), "[]");
  EXPECT_EQ(json::serialize(all.at("subject")),
            R"({"network":"192.0.2.1","account":null,"since":"2026-11-25T00:00:00Z","until":null})");
  const auto& head = all.at("headline").as_object();
  EXPECT_EQ(text_of(head, "first"), "2026-11-25T08:00:10Z");
  EXPECT_EQ(text_of(head, "last"), "2026-11-25T08:00:30Z");
  EXPECT_EQ(head.at("failures"), 4);
  EXPECT_EQ(json::serialize(head.at("accounts")),
            R"([{"name":"12 characters: upper, lower, digits, signs","hidden":true,"tries":1},)"
            R"({"name":"root","hidden":false,"tries":1}])");
  const auto& verdict = head.at("verdicts").as_array().at(0).as_object();
  EXPECT_EQ(text_of(verdict, "rule"), "Catch All Login");
  EXPECT_EQ(text_of(verdict, "until"), "2026-11-25T10:00:10Z");
  EXPECT_EQ(verdict.at("watch_only"), true);
  const auto& rows = all.at("rows").as_array();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].at("port"), 40'000);
  EXPECT_EQ(rows[0].at("raw").as_array().at(0).as_string(), attempt(10).raw[0]);
  EXPECT_EQ(rows[0].at("time_read"), true);
  EXPECT_EQ(rows[1].at("time_read"), false);
  EXPECT_EQ(text_of(rows[1].as_object(), "time"), "2026-11-25T08:00:20Z");
  EXPECT_EQ(rows[1].at("count"), 2);
  EXPECT_TRUE(rows[1].at("account").is_null() && rows[1].at("port").is_null());
  EXPECT_EQ(rows[2].at("account_hidden"), true);
  EXPECT_EQ(json_object(report({"192.0.2.1", "--json", "--limit", "1"})).at("complete"), false);
}

TEST_F(Report, ListsTheBusiestAttackers) {
  std::vector<AttemptRow> rows;
  for (std::uint64_t i = 0; i < 3; ++i) rows.push_back(attempt(i, "192.0.2.1"));
  for (std::uint64_t i = 10; i < 15; ++i) rows.push_back(attempt(i, "2001:db8::7", "user" + std::to_string(i)));
  rows.push_back(attempt(20, "198.51.100.7"));
  rows.back().outcome = RowOutcome::success;
  write(std::move(rows));
  EXPECT_EQ(report({}).out,
            R"(FromIPAddress    Failures  Successes  First (UTC)          Last                 Accounts  Hosts
2001:db8::7             5          0  2026-11-25 08:00:10  2026-11-25 08:00:14         5      1
192.0.2.1               3          0  2026-11-25 08:00:00  2026-11-25 08:00:02         1      1
198.51.100.7            0          1  2026-11-25 08:00:20  2026-11-25 08:00:20         1      1
)");
  EXPECT_EQ(report({"--limit", "1", "--format", "csv", "--timezone", "+01:00"}).out,
            "FromIPAddress,Failures,Successes,First,Last,Accounts,Hosts\n"
            "2001:db8::7,5,0,2026-11-25 09:00:10,2026-11-25 09:00:14,5,1\n");
  const auto all = json_object(report({"--json", "--until", "2026-11-25 08:00:11"}));
  const auto& attackers = all.at("attackers").as_array();
  ASSERT_EQ(attackers.size(), 2U);
  EXPECT_EQ(text_of(attackers[0].as_object(), "address"), "192.0.2.1");
  EXPECT_EQ(attackers[1].at("failures"), 1);
  EXPECT_EQ(attackers[1].at("accounts"), 1);
}

TEST_F(Report, OfALongRowOfAttemptsTheNewestNamesAreCounted) {
  for (std::uint64_t part = 0; part < 3; ++part) {
    std::vector<AttemptRow> rows;
    for (std::uint64_t i = part * 300; i < (part + 1) * 300; ++i) {
      rows.push_back(attempt(i, "192.0.2.1", "user" + std::to_string(i)));
      if (part == 0) rows.back().host = "host-before";
    }
    write(std::move(rows));
  }
  const Said said = report({});
  EXPECT_TRUE(has(said.out, "900          0  ") && has(said.out, "  200+     1+\n")) << said.out;
  const Said exact = report({"--since", "2026-11-25"});
  EXPECT_TRUE(has(exact.out, "  900      2\n")) << exact.out;
  const Said whole = report({"192.0.2.1"});
  EXPECT_TRUE(has(whole.out, " and 890 more\n")) << whole.out.substr(0, 600);
}

// More rows than are read at a time.
TEST_F(Report, LongReportsKeepTheirOrder) {
  std::vector<AttemptRow> rows;
  for (std::uint64_t i = 0; i < 2'500; ++i) rows.push_back(attempt(2'500 - i));
  write(std::move(rows));
  const auto lines = this->rows({"192.0.2.1"});
  ASSERT_EQ(lines.size(), 2'500U);
  EXPECT_TRUE(std::ranges::is_sorted(lines));
  EXPECT_EQ(json_object(report({"192.0.2.1", "--json"})).at("rows").as_array().size(), 2'500U);
}

TEST_F(Report, NothingFoundIsSaid) {
  write({attempt(1)});
  const Said table = report({"203.0.113.9"});
  EXPECT_EQ(table.code, 0);
  EXPECT_EQ(table.out, "No attempts of 203.0.113.9 in the ledger.\n");
  const Said csv = report({"203.0.113.9", "--format", "csv", "--since", "2026-11-25"});
  EXPECT_EQ(csv.code, 0);
  EXPECT_EQ(csv.out, "FromIPAddress,Date,Success,Origin,Account,Extra,Host\n");
  EXPECT_EQ(csv.err, "No attempts of 203.0.113.9 since 2026-11-25 00:00:00 (UTC) in the ledger.\n");
  const auto object = json_object(report({"203.0.113.9", "--json"}));
  EXPECT_TRUE(object.at("rows").as_array().empty() && object.at("headline").at("first").is_null());
  const Said none = report({"--until", "2026-11-01"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.out, "No attempts until 2026-11-01 00:00:00 (UTC) in the ledger.\n");
}

TEST_F(Report, WhileAGuardWrites) {
  const auto writer = ledger_test::open_writer(folder_);
  ASSERT_TRUE(writer->write(batch({attempt(1)})).has_value());
  EXPECT_EQ(rows({"192.0.2.1"}).size(), 1U);
  ASSERT_TRUE(writer->write(batch({attempt(2)})).has_value());
  EXPECT_EQ(rows({"192.0.2.1"}).size(), 2U);
}

TEST_F(Report, DamageIsSaidAndTheRestPrinted) {
  write({attempt(1)});
  write({attempt(2)}, {}, at(10 * 86'400));
  write_file(folder_.ledger() + "/2026-11.db", "this is no database");
  const Said said = report({"192.0.2.1"});
  EXPECT_EQ(said.code, 1);
  EXPECT_TRUE(has(said.out, "2026-11-25 08:00:02  No")) << said.out;
  EXPECT_TRUE(has(said.err, "2026-11.db")) << said.err;
  EXPECT_EQ(json_object(report({"192.0.2.1", "--json"})).at("complete"), false);
}

TEST_F(Report, WrongUseIsExplained) {
  write({attempt(1)});
  struct Case {
    std::vector<std::string> arguments;
    const char* says;
  };
  const std::vector<Case> cases = {
      {{"192.0.2.300"}, "'192.0.2.300' is neither an IP address nor a network"},
      {{"192.0.2.0/33"}, "neither an IP address nor a network"},
      {{"root"}, "--account"},
      {{"192.0.2.1", "--since", "yesterday"}, "'yesterday' is no time"},
      {{"192.0.2.1", "--until", "2026-02-30"}, "'2026-02-30' is no time"},
      {{"--since", "2026-11-25", "--until", "2026-11-25"}, "--since is not before --until"},
      {{"--timezone", "Mars"}, "Mars"},
      {{"--raw"}, "--raw needs an address"},
      {{"--limit", "1001"}, "at most 1000"},
      {{"--limit", "0"}, "--limit"},
      {{"--format", "xml"}, "--format"},
      {{"192.0.2.1", "192.0.2.2"}, "192.0.2.2"},
  };
  for (const Case& one : cases) {
    const Said said = report(one.arguments);
    EXPECT_EQ(said.code, 2) << said.out;
    EXPECT_EQ(said.out, "");
    EXPECT_TRUE(has(said.err, one.says)) << said.err;
  }
  const Said none = tipstaff({"report", "--ledger", folder_.path() + "/none"});
  EXPECT_EQ(none.code, 1);
  EXPECT_TRUE(has(none.err, "there is no ledger")) << none.err;
}

}  // namespace
}  // namespace tipstaff
