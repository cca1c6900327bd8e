// The story's rule over the story's attempts, as its expected values give them, both forms: the blocks must be those of
// tests/story/expected/blocks.csv, no more and no fewer. (The whole way from the log lines is tested in tests/.)
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "decide/testing.h"

namespace tipstaff {
namespace {

constexpr std::string_view kStory = TIPSTAFF_SOURCE_DIR "/tests/story/";

std::vector<std::vector<std::string>> rows_of(const std::string& name) {
  std::ifstream stream(std::string(kStory) + "expected/" + name);
  std::vector<std::vector<std::string>> rows;
  std::string line;
  std::getline(stream, line);  // header
  while (std::getline(stream, line)) {
    if (line.ends_with('\r')) line.pop_back();
    std::istringstream cells(line + ",");
    std::vector<std::string>& row = rows.emplace_back();
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
  }
  return rows;
}

Instant time_of(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  const int read = std::sscanf(text.c_str(), "%d-%u-%u %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  EXPECT_EQ(read, 6) << text;
  return std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day)) +
         std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

TEST(EngineStory, TheBlocksAreTheStorys) {
  LoadedConfig loaded = load_rules_file(std::string(kStory) + "rules.toml");
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  const auto config = std::make_shared<const Config>(std::move(*loaded));
  std::map<std::string, RuleEngine> engines;  // one for each form: it is the same case told twice
  std::set<std::string> blocks;
  const auto attempts = rows_of("attempts.csv");
  ASSERT_GT(attempts.size(), 1000U);
  for (const auto& row : attempts) {
    ASSERT_GE(row.size(), 7U);
    Attempt attempt;
    attempt.host = row[1];
    attempt.window_time = time_of(row[2]);
    attempt.address = IpAddress::parse(row[3]);
    attempt.outcome = row[5] == "failure" ? Outcome::failure : row[5] == "success" ? Outcome::success : Outcome::probe;
    attempt.account = row[6];
    attempt.has_account = !row[6].empty();
    attempt.service = row[0];
    std::vector<Verdict> verdicts;
    engines.try_emplace(row[0], config).first->second.judge(attempt, verdicts);
    for (const Verdict& verdict : verdicts) {
      blocks.insert(fmt::format("{} {} {} {} {}", row[0], verdict.host, verdict.network.to_string(),
                                to_rfc3339(verdict.at), to_rfc3339(verdict.until)));
    }
  }
  std::set<std::string> expected;
  for (const auto& row : rows_of("blocks.csv")) {
    expected.insert(fmt::format("{} {} {} {} {}", row[0], row[1], row[2], to_rfc3339(time_of(row[3])),
                                to_rfc3339(time_of(row[4]))));
  }
  EXPECT_EQ(expected.size(), 34U);
  EXPECT_EQ(blocks, expected);
}

}  // namespace
}  // namespace tipstaff
