// The tables of tests/story/expected/, for tests that tell the story.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/run.h"

namespace tipstaff {

inline const std::filesystem::path kStory = std::filesystem::path(TIPSTAFF_SOURCE_DIR) / "tests/story";

/// Cells by the names of their columns.
using StoryRow = std::map<std::string, std::string>;

/// The rows of a host in the sshd form. The fields hold no comma and no quote, so a comma is always a border.
inline std::vector<StoryRow> story_rows(const std::string& file, const std::string& host) {
  std::istringstream lines(read_file(kStory / "expected" / file));
  const auto fields = [](const std::string& line) {
    std::vector<std::string> all(1);
    for (const char c : line) {
      if (c == ',') {
        all.emplace_back();
      } else {
        all.back() += c;
      }
    }
    return all;
  };
  std::string line;
  std::getline(lines, line);
  const auto names = fields(line);
  std::vector<StoryRow> all;
  while (std::getline(lines, line)) {
    const auto values = fields(line);
    EXPECT_EQ(values.size(), names.size()) << line;
    StoryRow row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = values[i];
    if (row["form"] == "sshd" && row["host"] == host) all.push_back(row);
  }
  return all;
}

}  // namespace tipstaff
