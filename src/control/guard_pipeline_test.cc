// One source of the guard: keys, times, what is kept while lines may still change an attempt, and reading on.
#include "control/guard_pipeline.h"

#include <gtest/gtest.h>

#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_guard::Feed;
using testing_guard::instant;
using Texts = std::vector<std::string>;

std::string ssh(std::string_view stamp, int pid, std::string_view message) {
  return fmt::format("{} gate sshd[{}]: {}", stamp, pid, message);
}
constexpr const char* kFailed = "Failed password for root from 192.0.2.1 port 40022 ssh2";

PipelineOptions options(ReadMark read = {}) {
  PipelineOptions all;
  all.readers = std::make_shared<LineReaders>(*testing_guard::detectors(), RecognizerOptions());
  all.started = instant("2026-11-25T08:00:00Z");
  all.read = std::move(read);
  return all;
}

TEST(GuardPipeline, PlacesAsNumbersKeepTheirOrder) {
  const Place places[] = {{0, 0}, {0, 1}, {0, 1ULL << 43U}, {1, 0}, {1, 7}, {1'000'000, 5}};
  for (std::size_t i = 0; i < std::size(places); ++i) {
    EXPECT_EQ(unpack(pack(places[i])), places[i]);
    if (i > 0) {
      EXPECT_LT(pack(places[i - 1]), pack(places[i]));
    }
  }
  EXPECT_EQ(pack({1ULL << 62U, 1ULL << 62U}), ~0ULL) << "what does not fit is the largest";
}

// --- time ------------------------------------------------------------------------------------------------------------

struct Arriving {
  const char* stamp;  // of the line; "" none
  const char* arrival;
  bool catching_up;
  const char* window;  // the time it has to count at
};

struct TimeCase {
  const char* title;
  std::vector<Arriving> lines;
  std::uint64_t implausible;
};

