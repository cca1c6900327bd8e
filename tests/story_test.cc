// The main acceptance case: three hosts, five days, one rule (tests/story/README.md). What is expected stands there in
// CSV files with values, each try a row. The hosts are scanned one by one, as each guards itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/run.h"
#include "tests/story_rows.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

std::string with_blank(std::string time) {  // 2013-05-06T02:09:20Z as the files write it
  if (time.ends_with('Z')) time.pop_back();
  std::ranges::replace(time, 'T', ' ');
  return time;
}

class Story : public testing::TestWithParam<const char*> {
 protected:
  static Said scan(const std::vector<std::string>& format) {
    std::vector<std::string> arguments = {"scan", "--rules", kStory / "rules.toml"};
    arguments.insert(arguments.end(), format.begin(), format.end());
    arguments.push_back(kStory / "sshd" / (std::string(GetParam()) + ".log"));
    Said said = tipstaff(arguments);
    EXPECT_EQ(said.code, 0) << said.err;
    return said;
  }
};

TEST_P(Story, EveryTryIsTold) {
  std::vector<std::string> expected;
  for (auto row : story_rows("attempts.csv", GetParam())) {
    expected.push_back(row["time"] + "," + row["address"] + "," + row["port"] + "," + row["outcome"] + "," +
                       row["account"] + "," + row["origin"] + "," + row["extra"]);
  }
  ASSERT_GT(expected.size(), 100U);
  std::vector<std::string> got;
  for (const auto& attempt : json_lines(scan({"--format", "json"}).out)) {
    const std::string port = attempt.at("port").is_null() ? "" : boost::json::serialize(attempt.at("port"));
    const std::string row = with_blank(text_of(attempt, "time")) + "," + text_of(attempt, "address") + "," + port +
                            "," + text_of(attempt, "outcome") + "," + text_of(attempt, "account") + "," +
                            text_of(attempt, "origin") + "," + text_of(attempt, "extra");
    EXPECT_EQ(text_of(attempt, "host"), GetParam());
    got.insert(got.end(), static_cast<std::size_t>(attempt.at("count").to_number<std::int64_t>()), row);
  }
  std::ranges::sort(expected);
  std::ranges::sort(got);
  EXPECT_EQ(got, expected);
}

TEST_P(Story, WhoIsBlockedAndWhen) {
  std::vector<std::string> expected;
  for (auto row : story_rows("blocks.csv", GetParam())) {
    expected.push_back(row["blocked_at"] + "," + row["until"] + "," + row["address"]);
  }
  ASSERT_FALSE(expected.empty());
  std::vector<std::string> got;
  const auto summary = json_object(scan({"--format", "none", "--json"}));
  for (const auto& value : summary.at("blocks").as_array()) {
    const auto& block = value.as_object();
    EXPECT_EQ(text_of(block, "rule"), "Catch All Login");
    EXPECT_EQ(text_of(block, "host"), GetParam());
    EXPECT_NE(text_of(block, "address"), "192.0.2.10") << "anna, who only mistypes, must never be blocked";
    got.push_back(with_blank(text_of(block, "blocked_at")) + "," + with_blank(text_of(block, "until")) + "," +
                  text_of(block, "address"));
  }
  std::ranges::sort(expected);
  std::ranges::sort(got);
  EXPECT_EQ(got, expected);
}

INSTANTIATE_TEST_SUITE_P(Hosts, Story, testing::Values("host-a", "host-b", "host-c"), [](const auto& host) {
  std::string name = host.param;
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace tipstaff
