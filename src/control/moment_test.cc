#include "control/moment.h"

#include <gtest/gtest.h>

#include <string_view>

namespace tipstaff {
namespace {

constexpr Instant kNow = std::chrono::sys_days{std::chrono::year{2013} / 7 / 10} + std::chrono::hours(12);

TEST(Moment, IsReadAsAdministratorsWriteIt) {
  const TimeZone zone = TimeZone::find("Europe/Stockholm").value();
  struct Case {
    std::string_view text, utc;
  };
  for (const Case& one :
       {Case{"2013-05-07T10:27:18Z", "2013-05-07T10:27:18Z"}, Case{"2013-05-07t10:27:18.999z", "2013-05-07T10:27:18Z"},
        Case{"2013-05-07T10:27:18+02:00", "2013-05-07T08:27:18Z"},
        Case{"2013-05-07 10:27:18-00:30", "2013-05-07T10:57:18Z"}, Case{"2013-05-07", "2013-05-06T22:00:00Z"},
        Case{"2013-01-07", "2013-01-06T23:00:00Z"}, Case{"2013-05-07 10:27", "2013-05-07T08:27:00Z"},
        Case{"2013-05-07T10:27:18", "2013-05-07T08:27:18Z"}, Case{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
        Case{"2d", "2013-07-08T12:00:00Z"}, Case{"1h30m", "2013-07-10T10:30:00Z"}, Case{"0", "2013-07-10T12:00:00Z"}}) {
    const auto moment = parse_moment(one.text, zone, kNow);
    ASSERT_TRUE(moment.has_value()) << one.text;
    EXPECT_EQ(to_rfc3339(*moment), one.utc) << one.text;
  }
}

TEST(Moment, KeepsAFraction) {
  const auto moment = parse_moment("1970-01-01T00:00:01.25Z", TimeZone(), kNow);
  ASSERT_TRUE(moment.has_value());
  EXPECT_EQ(moment->time_since_epoch().count(), 1'250'000);
  EXPECT_EQ(parse_moment("1970-01-01T00:00:00.0000019Z", TimeZone(), kNow)->time_since_epoch().count(), 1);
}

TEST(Moment, AnythingElseIsAnError) {
  for (const std::string_view text :
       {"", "yesterday", "2013-02-29", "2013-13-01", "2013-05-7", "2013-05-07 ", "2013-05-07 24:00", "2013-05-07 10",
        "2013-05-07 10:60", "2013-05-07T10:27:61Z", "2013-05-07T10:27:18.Z", "2013-05-07T10:27:18+2:00",
        "2013-05-07T10:27:18+24:00", "2013-05-07T10:27:18Zx", "-2d", "2x"}) {
    EXPECT_FALSE(parse_moment(text, TimeZone(), kNow).has_value()) << text;
  }
}

TEST(Moment, IsWrittenOnTheZonesClock) {
  const TimeZone zone = TimeZone::find("Europe/Stockholm").value();
  EXPECT_EQ(to_clock_text(kNow, zone), "2013-07-10 14:00:00");
  EXPECT_EQ(to_clock_text(kNow, TimeZone()), "2013-07-10 12:00:00");
  EXPECT_EQ(to_clock_text(Instant(std::chrono::microseconds(-1)), TimeZone()), "1969-12-31 23:59:59");
}

}  // namespace
}  // namespace tipstaff
