// The commands beside scan: check, explain, detectors; help and misuse; and what the program may be linked with.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// --- help and misuse -----------------------------------------------------------------------------------------------

struct Call {
  const char* name;
  std::vector<std::string> arguments;
  int code;
  std::vector<std::string> says;  // on standard output when the code is 0, else on standard error
};

class Calls : public testing::TestWithParam<Call> {};

TEST_P(Calls, SayWhatTheyShould) {
  const Said said = tipstaff(GetParam().arguments);
  EXPECT_EQ(said.code, GetParam().code) << said.out << said.err;
  const std::string& text = said.code == 0 ? said.out : said.err;
  for (const auto& part : GetParam().says) EXPECT_TRUE(has(text, part)) << part << " is not in:\n" << text;
  EXPECT_EQ(said.code == 0 ? said.err : said.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Calls,
    testing::Values(
        Call{"Help", {"--help"}, 0, {"scan", "report", "explain", "check", "detectors", "ledger", "--version"}},
        Call{"Version", {"--version"}, 0, {"tipstaff 0."}},
        Call{"ScanHelp",
             {"scan", "--help"},
             0,
             {"--service", "--format", "--json", "--rules", "--year", "--timezone", "--jobs", "FILE", "text", "none",
              "Exit code"}},
        Call{"ReportHelp",
             {"report", "--help"},
             0,
             {"ADDRESS", "--account", "--since", "--until", "--format", "--json", "--raw", "--ledger", "--timezone",
              "--limit", "table", "csv", "/etc/tipstaff", "tipstaff report --account root", "Exit code"}},
        Call{"ExplainHelp", {"explain", "--help"}, 0, {"--line", "--service", "--rules"}},
        Call{"CheckHelp", {"check", "--help"}, 0, {"--rules", "--keys", "--json"}},
        Call{"DetectorsHelp", {"detectors", "--help"}, 0, {"list", "show", "test"}},
        Call{"Nothing", {}, 2, {"command is missing", "scan", "tipstaff --help"}},
        Call{"Misspelt", {"scn"}, 2, {"'scn'", "did you mean 'scan'"}},
        Call{"MisspeltBelow", {"detectors", "lst"}, 2, {"'lst'", "did you mean 'list'", "tipstaff detectors --help"}},
        Call{"UnknownOption", {"--verbose"}, 2, {"--verbose"}},
        Call{"NoFile", {"scan"}, 2, {"FILE", "tipstaff scan --help"}},
        Call{"NoLine", {"explain"}, 2, {"--line", "tipstaff explain --help"}},
        Call{"NoDetector", {"detectors", "show"}, 2, {"NAME"}}),
    [](const auto& call) { return call.param.name; });

// --- check ---------------------------------------------------------------------------------------------------------

TEST(CheckCommand, ShippedRulesAreGoodAndExplained) {
  const Said said = tipstaff({"check"});
  EXPECT_EQ(said.code, 0) << said.err;
  for (const char* const part : {"Catch All Login", "rules/default.toml:", "in order"})
    EXPECT_TRUE(has(said.out, part)) << part;
  const auto all = json_object(tipstaff({"check", "--json"}));
  EXPECT_EQ(all.at("good"), true);
  EXPECT_EQ(all.at("problems").as_array().size(), 0U);
  for (const auto& rule : all.at("rules").as_array()) {
    for (const char* const field : {"name", "where", "explanation"})
      EXPECT_NE(text_of(rule.as_object(), field), "") << field;
  }
}

TEST(CheckCommand, EveryProblemIsNamedWithFileAndLine) {
  const TemporaryFolder folder;
  folder.file("bad.toml",
              "[[rule]]\nname = \"x\"\ntrigger_window = \"soon\"\noccurrences = 5\nlockout = \"1h\"\n"
              "[allowlist]\nnetworks = [\"198.51.100.0/33\"]\nnetwork = []\n");
  for (const std::vector<std::string>& options : {std::vector<std::string>{}, {"--json"}}) {
    std::vector<std::string> arguments = {"check", "--rules", "bad.toml"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Said said = tipstaff(arguments, {.folder = folder.path()});
    EXPECT_EQ(said.code, 2);
    for (const char* const part : {"bad.toml:3:", "bad.toml:7:", "bad.toml:8:"})
      EXPECT_TRUE(has(said.err, part)) << said.err;
    if (options.empty()) continue;
    const auto all = json_object(said);
    EXPECT_EQ(all.at("good"), false);
    EXPECT_GE(all.at("problems").as_array().size(), 3U);
  }
  EXPECT_EQ(tipstaff({"check", "--rules", "none.toml"}, {.folder = folder.path()}).code, 2);
}

TEST(CheckCommand, DetectorFilesAreCheckedToo) {
  const TemporaryFolder folder;
  folder.file("mine.toml",
              "version = 1\nname = \"mine\"\nprograms = [\"mine\"]\n\n[[pattern]]\nkind = \"failure\"\n"
              "text = \"no {account:word} from {address}\"\n"
              "examples = [{ line = \"no x from 198.51.100.7\", address = \"198.51.100.7\" }]\n");
  folder.file("forgeable.toml",
              "version = 1\nname = \"mine\"\nprograms = [\"mine\"]\n\n[[pattern]]\nkind = \"failure\"\n"
              "text = \"no {account} from {address}\"\nexamples = []\n");
  const RunOptions here{.folder = folder.path()};
  EXPECT_EQ(tipstaff({"check", "--detectors", "mine.toml"}, here).code, 0);
  const Said said = tipstaff({"check", "--detectors", "forgeable.toml"}, here);
  EXPECT_EQ(said.code, 2);
  EXPECT_TRUE(has(said.err, "forgeable.toml:5:") && has(said.err, "anchor")) << said.err;
}

TEST(CheckCommand, KeysAreListedWithTheirMeaning) {
  const Said said = tipstaff({"check", "--keys"});
  EXPECT_EQ(said.code, 0);
  for (const char* const key : {"trigger_window", "occurrences", "lockout", "count_by", "scope", "match", "escalate",
                                "remember", "continue", "networks", "version", "Default:"}) {
    EXPECT_TRUE(has(said.out, key)) << key;
  }
}

// --- explain -------------------------------------------------------------------------------------------------------

constexpr const char* kLine =
    "2024-03-03T10:00:00Z web01 sshd[100]: Failed password for root from 198.51.100.7 port 4000 ssh2";
constexpr const char* kForged =
    "2024-03-03T10:00:00Z web01 sshd[100]: Invalid user x from 203.0.113.66 port 22 from 198.51.100.7 port 4000";

std::string stages(const std::string& line, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"explain", "--json", "--line", line});
  std::string all;
  const auto explained = json_object(tipstaff(more));
  for (const auto& stage : explained.at("stages").as_array()) {
    all += text_of(stage.as_object(), "stage") + ": " + text_of(stage.as_object(), "text") + "\n";
  }
  return all;
}

