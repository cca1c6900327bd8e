#include "base/zone_file.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <utility>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
namespace fs = std::filesystem;

std::string big_endian(std::int64_t value, int width) {
  std::string bytes;
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> static_cast<unsigned>(shift));
  return bytes;
}

// A file of version 2 with these changes (time, index of an offset), offsets and rule, and an empty first half.
std::string tzif(const std::vector<std::pair<std::int64_t, int>>& changes, const std::vector<int>& offsets,
                 const std::string& rule, int leaps = 0) {
  const auto header = [](std::size_t leap, std::size_t times, std::size_t types) {
    std::string bytes = "TZif2" + std::string(15, '\0') + std::string(8, '\0');
    for (const std::size_t count : {leap, times, types, std::size_t{0}})
      bytes += big_endian(static_cast<std::int64_t>(count), 4);
    return bytes;
  };
  std::string bytes = header(0, 0, 1) + std::string(6, '\0');
  bytes += header(static_cast<std::size_t>(leaps), changes.size(), offsets.size());
  for (const auto& change : changes) bytes += big_endian(change.first, 8);
  for (const auto& change : changes) bytes += static_cast<char>(change.second);
  for (const int offset : offsets) bytes += big_endian(offset, 4) + std::string(2, '\0');
  bytes += std::string(static_cast<std::size_t>(leaps) * 12, '\0');
  return bytes + "\n" + rule + "\n";
}

seconds offset_at(const ZoneFile& zone, sys_seconds time) { return zone.stretches()[zone.index_at(time)].offset; }

TEST(ZoneFile, ChangesAreReadAndEqualOffsetsMerged) {
  const auto zone = ZoneFile::parse(tzif({{-100, 1}, {0, 2}, {500, 1}}, {60, 3600, 3600}, ""));
  ASSERT_TRUE(zone) << zone.error().message();
  ASSERT_EQ(zone->stretches().size(), 2U);
  EXPECT_EQ(zone->stretches()[0].offset, 60s);
  EXPECT_EQ(zone->stretches()[0].end, sys_seconds(-100s));
  EXPECT_EQ(zone->stretches()[1].begin, sys_seconds(-100s));
  EXPECT_EQ(offset_at(*zone, sys_seconds(-101s)), 60s);
  EXPECT_EQ(offset_at(*zone, sys_seconds(-100s)), 1h);
  EXPECT_EQ(offset_at(*zone, sys_seconds(99999999s)), 1h);
}

TEST(ZoneFile, RuleHoldsBehindTheLastChange) {
  const auto zone = ZoneFile::parse(tzif({{0, 0}}, {3600, 7200}, "CET-1CEST,M3.5.0,M10.5.0/3"));
  ASSERT_TRUE(zone) << zone.error().message();
  const auto summer = sys_days(std::chrono::year(2090) / 3 / 26) + 1h;  // the last Sundays of March and October 2090
  const auto winter = sys_days(std::chrono::year(2090) / 10 / 29) + 1h;
  EXPECT_EQ(offset_at(*zone, summer - 1s), 1h);
  EXPECT_EQ(offset_at(*zone, summer), 2h);
  EXPECT_EQ(offset_at(*zone, winter - 1s), 2h);
  EXPECT_EQ(offset_at(*zone, winter), 1h);
}

