#include "base/time.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using std::chrono::sys_days;

// 2013-05-07 and a time of day, as an instant or as a stamp on a wall clock.
Instant at(std::chrono::year_month_day day, std::chrono::seconds time) { return sys_days(day) + time; }
LocalInstant wall(std::chrono::year_month_day day, std::chrono::seconds time) {
  return LocalInstant(at(day, time).time_since_epoch());
}
constexpr std::chrono::year_month_day date(int y, unsigned m, unsigned d) {
  return {std::chrono::year(y), std::chrono::month(m), std::chrono::day(d)};
}

TEST(Rfc3339, CutsTheFractionOff) {
  EXPECT_EQ(to_rfc3339(at(date(2013, 5, 7), 10h + 27min + 18s)), "2013-05-07T10:27:18Z");
  EXPECT_EQ(to_rfc3339(at(date(2013, 5, 7), 10h) + 999'999us), "2013-05-07T10:00:00Z");
  EXPECT_EQ(to_rfc3339(Instant(-1us)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(to_rfc3339(at(date(2024, 2, 29), 23h + 59min + 59s)), "2024-02-29T23:59:59Z");
}

TEST(Duration, ReadsWhatAdministratorsWrite) {
  const std::pair<const char*, std::chrono::seconds> cases[] = {
      {"90", 90s},
      {"0", 0s},
      {"30m", 30min},
      {"2h", 2h},
      {"1d", 24h},
      {"1w", 168h},
      {"1h30m", 90min},
      {"00:30:00", 30min},
      {"48:00:01", 48h + 1s},
      {"15 minutes", 15min},
      {"1 hour 30 min", 90min},
      {"2 Days", 48h},
      {" 5s ", 5s},
      {"36525d", 36525 * 24h},
  };
  for (const auto& [text, expected] : cases) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(*duration, expected) << text;
  }
}

TEST(Duration, RefusesTheRestWithASentence) {
  for (const char* text : {"", " ", "-5m", "+5m", "m", "1h30", "5x", "1.5h", "00:60:00", "00:00:60", "1:2:3", "0:30",
                           "36526d", "99999999999999999999", "9999999999w", "1h-30m", "00:30:00x"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().kind, ErrorKind::invalid);
    EXPECT_NE(duration.error().text.find("30m"), std::string::npos);
  }
}

TEST(Duration, IsWrittenShortAndReadBack) {
  const std::pair<std::chrono::seconds, const char*> cases[] = {
      {0s, "0s"},     {1s, "1s"}, {60s, "1m"},      {90s, "90s"}, {120s, "2m"}, {150s, "2m30s"},
      {30min, "30m"}, {2h, "2h"}, {90min, "1h30m"}, {24h, "1d"},  {168h, "7d"}, {25h + 1s, "1d1h1s"},
  };
  for (const auto& [duration, text] : cases) {
    EXPECT_EQ(to_text(duration), text);
    EXPECT_EQ(parse_duration(text).value_or(-1s), duration) << text;
  }
}

TEST(TimeZone, FixedOffsets) {
  const std::pair<const char*, std::chrono::seconds> cases[] = {
      {"UTC", 0h}, {"Z", 0h}, {"Etc/UTC", 0h}, {"+02:00", 2h}, {"-0330", -3h - 30min}, {"+05", 5h}, {"-00:00", 0h},
  };
  for (const auto& [name, offset] : cases) {
    const auto zone = TimeZone::find(name);
    ASSERT_TRUE(zone) << name;
    EXPECT_EQ(zone->to_utc(wall(date(2024, 7, 1), 12h)), at(date(2024, 7, 1), 12h) - offset) << name;
  }
  EXPECT_EQ(TimeZone().name(), "UTC");
  EXPECT_EQ(TimeZone::find("+02:00")->name(), "+02:00");
}

TEST(TimeZone, UnknownNamesAreErrorsThatSayWhatToWrite) {
  for (const char* name : {"", "Europe/Nowhere", "+2", "+24:00", "+02:60", "+0x:00", "../../etc/passwd", "tzdata.zi"}) {
    const auto zone = TimeZone::find(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().kind, ErrorKind::invalid) << zone.error().text;
    EXPECT_NE(zone.error().text.find("Europe/Stockholm"), std::string::npos);
  }
}

TEST(TimeZone, SummerAndWinter) {
  const auto zone = TimeZone::find("Europe/Stockholm");
  ASSERT_TRUE(zone) << zone.error().message();
  EXPECT_EQ(zone->name(), "Europe/Stockholm");
  // Back and forth, so that the remembered stretch is used, left and found again.
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(zone->to_utc(wall(date(2013, 5, 7), 12h + 27min)), at(date(2013, 5, 7), 10h + 27min));
    EXPECT_EQ(zone->to_utc(wall(date(2013, 5, 7), 12h) + 5us), at(date(2013, 5, 7), 10h) + 5us);
    EXPECT_EQ(zone->to_utc(wall(date(2013, 12, 24), 12h)), at(date(2013, 12, 24), 11h));
  }
  EXPECT_EQ(zone->to_utc(wall(date(1800, 1, 1), 12h)), at(date(1800, 1, 1), 12h) - 1h - 12min - 12s);  // Sun's time
}

// Clocks went from 03:00 summer time back to 02:00 on 2013-10-27 (01:00 UTC).
TEST(TimeZone, TwiceToldHour) {
  const TimeZone zone = TimeZone::find("Europe/Stockholm").value();
  const auto day = date(2013, 10, 27);
  const LocalInstant stamp = wall(day, 2h + 30min);
  const Instant first = at(day, 30min);
  const Instant second = at(day, 1h + 30min);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(zone.to_utc(stamp), first);
    EXPECT_EQ(zone.to_utc(stamp, first - 1h), first);
    EXPECT_EQ(zone.to_utc(stamp, first), first);
    EXPECT_EQ(zone.to_utc(stamp, first + 1us), second);
    EXPECT_EQ(zone.to_utc(stamp, second), second);
    EXPECT_EQ(zone.to_utc(stamp, second + 2h), second);
    // Just outside of it there is one reading, whatever came before; this also moves the remembered stretch.
    EXPECT_EQ(zone.to_utc(wall(day, 2h) - 1us, second), at(day, 0h) - 1us);
    EXPECT_EQ(zone.to_utc(wall(day, 2h), second), at(day, 1h));
    EXPECT_EQ(zone.to_utc(wall(day, 3h) - 1us), at(day, 1h) - 1us);
    EXPECT_EQ(zone.to_utc(wall(day, 3h)), at(day, 2h));
  }
}

// Clocks went from 02:00 on to 03:00 on 2013-03-31 (01:00 UTC).
TEST(TimeZone, SkippedHourIsReadWithTheOffsetBefore) {
  const TimeZone zone = TimeZone::find("Europe/Stockholm").value();
  const auto day = date(2013, 3, 31);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(zone.to_utc(wall(day, 2h) - 1us), at(day, 1h) - 1us);
    EXPECT_EQ(zone.to_utc(wall(day, 2h)), at(day, 1h));
    EXPECT_EQ(zone.to_utc(wall(day, 2h + 30min)), at(day, 1h + 30min));
    EXPECT_EQ(zone.to_utc(wall(day, 3h)), at(day, 1h));
  }
}