TEST(ExplainCommand, EachStageSaysWhatItMakesOfALine) {
  const std::string text = stages(kLine);
  for (const char* const part :
       {"header: ", "host 'web01'", "program 'sshd'", "process 100", "message: 'Failed password",
        "time: 2024-03-03T10:00:00Z", "detector: sshd (detectors/sshd.toml)",
        "pattern: detectors/sshd.toml:", "attempt: failure of account 'root' from 198.51.100.7 port 4000",
        "decision: rule \"Catch All Login\" (rules/default.toml:"}) {
    EXPECT_TRUE(has(text, part)) << part << " is not in:\n" << text;
  }
  const Said plain = tipstaff({"explain", "--line", kLine});
  EXPECT_EQ(plain.code, 0);
  EXPECT_EQ(std::ranges::count(plain.out, '\n'), std::ranges::count(text, '\n')) << plain.out;
}

TEST(ExplainCommand, ForgeryIsSeenThrough) {
  const std::string text = stages(kForged);
  EXPECT_TRUE(has(text, "attempt: failure of account 'x from 203.0.113.66 port 22' from 198.51.100.7 port 4000"))
      << text;
  EXPECT_TRUE(has(text, "anchor: the last address is the true one")) << text;
}

TEST(ExplainCommand, WhatIsNotReadIsSaidToo) {
  EXPECT_TRUE(has(stages("2024-03-03T10:00:00Z web01 mydaemon[1]: hello"), "none reads lines of this program"));
  EXPECT_TRUE(has(stages("2024-03-03T10:00:00Z web01 sshd[1]: hello"), "no pattern of it fits"));
  EXPECT_TRUE(has(stages("hello", {"--service", "sshd"}), "time: none can be read"));
  EXPECT_TRUE(has(stages(""), "attempt: none"));
  const std::string exempt =
      stages(std::string(kLine).replace(std::string(kLine).find("198.51.100.7"), 12, "127.0.0.1"));
  EXPECT_TRUE(has(exempt, "decision: 127.0.0.1 is exempt")) << exempt;
}

