// Stamps are read by hand at fixed places: they stand in every line that tells of an attempt, and a general parser
// costs more than all the rest. Nothing here throws; a stamp that names no moment (31 February, 25 o'clock) gives none.
#include "detect/stamp.h"

#include <cstring>

namespace tipstaff {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A cursor over a stamp: takes numbers and fixed bytes; `good` stays false after the first that does not fit.
struct Cursor {
  std::string_view text;
  bool good = true;

  int number(std::size_t least, std::size_t most) {
    std::size_t at = 0;
    int value = 0;
    while (at < text.size() && at < most && is_digit(text[at])) value = value * 10 + (text[at++] - '0');
    good = good && at >= least;
    text.remove_prefix(at);
    return value;
  }
  bool take(char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
  }
  void must(char c) { good = take(c) && good; }
  void blanks() {
    while (take(' ')) {
    }
  }
  unsigned month() {
    static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const std::size_t at = text.size() < 3 ? std::string_view::npos : kMonths.find(text.substr(0, 3));
    if (at == std::string_view::npos || at % 3 != 0) {
      good = false;
      return 1;
    }
    text.remove_prefix(3);
    return static_cast<unsigned>(at / 3 + 1);
  }
  microseconds clock() {  // HH:MM:SS[.fraction]
    const int h = number(1, 2);
    must(':');
    const int m = number(2, 2);
    must(':');
    const int s = number(2, 2);
    good = good && h < 24 && m < 60 && s < 61;
    microseconds all = hours(h) + minutes(m) + seconds(s);
    if (!text.empty() && (text[0] == '.' || text[0] == ',') && text.size() > 1 && is_digit(text[1])) {
      text.remove_prefix(1);
      int fraction = 0;
      for (int digit = 0; digit < 6; ++digit) {
        fraction *= 10;
        if (!text.empty() && is_digit(text[0])) {
          fraction += text[0] - '0';
          text.remove_prefix(1);
        }
      }
      while (!text.empty() && is_digit(text[0])) text.remove_prefix(1);
      all += microseconds(fraction);
    }
    return all;
  }
  // Z, +HH:MM, +HHMM, +HH; none where no zone stands
  std::optional<minutes> zone() {
    if (take('Z')) return minutes(0);
    if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
    const bool west = text[0] == '-';
    text.remove_prefix(1);
    const int h = number(2, 2);
    take(':');
    const int m = text.empty() ? 0 : number(2, 2);
    good = good && h < 24 && m < 60;
    const minutes offset = hours(h) + minutes(m);
    return west ? -offset : offset;
  }
};

// "HH:MM:SS" as one word, the first byte lowest.
std::optional<seconds> plain_clock(std::uint64_t text) {
  const std::uint64_t digits = text ^ 0x30303a30303a3030ULL;
  if ((((digits & 0x7f7f7f7f7f7f7f7fULL) + 0x76767f76767f7676ULL) & 0x8080808080808080ULL) != 0 ||
      (digits & 0x8080808080808080ULL) != 0)
    return std::nullopt;
  const auto pair = [digits](unsigned at) {
    return static_cast<int>((digits >> at & 0xfU) * 10 + (digits >> (at + 8) & 0xfU));
  };
  const int h = pair(0);
  const int m = pair(24);
  const int s = pair(48);
  if (h > 23 || m > 59 || s > 60) return std::nullopt;
  return hours(h) + minutes(m) + seconds(s);
}

std::optional<LocalInstant> day_of(int year, unsigned month, int day) {
  using namespace std::chrono;
  const year_month_day date(std::chrono::year(year), std::chrono::month(month),
                            std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return std::nullopt;
  return LocalInstant(local_days(date));
}

Instant as_utc(LocalInstant local) { return Instant(local.time_since_epoch()); }

}  // namespace

SourceClock::SourceClock(TimeZone zone, std::optional<int> year, Instant newest)
    : zone_(std::move(zone)), year_(year), newest_(newest) {}

void SourceClock::new_day(const Header& header, std::uint64_t day_text) {
  day_text_ = day_text;
  clock_text_ = 0;
  Cursor cursor{header.stamp};
  const unsigned month = cursor.month();
  cursor.blanks();
  const int day = cursor.number(1, 2);
  day_known_ = false;
  if (!cursor.good || day < 1 || day > 31) return;
  const int day_of_year = static_cast<int>(month) * 31 + day;
  if (!year_) {
    // the newest year that puts it no later than the file's time plus a day; 29 February needs a leap year
    const auto now = std::chrono::year_month_day(std::chrono::floor<days>(newest_ + days(1)));
    int year = static_cast<int>(now.year());
    for (int tries = 0; tries < 9; ++tries, --year) {
      const auto local = day_of(year, month, day);
      if (local && zone_.to_utc(*local) <= newest_ + days(1)) break;
    }
    year_ = year;
  } else if (day_of_year_ != 0) {
    if (day_of_year < day_of_year_ - 31 * 6) ++*year_;
    if (day_of_year > day_of_year_ + 31 * 6) --*year_;
  }
  day_of_year_ = day_of_year;
  auto local = day_of(*year_, month, day);
  if (!local && month == 2 && day == 29) local = day_of(*year_, 3, 1);
  if (!local) return;
  midnight_ = *local;
  day_known_ = true;
  const Instant begin = zone_.to_utc(midnight_);
  const bool even = zone_.to_utc(midnight_ + days(1)) - begin == days(1);
  midnight_utc_ = even ? std::optional(begin) : std::nullopt;
}

Instant SourceClock::to_utc(LocalInstant local) {
  // in an hour that comes twice, stamps that have fallen by more than ten minutes belong to the second round
  const Instant time = zone_.to_utc(local, last_ ? std::optional<Instant>(*last_ - minutes(10)) : std::nullopt);
  last_ = time;
  clock_text_ = 0;
  return time;
}

std::optional<Instant> SourceClock::time_of(const Header& header) {
  Cursor cursor{header.stamp};
  switch (header.stamp_kind) {
    case StampKind::none:
      return std::nullopt;
    case StampKind::bsd: {
      if (!day_known_) return std::nullopt;
      cursor.text.remove_prefix(header.stamp.size() - 8);
      std::uint64_t clock = 0;
      std::memcpy(&clock, cursor.text.data(), sizeof clock);
      if (clock == clock_text_) return last_;
      const auto time = plain_clock(clock);
      if (!time) return std::nullopt;
      last_ = midnight_utc_ ? *midnight_utc_ + *time : to_utc(midnight_ + *time);
      clock_text_ = clock;
      return last_;
    }
    case StampKind::iso: {
      const int year = cursor.number(4, 4);
      cursor.must('-');
      const int month = cursor.number(2, 2);
      cursor.must('-');
      const int day = cursor.number(2, 2);
      if (!cursor.take('T')) cursor.must(' ');
      const microseconds time = cursor.clock();
      const auto zone = cursor.zone();
      const auto date = day_of(year, static_cast<unsigned>(month), day);
      if (!cursor.good || !date) return std::nullopt;
      if (zone) return as_utc(*date + time) - *zone;
      return to_utc(*date + time);
    }
    case StampKind::slash: {
      const int year = cursor.number(4, 4);
      cursor.must('/');
      const int month = cursor.number(2, 2);
      cursor.must('/');
      const int day = cursor.number(2, 2);
      cursor.must(' ');
      const microseconds time = cursor.clock();
      const auto date = day_of(year, static_cast<unsigned>(month), day);
      if (!cursor.good || !date) return std::nullopt;
      return to_utc(*date + time);
    }
    case StampKind::calendar: {
      if (cursor.text.size() > 4 && cursor.text[3] == ' ' && !is_digit(cursor.text[4]) && cursor.text[4] != ' ')
        cursor.text.remove_prefix(4);
      const unsigned month = cursor.month();
      cursor.blanks();
      const int day = cursor.number(1, 2);
      cursor.blanks();
      int year = 0;
      microseconds time{};
      if (cursor.text.size() > 4 && cursor.text[4] == ' ') {
        year = cursor.number(4, 4);
        cursor.blanks();
        time = cursor.clock();
      } else {
        time = cursor.clock();
        cursor.blanks();
        year = cursor.number(4, 4);
      }
      const auto date = day_of(year, month, day);
      if (!cursor.good || !date) return std::nullopt;
      return to_utc(*date + time);
    }
    case StampKind::clf: {
      const int day = cursor.number(2, 2);
      cursor.must('/');
      const unsigned month = cursor.month();
      cursor.must('/');
      const int year = cursor.number(4, 4);
      cursor.must(':');
      const microseconds time = cursor.clock();
      cursor.blanks();
      const auto zone = cursor.zone();
      const auto date = day_of(year, month, day);
      if (!cursor.good || !date) return std::nullopt;
      if (zone) return as_utc(*date + time) - *zone;
      return to_utc(*date + time);
    }
    case StampKind::tai64n: {
      std::uint64_t value = 0;
      for (const char c : header.stamp.substr(1, 16)) {
        const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return std::nullopt;
        value = value << 4U | static_cast<std::uint64_t>(digit);
      }
      // 2^62 is 1970 in TAI; TAI was 10 s ahead then, and is 37 s ahead since 2017: the difference of at most 27 s stays
      constexpr std::uint64_t kEpoch = 1ULL << 62U;
      if (value < kEpoch + 10 || value > kEpoch + 10'000'000'000ULL) return std::nullopt;
      return Instant(seconds(static_cast<std::int64_t>(value - kEpoch - 10)));
    }
    case StampKind::epoch: {
      std::int64_t whole = 0;
      while (!cursor.text.empty() && is_digit(cursor.text[0])) {
        whole = whole * 10 + (cursor.text[0] - '0');
        cursor.text.remove_prefix(1);
      }
      return Instant(seconds(whole));
    }
  }
  return std::nullopt;
}

}  // namespace tipstaff