TEST(TimeZone, ToldOnTheWallClock) {
  const TimeZone zone = TimeZone::find("Europe/Stockholm").value();
  const auto spring = date(2013, 3, 31);
  const auto autumn = date(2013, 10, 27);
  EXPECT_EQ(zone.to_local(at(spring, 1h) - 1us), wall(spring, 2h) - 1us);
  EXPECT_EQ(zone.to_local(at(spring, 1h)), wall(spring, 3h));
  EXPECT_EQ(zone.to_local(at(autumn, 30min)), wall(autumn, 2h + 30min));
  EXPECT_EQ(zone.to_local(at(autumn, 1h + 30min)), wall(autumn, 2h + 30min));
  EXPECT_EQ(TimeZone::find("-03:30").value().to_local(at(spring, 4h)), wall(spring, 30min));
  EXPECT_EQ(TimeZone().to_local(at(spring, 4h)), wall(spring, 4h));
}

TEST(TimeZone, CopiesAreIndependent) {
  const TimeZone stockholm = TimeZone::find("Europe/Stockholm").value();
  TimeZone copy = stockholm;
  EXPECT_EQ(copy.to_utc(wall(date(2020, 1, 1), 1h)), at(date(2020, 1, 1), 0h));
  copy = TimeZone();
  EXPECT_EQ(copy.name(), "UTC");
  EXPECT_EQ(stockholm.to_utc(wall(date(2020, 7, 1), 2h)), at(date(2020, 7, 1), 0h));
}

TEST(TimeZone, LocalFollowsTheEnvironment) {
  const char* const before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  const std::pair<const char*, const char*> cases[] = {
      {"Asia/Tokyo", "Asia/Tokyo"},
      {":Asia/Tokyo", "Asia/Tokyo"},
      {":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"},
      {"", "UTC"},
      {"nonsense", "UTC"},
  };
  for (const auto& [setting, name] : cases) {
    setenv("TZ", setting, 1);
    EXPECT_EQ(TimeZone::local().name(), name) << setting;
  }
  unsetenv("TZ");
  EXPECT_FALSE(TimeZone::local().name().empty());
  if (before != nullptr) setenv("TZ", kept.c_str(), 1);
}

}  // namespace
}  // namespace tipstaff