const TimeCase kTimes[] = {
    {"a stamp before arrival counts",
     {{"2026-11-25T07:59:58Z", "2026-11-25T08:00:00Z", false, "2026-11-25T07:59:58Z"}},
     0},
    {"a little ahead: arrival counts",
     {{"2026-11-25T08:04:59Z", "2026-11-25T08:00:00Z", false, "2026-11-25T08:00:00Z"}},
     0},
    {"more than five minutes ahead is implausible",
     {{"2026-11-25T08:05:01Z", "2026-11-25T08:00:00Z", false, "2026-11-25T08:00:00Z"}},
     1},
    {"an hour behind is not", {{"2026-11-25T07:00:00Z", "2026-11-25T08:00:00Z", false, "2026-11-25T07:00:00Z"}}, 0},
    {"more than an hour behind is",
     {{"2026-11-25T06:59:59Z", "2026-11-25T08:00:00Z", false, "2026-11-25T08:00:00Z"}},
     1},
    {"unless it is caught up", {{"2026-11-20T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"}}, 0},
    {"never less than the line before",
     {{"2026-11-25T07:59:58Z", "2026-11-25T08:00:00Z", false, "2026-11-25T07:59:58Z"},
      {"2026-11-25T07:59:50Z", "2026-11-25T08:00:01Z", false, "2026-11-25T07:59:58Z"}},
     0},
    {"no stamp: arrival", {{"", "2026-11-25T08:00:00Z", false, "2026-11-25T08:00:00Z"}}, 0},
    {"no stamp while catching up: the line before",
     {{"2026-11-20T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"},
      {"", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"}},
     0},
    {"a lone line far ahead is taken back with the next",
     {{"2026-11-20T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"},
      {"2026-11-24T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-24T06:00:00Z"},
      {"2026-11-20T06:00:05Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:05Z"}},
     0},
    {"one from the future does not end the catching up",
     {{"2026-11-20T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"},
      {"2027-11-24T06:00:00Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:00Z"},
      {"2026-11-20T06:00:05Z", "2026-11-25T08:00:00Z", true, "2026-11-20T06:00:05Z"}},
     1},
};

TEST(GuardPipeline, TheTimeThatWindowsGoBy) {
  for (const TimeCase& one : kTimes) {
    std::vector<std::string> windows;
    GuardPipeline pipeline(options(), [&](Change change, const Attempt& attempt, OpenAttempt&, bool) {
      if (change == Change::made) windows.push_back(to_rfc3339(attempt.window_time));
    });
    std::vector<std::string> wanted;
    std::uint64_t offset = 0;
    for (const Arriving& line : one.lines) {
      const bool bare = *line.stamp == '\0';
      const std::string text = ssh(line.stamp, 17, kFailed);
      Record record;
      record.line = bare ? std::string_view(kFailed) : std::string_view(text);
      record.has_header = bare;
      record.host = "gate";
      record.program = "sshd";
      record.pid = 17;
      record.writer = {bare, "ssh.service", "sshd", 0};
      record.place = {1, offset};
      record.next = {1, offset += 100};
      record.arrival = instant(line.arrival);
      record.catching_up = line.catching_up;
      pipeline.take(record);
      wanted.emplace_back(line.window);
    }
    EXPECT_EQ(windows, wanted) << one.title;
    EXPECT_EQ(pipeline.times().implausible, one.implausible) << one.title;
  }
}

TEST(GuardPipeline, SkewIsArrivalMinusStamp) {
  GuardPipeline pipeline(options(), [](Change, const Attempt&, OpenAttempt&, bool) {});
  Feed feed{{ssh("2026-11-25T07:59:10Z", 17, kFailed)}};
  feed.give(1, instant("2026-11-25T08:00:00Z"), false, [&](const Record& record) { pipeline.take(record); });
  EXPECT_EQ(pipeline.times().skew, 50s);
}

// --- keys, versions, raw lines ---------------------------------------------------------------------------------------

TEST(GuardPipeline, AnAttemptIsKnownByTheLineThatMadeIt) {
  Texts told;
  GuardPipeline pipeline(options(), [&](Change change, const Attempt& attempt, OpenAttempt& open, bool) {
    const Place place = unpack(attempt.line);
    told.push_back(fmt::format("{} {}/{} v{} {}", static_cast<int>(change), place.generation, place.offset,
                               open.version, fmt::join(open.raw, "|")));
  });
  const std::string first = ssh("2026-11-25T07:59:10Z", 17, "Invalid user oracle from 192.0.2.1 port 1");
  const std::string second =
      ssh("2026-11-25T07:59:11Z", 17, "Failed password for invalid user oracle from 192.0.2.1 port 1 ssh2");
  Feed feed{{first, "noise", second}};
  feed.give(3, instant("2026-11-25T08:00:00Z"), false, [&](const Record& record) { pipeline.take(record); });
  EXPECT_EQ(told, (Texts{"0 1/0 v0 " + first, "1 1/0 v1 " + first + "|" + second}));
  EXPECT_EQ(pipeline.resume_at(), (Place{1, 0}));
  EXPECT_EQ(pipeline.read().places(), std::vector<Place>({{1, feed.offset}}));
  pipeline.pass(instant("2026-11-25T08:30:00Z"));
  EXPECT_EQ(told.size(), 3U) << "closed by the silence";
  EXPECT_EQ(pipeline.resume_at(), (Place{1, feed.offset}));
}

TEST(GuardPipeline, RawLinesAreBounded) {
  std::size_t kept = 0;
  std::size_t bytes = 0;
  GuardPipeline pipeline(options(), [&](Change, const Attempt&, OpenAttempt& open, bool) {
    kept = open.raw.size();
    bytes = 0;
    for (const std::string& line : open.raw) bytes += line.size();
  });
  const std::string name(1'000, 'x');
  Feed feed;
  for (int i = 0; i < 100; ++i)
    feed.lines.push_back(ssh("2026-11-25T07:59:10Z", 17, fmt::format("Invalid user {} from 192.0.2.1 port 1", name)));
  feed.give(100, instant("2026-11-25T08:00:00Z"), false, [&](const Record& record) { pipeline.take(record); });
  EXPECT_LE(bytes, 16U << 10U);
  EXPECT_EQ(pipeline.raw_dropped() + kept, LineList::kMost) << "lines that the attempt does not name are not counted";
}

// The name is still the first attempt's: neither the login nor the opening in between is believed.
TEST(GuardPipeline, WhatAnybodyCanSendGivesProbesAndTouchesNoConnection) {
  Texts told;
  GuardPipeline pipeline(options(), [&](Change, const Attempt& attempt, OpenAttempt& open, bool) {
    told.push_back(fmt::format("{} {}", to_text(attempt.outcome), open.unsure ? "unsure" : "sure"));
  });
  const Texts lines = {
      ssh("2026-11-25T07:59:10Z", 17, "Invalid user oracle from 192.0.2.1 port 1"),
      ssh("2026-11-25T07:59:11Z", 17, "Accepted password for oracle from 192.0.2.1 port 1 ssh2"),
      ssh("2026-11-25T07:59:11Z", 17, "Connection from 192.0.2.9 port 1 on 192.0.2.2 port 22"),
      ssh("2026-11-25T07:59:12Z", 17, "Failed password for invalid user oracle from 192.0.2.1 port 1 ssh2")};
  Feed feed{lines};
  for (int i = 0; i < 4; ++i) {
    feed.give(1, instant("2026-11-25T08:00:00Z"), false, [&](Record record) {
      record.untrusted = i == 1 || i == 2;
      pipeline.take(record);
    });
  }
  EXPECT_EQ(told, (Texts{"failure sure", "probe unsure", "failure sure"})) << "and an opening line opens nothing";
}

// Both messages are the same, and so is the name under which they were logged.
TEST(GuardPipeline, OnlyTheFieldsThatTheJournalVouchesForMakeAFailure) {
  Texts told;
  GuardPipeline pipeline(options(), [&](Change change, const Attempt& attempt, OpenAttempt& open, bool) {
    if (change != Change::made) return;
    told.push_back(fmt::format("{} {}", to_text(attempt.outcome), open.unsure ? "unsure" : "sure"));
  });
  const Writer writers[] = {{true, "ssh.service", "sshd", 0},
                            {true, "session-3.scope", "logger", 1000},
                            {true, "session-3.scope", "sshd", 1000},
                            {},
                            {true, "session-3.scope", "sshd", 0}};
  Record record;
  record.line = kFailed;
  record.has_header = true;
  record.host = "gate";
  record.program = "sshd";
  record.arrival = instant("2026-11-25T08:00:00Z");
  record.stamp = record.arrival;
  for (const Writer& writer : writers) {
    record.writer = writer;
    record.place = record.next;
    ++record.next.offset;
    ++record.pid;
    pipeline.take(record);
  }
  EXPECT_EQ(told, (Texts{"failure sure", "probe unsure", "probe unsure", "probe unsure", "failure sure"}));
  EXPECT_EQ(pipeline.unsure(), 3U);
}

// --- reading on ------------------------------------------------------------------------------------------------------

TEST(GuardPipeline, LinesReadBeforeTheRestartOnlyBringBackWhatWasKnown) {
  const Texts lines = {
      ssh("2026-11-25T07:59:10Z", 17, "Invalid user oracle from 192.0.2.1 port 1"),
      ssh("2026-11-25T07:59:11Z", 18, "Invalid user oracle from 192.0.2.1 port 2"),
      ssh("2026-11-25T07:59:12Z", 17, "Failed password for invalid user oracle from 192.0.2.1 port 1 ssh2")};
  Feed feed{lines};
  Texts told;
  ReadMark read;
  read.note({1, lines[0].size() + lines[1].size() + 2});
  GuardPipeline pipeline(options(read), [&](Change change, const Attempt& attempt, OpenAttempt& open, bool known) {
    told.push_back(fmt::format("{}{} {} v{}", known ? "known " : "", static_cast<int>(change),
                               unpack(attempt.line).offset, open.version));
  });
  feed.give(1, instant("2026-11-25T08:00:00Z"), true, [&](const Record& record) { pipeline.take(record); });
  EXPECT_EQ(pipeline.read(), read) << "a further restart before the end of what was read knows it too";
  feed.give(2, instant("2026-11-25T08:00:00Z"), true, [&](const Record& record) { pipeline.take(record); });
  EXPECT_EQ(told, (Texts{"known 0 0 v0", fmt::format("known 0 {} v0", lines[0].size() + 1), "1 0 v1"}));
  EXPECT_EQ(pipeline.read().places(), std::vector<Place>({{1, feed.offset}}));
}

TEST(GuardPipeline, WhatWasReadIsKnownForEachGeneration) {
  ReadMark read;
  EXPECT_FALSE(read.covers({0, 0}));
  for (const Place place : {Place{3, 500}, Place{4, 200}, Place{3, 600}, Place{4, 100}}) read.note(place);
  EXPECT_EQ(read.places(), std::vector<Place>({{3, 600}, {4, 200}}));
  struct {
    Place place;
    bool covered;
  } const cases[] = {{{2, 9'999}, true}, {{3, 599}, true},  {{3, 600}, false},  // a late line of the rotated file
                     {{4, 199}, true},   {{4, 200}, false}, {{5, 0}, false}};
  for (const auto& one : cases)
    EXPECT_EQ(read.covers(one.place), one.covered) << one.place.generation << one.place.offset;
  for (unsigned i = 10; i < 30; ++i) read.note({i, 1});
  EXPECT_EQ(read.places().size(), ReadMark::kMostGenerations);
}

}  // namespace
}  // namespace tipstaff
