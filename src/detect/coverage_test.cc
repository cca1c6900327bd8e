// Coverage: the alarm comes within 50 lines when a service is no longer understood, ends when it is again, and stays away
// from healthy logs, be they quiet or full of programs that nobody knows.
#include "detect/coverage.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "detect/testing.h"

namespace tipstaff {
namespace {

// Lines through header, recognizer and coverage.
class Watched {
 public:
  void see(const std::string& line) {
    const Header header = split_header(line, scratch_);
    recognizer_.recognize(header, finding_);
    ++lines_;
    if (coverage_.note(header, finding_, line, Instant{std::chrono::seconds(lines_)})) news_.push_back(lines_);
  }
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }
  [[nodiscard]] const std::vector<int>& news() const { return news_; }

 private:
  Recognizer recognizer_{testing_detect::shipped(), {}};
  Coverage coverage_{std::make_shared<LineReaders>(testing_detect::shipped(), RecognizerOptions())};
  std::string scratch_;
  Finding finding_;
  int lines_ = 0;
  std::vector<int> news_;
};

std::string failed(int i) {
  return fmt::format("Nov  5 03:04:05 gate sshd[{}]: Failed password for root from 192.0.2.{} port 40022 ssh2", 100 + i,
                     i % 250);
}

using Line = std::function<std::string(int)>;
struct Drift {
  const char* title;
  Line changed;
  std::optional<CoverageAlarm::Kind> alarm;
};

const Drift kDrifts[] = {
    {"reworded",
     [](int i) { return fmt::format("Nov  5 03:04:05 gate sshd[{}]: authentication of root was refused", 100 + i); },
     CoverageAlarm::Kind::reworded},
    {"renamed",
     [](int i) {
       return fmt::format("Nov  5 03:04:05 gate sshd-ng[{}]: Failed password for root from 192.0.2.1 port 1 ssh2",
                          100 + i);
     },
     CoverageAlarm::Kind::renamed},
    {"other stamps",
     [](int i) { return fmt::format("day 309 of 2026 % gate % sshd[{}] % Failed password for root", 100 + i); },
     CoverageAlarm::Kind::headless},
    {"programs that nobody knows",
     [](int i) { return fmt::format("Nov  5 03:04:05 gate backup{}[7]: copied {} files", i % 3, i); }, std::nullopt},
    {"a failure among many harmless lines",
     [](int i) {
       return i % 10 == 0 ? failed(i) : fmt::format("Nov  5 03:04:05 gate sshd[{}]: some new words", 100 + i);
     },
     std::nullopt},
};

TEST(Coverage, AlarmsWithinFiftyLines) {
  for (const Drift& drift : kDrifts) {
    Watched watched;
    for (int i = 0; i < 200; ++i) watched.see(failed(i));
    EXPECT_TRUE(watched.coverage().alarms().empty()) << drift.title;
    for (int i = 0; i < 50; ++i) watched.see(drift.changed(i));
    const auto& alarms = watched.coverage().alarms();
    ASSERT_EQ(alarms.size(), drift.alarm ? 1U : 0U) << drift.title;
    EXPECT_EQ(watched.news().size(), alarms.size()) << drift.title << ": raised once";
    if (!drift.alarm) continue;
    EXPECT_EQ(alarms[0].kind, *drift.alarm) << drift.title;
    EXPECT_FALSE(alarms[0].to_text().empty());
    watched.see(failed(1));
    EXPECT_TRUE(watched.coverage().alarms().empty()) << drift.title << ": it ends with a line understood";
    EXPECT_EQ(watched.news().size(), 2U) << drift.title;
  }
}

TEST(Coverage, AServiceOfWhichNothingIsEverUnderstood) {
  Watched watched;
  for (int i = 0; i < 50; ++i) watched.see(fmt::format("Nov  5 03:04:05 gate sshd[{}]: never seen words", i));
  ASSERT_EQ(watched.coverage().alarms().size(), 1U);
  EXPECT_EQ(watched.coverage().alarms()[0].service, "sshd");
}

TEST(Coverage, Counts) {
  Watched watched;
  watched.see(failed(1));
  watched.see("Nov  5 03:04:05 gate sshd[7]: new words");
  watched.see("Nov  5 03:04:05 gate cron[7]: other words");
  const Coverage::Counts& counts = watched.coverage().counts();
  EXPECT_EQ(counts.lines, 3U);
  EXPECT_EQ(counts.known_program, 2U);
  EXPECT_EQ(counts.understood, 1U);
}

TEST(Coverage, SampleAndNameAreBounded) {
  Watched watched;
  for (int i = 0; i < 50; ++i)
    watched.see(fmt::format("Nov  5 03:04:05 gate sshd[{}]: \x1b[2J {}", i, std::string(5'000, 'x')));
  ASSERT_EQ(watched.coverage().alarms().size(), 1U);
  const std::string text = watched.coverage().alarms()[0].to_text();
  EXPECT_LT(text.size(), 1'000U);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace tipstaff