TEST(ExplainCommand, TerminalsAreSafeFromWhatALogSays) {
  const Said said = tipstaff(
      {"explain", "--line", "2024-03-03T10:00:00Z web01 sshd[1]: Invalid user \x1b[2J\x07 from 198.51.100.7 port 4"});
  EXPECT_EQ(said.code, 0);
  EXPECT_FALSE(has(said.out, "\x1b")) << said.out;
  EXPECT_FALSE(has(said.out, "\x07"));
}

// --- detectors -----------------------------------------------------------------------------------------------------

TEST(DetectorsCommand, ListNamesThemAll) {
  const Said said = tipstaff({"detectors", "list"});
  EXPECT_EQ(said.code, 0);
  std::set<std::string> names;
  const auto list = json::parse(tipstaff({"detectors", "list", "--json"}).out);
  for (const auto& one : list.as_array()) {
    names.insert(text_of(one.as_object(), "name"));
    EXPECT_TRUE(has(said.out, text_of(one.as_object(), "title")));
  }
  for (const char* const name :
       {"sshd", "pam", "postfix", "dovecot", "vsftpd", "proftpd", "nginx-auth", "apache-auth", "http-access"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(DetectorsCommand, ShowTellsPatternsReasonsAndLimits) {
  const Said said = tipstaff({"detectors", "show", "sshd"});
  EXPECT_EQ(said.code, 0);
  for (const char* const part :
       {"sshd-session", "detectors/sshd.toml:", "{account}", "the last address holds", "limits:"}) {
    EXPECT_TRUE(has(said.out, part)) << part;
  }
  const auto all = json_object(tipstaff({"detectors", "show", "sshd", "--json"}));
  EXPECT_EQ(text_of(all, "name"), "sshd");
  EXPECT_GT(all.at("patterns").as_array().size(), 10U);
  const Said unknown = tipstaff({"detectors", "show", "ssh"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(has(unknown.err, "'sshd'")) << unknown.err;
}

TEST(DetectorsCommand, TestRunsEveryExample) {
  const auto all = json_object(tipstaff({"detectors", "test", "--json"}));
  EXPECT_GT(all.at("passed").to_number<int>(), 200);
  EXPECT_EQ(all.at("failed").to_number<int>(), 0) << json::serialize(all.at("problems"));
  const auto one = json_object(tipstaff({"detectors", "test", "sshd", "--json"}));
  EXPECT_LT(one.at("passed").to_number<int>(), all.at("passed").to_number<int>());
  EXPECT_EQ(tipstaff({"detectors", "test", "nobody"}).code, 2);
}

TEST(DetectorsCommand, FailedExampleIsNamedWithFileAndLine) {
  const TemporaryFolder folder;
  folder.file("mine.toml",
              "version = 1\nname = \"mine\"\nprograms = [\"mine\"]\n\n[[pattern]]\nkind = \"failure\"\n"
              "text = \"no {account:word} from {address}\"\n"
              "examples = [{ line = \"no x from 198.51.100.7\", account = \"y\" }]\n");
  const Said said = tipstaff({"detectors", "test", "mine", "--detectors", "mine.toml"}, {.folder = folder.path()});
  EXPECT_EQ(said.code, 1) << said.err;
  EXPECT_TRUE(has(said.out, "mine.toml:8:")) << said.out;
}

// --- the program ---------------------------------------------------------------------------------------------------

// Design section 2: few libraries, so that little foreign code sees hostile bytes and the start takes milliseconds.
TEST(Program, IsLinkedWithFewLibraries) {
  const std::set<std::string> allowed = {
      "libc",    "libm",     "linux-vdso", "ld-linux-x86-64", "ld-linux-aarch64",
#ifdef __SANITIZE_ADDRESS__
      "libasan", "libubsan", "libstdc++",  "libgcc_s",
#endif
  };
  const Said said = run({"ldd", TIPSTAFF_BINARY});
  ASSERT_EQ(said.code, 0) << said.err;
  std::istringstream lines(said.out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::string name = line.substr(line.find_first_not_of(" \t"));
    name = name.substr(0, name.find_first_of(" \t"));
    name = name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
    name = name.substr(0, name.find(".so"));
    EXPECT_TRUE(allowed.contains(name)) << name << " is new: is it needed in a program that reads hostile bytes?";
  }
  EXPECT_GT(count, 2);
}

}  // namespace
}  // namespace tipstaff
