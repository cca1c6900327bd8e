// The feeder itself: what it says it told of is what `scan` reads out of its lines, and its rotated files, put one behind
// the other, hold each line once and in order. So a try that kill_test.cc misses was not lost by the feeder.
#include "tests/guard/feeder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "tests/guard/told.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLines = 30'000;

struct Fed {
  TemporaryFolder folder;
  Feeder feeder{{.folder = folder.path(),
                 .seed = 20261125,
                 .lines = kLines,
                 .begin = std::chrono::sys_days{std::chrono::year{2026} / 11 / 25},
                 .step = std::chrono::milliseconds(30)}};
  Fed() {
    while (!feeder.done()) {
      feeder.feed(1000);
      feeder.rotate(Rotation::compress);
      feeder.rotate(Rotation::copy_truncate);
    }
  }
};

TEST(Feeder, ToldIsWhatScanReads) {
  const Fed fed;
  std::vector<Told> read;
  for (const auto& path : fed.feeder.copies()) {
    const Said said = tipstaff({"scan", "--format", "json", "--timezone", "UTC", "--year", "2026", path});
    ASSERT_EQ(said.code, 0) << said.err;
    for (const auto& object : json_lines(said.out)) read.push_back(told_of(object));
  }
  std::ranges::sort(read);
  EXPECT_GE(fed.feeder.written(), kLines);
  EXPECT_GT(read.size(), kLines / 4);
  expect_same(read, fed.feeder.expected());
}

TEST(Feeder, RotatedFilesHoldEveryLine) {
  const Fed fed;
  const fs::path logs = fed.folder.path() / "logs";
  const auto joined = [&](const fs::path& folder, const std::string& begin) {
    std::map<std::size_t, fs::path> by_number;
    for (const auto& entry : fs::directory_iterator(logs / folder)) {
      const std::string name = entry.path().filename();
      if (name.starts_with(begin)) by_number[std::stoul(name.substr(begin.size()))] = entry.path();
    }
    return by_number;
  };
  for (const char* const folder : {"numbers", "packed", "copied"}) {  // auth.log.N is the oldest
    const auto files = joined(folder, "auth.log.");
    EXPECT_GE(files.size(), 3U) << folder;
    std::string text;
    for (auto it = files.rbegin(); it != files.rend(); ++it) text += unpacked(it->second);
    text += read_file(logs / folder / "auth.log");
    EXPECT_TRUE(text == read_file(fed.folder.path() / "copies" / (std::string(folder) + ".log"))) << folder;
  }
  const std::map<std::string, std::string> begins = {
      {"dates", "auth.log-20261125-"}, {"linked", "run-"}, {"named", "host-"}};
  for (const auto& [folder, begin] : begins) {
    const auto files = joined(folder, begin);
    EXPECT_GE(files.size(), 3U) << folder;
    std::string text;
    for (const auto& [number, path] : files) text += read_file(path);
    if (folder == "dates") text += read_file(logs / folder / "auth.log");
    EXPECT_TRUE(text == read_file(fed.folder.path() / "copies" / (folder + ".log"))) << folder;
  }
}

TEST(Feeder, ARemovedLogComesAgain) {
  const TemporaryFolder folder;
  Feeder feeder({.folder = folder.path(), .seed = 3, .lines = 2000});
  feeder.feed(1000);
  feeder.finish(Rotation::remove);
  const fs::path log = folder.path() / "logs/removed/auth.log";
  const fs::path copy = folder.path() / "copies/removed.log";
  const std::string first = read_file(log);
  EXPECT_EQ(first, read_file(copy));
  feeder.rotate(Rotation::remove);
  EXPECT_FALSE(fs::exists(log));
  while (!feeder.done()) feeder.feed(1000);
  EXPECT_TRUE(first + read_file(log) == read_file(copy));
}

}  // namespace
}  // namespace tipstaff
