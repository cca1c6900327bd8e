// A glance may say less than the whole way, never something else: real lines, and the same with bytes changed.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "detect/header.h"
#include "detect/recognizer.h"
#include "detect/testing.h"

namespace tipstaff {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(std::string(TIPSTAFF_SOURCE_DIR) + "/tests/" + path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// The two ways through the lines of one source, side by side.
class BothWays {
 public:
  void take(const std::string& line) {
    ++lines;
    std::string scratch, other_scratch;
    const Header whole = split_header(line, scratch);
    Finding finding;
    whole_.recognize(whole, finding);
    PlainTail tail;
    auto seen = Recognizer::Glance::unknown;
    if (splitter_.glance(line, tail)) seen = glancing_.glance(tail, line.data() + line.size());
    const bool plain = seen != Recognizer::Glance::unknown;
    const Header header = plain ? splitter_.header_of(line, tail) : splitter_.split(line, other_scratch);
    EXPECT_EQ(header.stamp_kind, whole.stamp_kind) << line;
    EXPECT_EQ(header.layout, whole.layout) << line;
    EXPECT_EQ(header.pid, whole.pid) << line;
    for (const auto part : {&Header::stamp, &Header::host, &Header::program, &Header::message, &Header::from_program})
      EXPECT_EQ(header.*part, whole.*part) << line;
    if (plain) ++plain_lines;
    if (seen < Recognizer::Glance::strange) {
      Finding unused;
      glancing_.recognize(header, unused);  // gets to know the program
      return;
    }
    ++done;
    EXPECT_EQ(seen == Recognizer::Glance::understood, finding.understood) << line;
    EXPECT_EQ(seen >= Recognizer::Glance::known, finding.known_program || finding.understood) << line;
    EXPECT_TRUE(!finding.understood || finding.kind == Kind::harmless) << line;
  }

  int lines = 0;
  int plain_lines = 0;
  int done = 0;

 private:
  LineSplitter splitter_;
  Recognizer whole_{testing_detect::shipped(), {}};
  Recognizer glancing_{testing_detect::shipped(), {}};
};

TEST(Glance, SaysWhatTheWholeWaySays) {
  for (const char* const path : {"demo/evening.log", "story/sshd/host-a.log", "story/sshd/host-b.log"}) {
    BothWays both;
    for (const std::string& line : lines_of(path)) both.take(line);
    EXPECT_GT(both.lines, 50) << path;
    EXPECT_GT(both.plain_lines * 10, both.lines * 7) << path;
    EXPECT_GT(both.done, 0) << path;
  }
}

TEST(Glance, SaysTheSameOfLinesWithBytesChanged) {
  std::mt19937 random(20261128);
  constexpr std::string_view kBytes = " \t[]:().-m0\\\r\x01\xff";
  BothWays both;
  const std::vector<std::string> lines = lines_of("demo/evening.log");
  ASSERT_FALSE(lines.empty());
  for (int round = 0; round < 20; ++round) {
    for (std::string line : lines) {
      both.take(line);
      for (unsigned change = 0; change < 1 + random() % 3 && !line.empty(); ++change) {
        const std::size_t at = random() % std::min<std::size_t>(line.size(), 60);
        switch (random() % 4) {
          case 0:
            line[at] = kBytes[random() % kBytes.size()];
            break;
          case 1:
            line.insert(at, 1, kBytes[random() % kBytes.size()]);
            break;
          case 2:
            line.erase(at, 1 + random() % 3);
            break;
          default:
            line.resize(at + 1);
        }
      }
      both.take(line);
    }
  }
  EXPECT_GT(both.done, 200);
}

TEST(Glance, TheFirstLineAndANewDayOrHostGoTheWholeWay) {
  LineSplitter splitter;
  std::string scratch;
  PlainTail tail;
  const std::string line = "Nov  5 03:04:05 gate sshd[17]: Server listening on :: port 22.";
  EXPECT_FALSE(splitter.glance(line, tail));
  EXPECT_EQ(splitter.split(line, scratch).pid, 17U);
  EXPECT_TRUE(splitter.glance(line, tail));
  for (const std::string_view other : {"Nov  6 03:04:05 gate sshd[17]: Server listening on :: port 22.",
                                       "Nov  5 03:04:05 gatf sshd[17]: Server listening on :: port 22.",
                                       "Nov  5 03:04:05 gat sshd[17]: Server listening on :: port 22.",
                                       "Nov  5 03-04:05 gate sshd[17]: Server listening on :: port 22."})
    EXPECT_FALSE(splitter.glance(other, tail)) << other;
  std::string iso = "2026-11-05T03:04:05.123456+01:00 gate sshd[17]: Server listening on :: port 22.";
  EXPECT_FALSE(splitter.glance(iso, tail));
  EXPECT_EQ(splitter.split(iso, scratch).stamp_kind, StampKind::iso);
  iso[9] = '6';  // with a year the day may change
  ASSERT_TRUE(splitter.glance(iso, tail));
  EXPECT_EQ(splitter.header_of(iso, tail).stamp, "2026-11-06T03:04:05.123456+01:00");
  iso[25] = ' ';  // a shorter fraction
  EXPECT_FALSE(splitter.glance(iso, tail));
  EXPECT_EQ(splitter.split("{}", scratch).layout, Layout::none);
  EXPECT_FALSE(splitter.glance(line, tail));  // what came between may have been of another day
}

}  // namespace
}  // namespace tipstaff
