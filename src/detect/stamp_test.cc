// Stamps into UTC: every way of writing one, and the named troubles of log time: a source an hour off, clock changes,
// New Year and 29 February without a year, lines out of order.
#include "detect/stamp.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::year;

constexpr Instant kNow = sys_days(year(2026) / 11 / 25);

TimeZone zone(std::string_view name) {
  auto found = TimeZone::find(name);
  EXPECT_TRUE(found.has_value()) << name;
  return found ? *found : TimeZone();
}

// The UTC times of lines that bear these stamps, in this order; "" where there is none.
std::vector<std::string> times(SourceClock clock, const std::vector<std::string>& stamps) {
  std::vector<std::string> all;
  std::string scratch;
  for (const std::string& stamp : stamps) {
    const std::string line = stamp + " gate sshd[17]: x";
    const Header header = split_header(line, scratch);
    clock.follow(header);
    const auto time = clock.time_of(header);
    all.push_back(time ? to_rfc3339(*time) : "");
  }
  return all;
}

std::vector<std::string> times_in(std::string_view zone_name, const std::vector<std::string>& stamps) {
  return times(SourceClock(zone(zone_name), 2026, kNow), stamps);
}

using Texts = std::vector<std::string>;

TEST(Stamp, EverySpelling) {
  struct Case {
    std::string line;
    std::string utc;
  };
  for (const Case& one : {
           Case{"Nov  5 03:04:05 gate sshd: x", "2026-11-05T03:04:05Z"},
           Case{"Nov 05 03:04:05 gate sshd: x", "2026-11-05T03:04:05Z"},
           Case{"Nov 5 03:04:05 gate sshd: x", "2026-11-05T03:04:05Z"},
           Case{"Nov  5 2025 03:04:05 gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"Nov  5 03:04:05 2025 gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"2025-11-05T03:04:05 gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"2025-11-05 03:04:05,999 gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"2025-11-05T03:04:05.123456789Z gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"2025-11-05T03:04:05+01:00 gate sshd: x", "2025-11-05T02:04:05Z"},
           Case{"2025-11-05T03:04:05.5-0730 gate sshd: x", "2025-11-05T10:34:05Z"},
           Case{"2025-11-05T03:04:05+01 gate sshd: x", "2025-11-05T02:04:05Z"},
           Case{"2025/11/05 03:04:05 [error] x", "2025-11-05T03:04:05Z"},
           Case{"[Wed Nov 05 03:04:05.123456 2025] [error] x", "2025-11-05T03:04:05Z"},
           Case{"Wed Nov  5 03:04:05 2025 [pid 1] x", "2025-11-05T03:04:05Z"},
           Case{"192.0.2.1 - - [05/Nov/2025:03:04:05 +0200] \"GET / HTTP/1.1\" 401 5", "2025-11-05T01:04:05Z"},
           Case{"1762311845.9 gate sshd: x", "2025-11-05T03:04:05Z"},
           Case{"@40000000690abeaf00000000 sshd: x", "2025-11-05T03:04:05Z"},
           Case{"2025-12-31T23:59:60Z gate sshd: a leap second", "2026-01-01T00:00:00Z"},
           // no moments
           Case{"Feb 31 03:04:05 gate sshd: x", ""},
           Case{"Nov  5 25:04:05 gate sshd: x", ""},
           Case{"Nov  5 03:64:05 gate sshd: x", ""},
           Case{"Foo  5 03:04:05 gate sshd: x", ""},
           Case{"2025-13-05T03:04:05Z gate sshd: x", ""},
           Case{"2025-02-29T03:04:05Z gate sshd: x", ""},
           Case{"2025-11-05T03:04:05+25:00 gate sshd: x", ""},
           Case{"@4000zzzz690abeb700000000 sshd: x", ""},
           Case{"no stamp at all", ""},
       }) {
    std::string scratch;
    const Header header = split_header(one.line, scratch);
    SourceClock clock(TimeZone(), 2026, kNow);
    clock.follow(header);
    const auto time = clock.time_of(header);
    EXPECT_EQ(time ? to_rfc3339(*time) : "", one.utc) << one.line;
  }
}

TEST(Stamp, FractionsAreReadToMicroseconds) {
  for (const auto& [line, fraction] : {std::pair<std::string, int>{"2025-11-05T03:04:05.5Z a b: x", 500'000},
                                       {"2025-11-05T03:04:05.000001Z a b: x", 1},
                                       {"2025-11-05T03:04:05.123456999Z a b: x", 123'456},
                                       {"2025-11-05 03:04:05,25 a b: x", 250'000}}) {
    std::string scratch;
    SourceClock clock(TimeZone(), std::nullopt, kNow);
    const auto time = clock.time_of(split_header(line, scratch));
    ASSERT_TRUE(time) << line;
    EXPECT_EQ((*time - std::chrono::floor<std::chrono::seconds>(*time)).count(), fraction) << line;
  }
}

TEST(Stamp, ASourceAnHourOff) {
  const Texts stamps = {"Nov  5 03:04:05", "2026-11-05T03:04:05", "2026-11-05T03:04:05Z"};
  EXPECT_EQ(times_in("UTC", stamps), (Texts{"2026-11-05T03:04:05Z", "2026-11-05T03:04:05Z", "2026-11-05T03:04:05Z"}));
  // the zone of the source counts only where the stamp does not say its own
  EXPECT_EQ(times_in("+01:00", stamps),
            (Texts{"2026-11-05T02:04:05Z", "2026-11-05T02:04:05Z", "2026-11-05T03:04:05Z"}));
  EXPECT_EQ(times_in("Europe/Stockholm", stamps),
            (Texts{"2026-11-05T02:04:05Z", "2026-11-05T02:04:05Z", "2026-11-05T03:04:05Z"}));
}

TEST(Stamp, ClocksSetForward) {
  EXPECT_EQ(times_in("Europe/Stockholm", {"Mar 29 01:59:59", "Mar 29 03:00:00", "Mar 29 03:00:01"}),
            (Texts{"2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-03-29T01:00:01Z"}));
  // an hour that does not exist is read with the offset before the change
  EXPECT_EQ(times_in("Europe/Stockholm", {"Mar 29 02:30:00"}), (Texts{"2026-03-29T01:30:00Z"}));
}

TEST(Stamp, ClocksSetBack) {
  EXPECT_EQ(times_in("Europe/Stockholm", {"Oct 25 01:59:00", "Oct 25 02:10:00", "Oct 25 02:50:00", "Oct 25 02:05:00",
                                          "Oct 25 02:40:00", "Oct 25 02:55:00", "Oct 25 03:00:00"}),
            (Texts{"2026-10-24T23:59:00Z", "2026-10-25T00:10:00Z", "2026-10-25T00:50:00Z", "2026-10-25T01:05:00Z",
                   "2026-10-25T01:40:00Z", "2026-10-25T01:55:00Z", "2026-10-25T02:00:00Z"}));
}

TEST(Stamp, ALittleOutOfOrderIsNoClockChange) {
  EXPECT_EQ(times_in("Europe/Stockholm", {"Oct 25 02:10:00", "Oct 25 02:09:58", "Oct 25 02:10:01"}),
            (Texts{"2026-10-25T00:10:00Z", "2026-10-25T00:09:58Z", "2026-10-25T00:10:01Z"}));
}

TEST(Stamp, OutOfOrderStaysAsWritten) {
  EXPECT_EQ(times_in("UTC", {"Nov  5 03:04:05", "Nov  5 03:04:01", "Nov  4 23:00:00", "Nov  5 03:04:06"}),
            (Texts{"2026-11-05T03:04:05Z", "2026-11-05T03:04:01Z", "2026-11-04T23:00:00Z", "2026-11-05T03:04:06Z"}));
}

TEST(Stamp, NewYearRaisesTheYear) {
  EXPECT_EQ(times(SourceClock(TimeZone(), 2025, kNow),
                  {"Dec 31 23:59:59", "Jan  1 00:00:01", "Jul  1 00:00:00", "Dec 31 00:00:00", "Jan  1 00:00:00"}),
            (Texts{"2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z", "2026-07-01T00:00:00Z", "2026-12-31T00:00:00Z",
                   "2027-01-01T00:00:00Z"}));
}

TEST(Stamp, NewYearLowersItForAStragglerAndRaisesItAgain) {
  EXPECT_EQ(times(SourceClock(TimeZone(), 2025, kNow),
                  {"Dec 31 23:59:58", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:02"}),
            (Texts{"2025-12-31T23:59:58Z", "2026-01-01T00:00:01Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:02Z"}));
}

TEST(Stamp, FirstStampTakesTheNewestYearNoLaterThanTheFilesTimePlusADay) {
  const Instant file = sys_days(year(2026) / 1 / 2);
  struct Case {
    const char* stamp;
    const char* utc;
  };
  for (const Case& one :
       {Case{"Dec 31 12:00:00", "2025-12-31T12:00:00Z"}, Case{"Jan  1 12:00:00", "2026-01-01T12:00:00Z"},
        Case{"Jan  3 00:00:00", "2026-01-03T00:00:00Z"}, Case{"Jan  4 00:00:00", "2025-01-04T00:00:00Z"}}) {
    EXPECT_EQ(times(SourceClock(TimeZone(), std::nullopt, file), {one.stamp}), Texts{one.utc});
  }
}

TEST(Stamp, TheYearGivenCounts) {
  EXPECT_EQ(times(SourceClock(TimeZone(), 2013, kNow), {"May  7 10:27:18"}), Texts{"2013-05-07T10:27:18Z"});
  // stamps with a year of their own do not care
  EXPECT_EQ(times(SourceClock(TimeZone(), 2013, kNow), {"2026-05-07T10:27:18Z"}), Texts{"2026-05-07T10:27:18Z"});
}

TEST(Stamp, TwentyNinthOfFebruary) {
  EXPECT_EQ(times(SourceClock(TimeZone(), std::nullopt, kNow), {"Feb 29 12:00:00", "Mar  1 12:00:00"}),
            (Texts{"2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z"}));
  EXPECT_EQ(times(SourceClock(TimeZone(), 2024, kNow), {"Feb 28 12:00:00", "Feb 29 12:00:00", "Mar  1 12:00:00"}),
            (Texts{"2024-02-28T12:00:00Z", "2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z"}));
  // --year names one that has none: the day behind the 28th is 1 March
  EXPECT_EQ(times(SourceClock(TimeZone(), 2023, kNow), {"Feb 28 12:00:00", "Feb 29 12:00:00"}),
            (Texts{"2023-02-28T12:00:00Z", "2023-03-01T12:00:00Z"}));
}

TEST(Stamp, ABrokenDayDoesNotSpoilTheNext) {
  EXPECT_EQ(times(SourceClock(TimeZone(), 2026, kNow),
                  {"Nov  5 03:04:05", "Nov 99 03:04:05", "Xyz  5 03:04:05", "Nov  6 03:04:05"}),
            (Texts{"2026-11-05T03:04:05Z", "", "", "2026-11-06T03:04:05Z"}));
}

}  // namespace
}  // namespace tipstaff
