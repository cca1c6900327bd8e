// Format drift: a service is updated and writes its lines another way. For each shipped detector the examples of its
// patterns are a healthy source; then the program has another name, the stamps another form, or the messages other words,
// and the alarm has to come within 50 lines. Real logs of other people's machines raise none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "control/guard_pipeline.h"
#include "detect/detector.h"
#include "tests/corpus.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

constexpr Instant kStart = std::chrono::sys_days{std::chrono::year{2026} / 11 / 5};
constexpr int kHealthy = 200;
constexpr int kWithin = 50;

const DetectorSet& shipped() {
  static const DetectorSet set = [] {
    auto loaded = load_detectors({});
    EXPECT_TRUE(loaded.has_value());
    return loaded ? std::move(*loaded) : DetectorSet();
  }();
  return set;
}

class Source {
 public:
  void see(std::string_view line) {
    Record record;
    record.line = line;
    record.place = {1, offset_};
    offset_ += line.size() + 1;
    record.next = {1, offset_};
    record.arrival = kStart + std::chrono::seconds(lines_++);
    pipeline_.take(record);
  }
  [[nodiscard]] const std::vector<CoverageAlarm>& alarms() const { return pipeline_.coverage().alarms(); }

 private:
  static PipelineOptions options() {
    PipelineOptions all;
    all.readers = std::make_shared<LineReaders>(shipped(), RecognizerOptions());
    all.started = kStart;
    return all;
  }
  GuardPipeline pipeline_{options(), [](Change, const Attempt&, OpenAttempt&, bool) {}};
  std::uint64_t offset_ = 0;
  int lines_ = 0;
};

// What a detector's service writes: the messages, and the program that syslog says them of, or whole lines.
struct Service {
  std::string program;  // empty: lines of a log of its own
  std::vector<std::string> messages;
};

std::string line_of(const std::string& program, const std::string& message) {
  return program.empty() ? message : fmt::format("2026-11-05T03:04:05Z gate {}[4711]: {}", program, message);
}

Service service_of(const Detector& detector) {
  Service service;
  if (detector.requests().empty()) {
    service.program = detector.programs.front();
    std::erase(service.program, '*');
    if (service.program.ends_with('/')) service.program += "smtpd";
  }
  std::string scratch;
  const auto add = [&](const Example& example) {
    const Header header = split_header(example.line, scratch);
    service.messages.emplace_back(example.full ? header.message : std::string_view(example.line));
  };
  for (const auto& pattern : detector.patterns()) {
    if (pattern.if_setting.empty()) std::ranges::for_each(pattern.examples, add);
  }
  for (const auto& request : detector.requests()) std::ranges::for_each(request.examples, add);
  return service;
}

std::string renamed(const Service& service, const std::string& message) {
  return service.program.empty() ? "" : line_of("newname", message);
}

std::string other_stamp(const Service& service, const std::string& message) {
  if (!service.program.empty())
    return fmt::format("day 309 of 2026, 3:04 am % gate % {}: {}", service.program, message);
  const std::size_t begin = message.find('[');
  return message.substr(0, begin) + "day 309 of 2026, 3:04 am" + message.substr(message.find(']', begin) + 1);
}

std::string reworded(const Service& service, const std::string& message) {
  std::istringstream words(message);
  std::string text;
  for (std::string word; words >> word;) text = word + " " + text;
  return line_of(service.program, "in other words " + text);
}

struct DriftCase {
  const char* title;
  std::string (*change)(const Service& service, const std::string& message);  // an empty line: there is no such change
};
constexpr DriftCase kCases[] = {{"program renamed", renamed}, {"stamp changed", other_stamp}, {"reworded", reworded}};

TEST(Drift, RaisesAnAlarmWithinFiftyLines) {
  std::size_t services = 0;
  for (const auto& detector : shipped()) {
    if (detector->any_program) continue;  // it has no program of its own; others include it
    const Service service = service_of(*detector);
    ASSERT_FALSE(service.messages.empty()) << detector->name;
    ++services;
    for (const auto& [title, change] : kCases) {
      if (change(service, service.messages[0]).empty()) continue;
      SCOPED_TRACE(detector->name + ": " + title);
      Source source;
      const auto message = [&](int i) {
        return service.messages[static_cast<std::size_t>(i) % service.messages.size()];
      };
      for (int i = 0; i < kHealthy; ++i) {
        source.see(line_of(service.program, message(i)));
        ASSERT_TRUE(source.alarms().empty()) << i << ": " << source.alarms()[0].to_text();
      }
      int needed = 0;
      while (needed < kWithin && source.alarms().empty()) source.see(change(service, message(needed++)));
      EXPECT_FALSE(source.alarms().empty());
    }
  }
  EXPECT_GE(services, 8U);
}

TEST(Drift, HealthyLogsRaiseNone) {
  if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
  std::size_t logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus() / "logs/real")) {
    const std::string name = entry.path().filename();
    if (!name.ends_with(".log.zst")) continue;
    SCOPED_TRACE(name);
    ++logs;
    const Said said = run({"zstd", "-dcq", entry.path()});
    ASSERT_EQ(said.code, 0) << said.err;
    std::istringstream lines(said.out);
    Source source;
    std::size_t seen = 0;
    for (std::string line; std::getline(lines, line); ++seen) {
      source.see(line);
      ASSERT_TRUE(source.alarms().empty()) << "line " << seen + 1 << ": " << source.alarms()[0].to_text();
    }
    EXPECT_GE(seen, 1000U);
  }
  EXPECT_GE(logs, 8U);
}

}  // namespace
}  // namespace tipstaff
