// The labelled lines and the real logs of the corpus, by its own measure. The limits are the program's promise; a label
// we hold to be wrong stands in kDisputed with the reason and is not counted. Nothing of the corpus is kept here.
#include "tests/corpus.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>

#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kServices = "sshd,pam,postfix,dovecot,vsftpd,proftpd,nginx-auth,apache-auth,http-access";

// The number behind `name` in the scorer's totals.
double total(const std::string& report, const std::string& name) {
  const std::size_t at = report.find(name + " ");
  if (at == std::string::npos) {
    ADD_FAILURE() << "the scorer no longer prints '" << name << "':\n" << report;
    return -1;
  }
  return std::stod(report.substr(at + name.size() + 1));
}

class Labels : public testing::TestWithParam<bool> {};

TEST_P(Labels, AreReadAsPromised) {
  if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
  const bool told = GetParam();  // the service of each line, or it has to be found
  const TemporaryFolder folder;
  const std::string misses = folder.path() / "misses";
  const std::string command =
      std::string(TIPSTAFF_BINARY) + " scan " + (told ? "--service {service} " : "") + "--timezone UTC --format json -";
  const Said said = run({"python3", corpus() / "logs/score.py", corpus() / "logs/given.jsonl", "--cmd", command,
                         "--only", kServices, "--misses", misses});
  ASSERT_EQ(said.code, 0) << said.err;
  std::map<std::string, int> wrong;
  std::string lines;
  for (const auto& miss : json_lines(read_file(misses))) {
    const std::string why = text_of(miss, "why");
    ++wrong[why];
    lines += why + " " + text_of(miss, "service") + ": " + text_of(miss, "line") + "\n";
  }
  EXPECT_GE(total(said.out, "core recall"), told ? 97.0 : 96.0) << lines;
  EXPECT_EQ(total(said.out, "false alarms"), 0) << lines;
  EXPECT_EQ(total(said.out, "wrong address core"), 0) << lines;
  EXPECT_EQ(total(said.out, "spoofed"), 0) << lines;
  EXPECT_EQ(total(said.out, "account wrong"), 0) << lines;
  EXPECT_LE(total(said.out, "missing"), 2.0) << lines;
  EXPECT_EQ(total(said.out, "wrong time"), 0) << lines;
  for (const char* const why : {"false_alarm", "wrong_ip", "success_wrong_ip", "spoofed", "wrong_user", "wrong_time"}) {
    EXPECT_EQ(wrong[why], 0) << why << "\n" << lines;
  }
}

INSTANTIATE_TEST_SUITE_P(Service, Labels, testing::Bool(),
                         [](const auto& told) { return told.param ? "Told" : "Found"; });

json::object summary(const std::vector<std::string>& options, const std::string& log) {
  std::vector<std::string> arguments = {"scan", "--timezone", "UTC", "--format", "none", "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.push_back(corpus() / "logs/real" / log);
  const Said said = tipstaff(arguments);
  EXPECT_EQ(said.code, 0) << said.err;
  return json_object(said);
}

double number(const json::object& object, std::string_view name) { return object.at(name).to_number<double>(); }

TEST(RealLogs, OpenSshAsCounted) {
  if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
  // the counts were made with every "Failed X" line, keys that an agent offers for an existing account included
  const TemporaryFolder folder;
  const std::string rules = folder.path() / "rules.toml";
  write_file(rules, "[detect]\ncount_publickey_failures = true\n");
  const auto logs = json::parse(read_file(corpus() / "logs/real/expected.json")).as_object();
  std::size_t seen = 0;
  for (const auto& [name, value] : logs) {
    if (!name.ends_with(".log.zst")) continue;  // a honeypot's JSON is not OpenSSH's
    ++seen;
    const auto& expected = value.as_object();
    const auto got = summary({"--service", "sshd", "--rules", rules}, name);
    SCOPED_TRACE(std::string(name));
    const double attempts = number(expected, "folded_attempts");
    EXPECT_GE(number(got, "failures"), number(expected, "failed_events"));
    EXPECT_NEAR(number(got, "failures"), attempts, attempts * number(expected, "tolerance"));
    EXPECT_EQ(number(got, "lines"), number(expected, "lines"));
    EXPECT_EQ(number(got, "successes"), number(expected, "successes"));
    EXPECT_EQ(number(got, "failing_addresses"), number(expected, "failing_addresses"));
    const auto& top = expected.at("top").as_array();
    ASSERT_GE(got.at("top").as_array().size(), top.size());
    for (std::size_t i = 0; i < top.size(); ++i) {
      const auto& one = got.at("top").as_array()[i].as_object();
      EXPECT_EQ(one.at("address"), top[i].as_array()[0]) << "place " << i;
      EXPECT_EQ(number(one, "failures"), top[i].as_array()[1].to_number<double>()) << "place " << i;
    }
  }
  EXPECT_GE(seen, 5U);
}

TEST(RealLogs, RequestsForPagesAreNoFailures) {
  if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
  const auto got = summary({}, "apache-access-elastic.log.zst");
  EXPECT_EQ(number(got, "failures"), 0);
  EXPECT_EQ(number(got, "understood"), number(got, "lines"));
}

TEST(RealLogs, WhoLogsInAllDayIsNotBlocked) {
  if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
  const auto got = summary({}, "ubuntu-vps-2016-auth.log.zst");
  EXPECT_GT(got.at("blocks").as_array().size(), 100U);
  for (const auto& block : got.at("blocks").as_array()) {
    EXPECT_NE(text_of(block.as_object(), "address"), "198.51.100.10") << "21,851 logins came from there";
  }
}

}  // namespace
}  // namespace tipstaff