TEST(ZoneFile, RulesInAllTheirForms) {
  const auto year = std::chrono::year(2031);
  const struct {
    const char* rule;
    sys_seconds time;
    seconds offset;
  } cases[] = {
      {"<+0330>-3:30", sys_days(year / 7 / 1), 3h + 30min},
      {"EST5EDT,M3.2.0,M11.1.0", sys_days(year / 7 / 1), -4h},
      {"EST5EDT,M3.2.0,M11.1.0", sys_days(year / 3 / 9) + 7h - 1s, -5h},  // second Sunday of March, 02:00
      {"EST5EDT,M3.2.0,M11.1.0", sys_days(year / 3 / 9) + 7h, -4h},
      {"IST-1GMT0,M10.5.0,M3.5.0/1", sys_days(year / 7 / 1), 1h},  // winter is the exception
      {"IST-1GMT0,M10.5.0,M3.5.0/1", sys_days(year / 1 / 1), 0h},
      {"NZST-12NZDT,M9.5.0,M4.1.0/3", sys_days(year / 1 / 1), 13h},
      {"AAA0BBB,J60,J300", sys_days(year / 3 / 1) + 2h, 1h},  // 1 March in every year
      {"AAA0BBB,J60,J300", sys_days(std::chrono::year(2032) / 3 / 1) + 2h - 1s, 0h},
      {"AAA0BBB,59,300", sys_days(std::chrono::year(2032) / 2 / 29) + 2h, 1h},  // 29 February counts
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", sys_days(year / 3 / 30) + 1h, -1h},   // an hour before that Sunday
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", sys_days(year / 3 / 30) + 1h - 1s, -2h},
  };
  for (const auto& [rule, time, offset] : cases) {
    const auto zone = ZoneFile::parse(tzif({}, {0}, rule));
    ASSERT_TRUE(zone) << rule << ": " << zone.error().message();
    EXPECT_EQ(offset_at(*zone, time), offset) << rule;
  }
}

TEST(ZoneFile, DamageIsAnError) {
  const std::string good = tzif({{0, 0}, {10, 1}}, {3600, 7200}, "CET-1");
  ASSERT_TRUE(ZoneFile::parse(good));
  for (std::size_t size = 0; size + 8 < good.size(); ++size)
    EXPECT_FALSE(ZoneFile::parse(std::string_view(good).substr(0, size))) << size;
  const std::pair<const char*, std::string> cases[] = {
      {"order", tzif({{10, 0}, {0, 1}}, {3600, 7200}, "")},
      {"index", tzif({{0, 2}}, {3600, 7200}, "")},
      {"no offset", tzif({}, {}, "")},
      {"offset", tzif({}, {99999999}, "")},
      {"rule", tzif({}, {0}, "CET-1CEST,M13.5.0,M10.5.0")},
      {"rule's end", tzif({}, {0}, "CET-1CEST,M3.5.0,M10.5.0,")},
      {"no days", tzif({}, {0}, "CET-1CEST")},
      {"leap seconds", tzif({}, {0}, "UTC0", 1)},
  };
  for (const auto& [what, bytes] : cases) EXPECT_FALSE(ZoneFile::parse(bytes)) << what;
  EXPECT_EQ(ZoneFile::read("/nowhere/at/all").error().kind, ErrorKind::not_found);
  EXPECT_FALSE(ZoneFile::read("/usr"));
}

// Every zone of this machine's database against the C library, which reads the same files.
TEST(ZoneFile, AgreesWithTheCLibraryOnEveryZone) {
  const char* const before = std::getenv("TZ");
  const std::string kept = before == nullptr ? "" : before;
  std::mt19937_64 random(7);
  int zones = 0;
  const fs::path root = "/usr/share/zoneinfo";
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = entry.path().lexically_relative(root).string();
    if (!entry.is_regular_file() || name.starts_with("right/") || name.starts_with("posix/")) continue;
    const auto zone = ZoneFile::read(entry.path().string());
    if (!zone) {
      EXPECT_NE(zone.error().text.find("TZif"), std::string::npos) << zone.error().message();  // a table, a list
      continue;
    }
    ++zones;
    setenv("TZ", (":" + name).c_str(), 1);
    tzset();
    for (int i = 0; i < 200; ++i) {
      // from 1900 to 2100; every other one beside a change
      auto time = static_cast<std::time_t>(random() % 6'311'433'600ULL) - 2'208'988'800;
      if (i % 2 == 0) {
        const auto& one = zone->stretches()[random() % zone->stretches().size()];
        const auto begin = one.begin.time_since_epoch().count();
        if (begin > -2'208'988'800 && begin < 4'102'444'800) time = begin - static_cast<std::time_t>(random() % 2);
      }
      std::tm broken{};
      ASSERT_NE(localtime_r(&time, &broken), nullptr);
      EXPECT_EQ(offset_at(*zone, sys_seconds(seconds(time))).count(), broken.tm_gmtoff) << name << " at " << time;
    }
  }
  EXPECT_GT(zones, 300);
  if (before == nullptr) {
    unsetenv("TZ");
  } else {
    setenv("TZ", kept.c_str(), 1);
  }
  tzset();
}

}  // namespace
}  // namespace tipstaff
