// See zone_file.h. A file has its data twice: with 32-bit times for old readers, then, from version 2 on, with 64-bit
// times; the second is read. Every count is checked against the bytes that are there before it is used.
#include "base/zone_file.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <utility>

namespace tipstaff {
namespace {

using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

// Begin and end of all time: far from every stamp, and an Instant of them in microseconds does not overflow.
constexpr sys_seconds kBegin = sys_days(std::chrono::year(-9999) / 1 / 1);
constexpr sys_seconds kEnd = sys_days(std::chrono::year(30000) / 1 / 1);
constexpr int kLastYear = 2100;
constexpr std::size_t kHeader = 44;
constexpr std::size_t kLargestFile = 1U << 20U;
constexpr int kLargestOffset = 26 * 3600;  // RFC 8536 3.2: more than -25 and less than 26 hours

std::int64_t number_at(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = bytes[at] < 0 ? ~0ULL : 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8U | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<std::int64_t>(value);
}

// The six counts of a header, as RFC 8536 3.1 orders them.
struct Counts {
  std::size_t utc, standard, leaps, times, types, letters;

  [[nodiscard]] std::size_t size(std::size_t time_width) const {
    return times * (time_width + 1) + types * 6 + letters + leaps * (time_width + 4) + standard + utc;
  }
};

std::optional<Counts> counts_of(std::string_view bytes) {
  if (bytes.size() < kHeader || !bytes.starts_with("TZif")) return std::nullopt;
  std::array<std::size_t, 6> all{};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::int64_t count = number_at(bytes, 20 + 4 * i, 4);
    if (count < 0 || count > static_cast<std::int64_t>(bytes.size())) return std::nullopt;
    all[i] = static_cast<std::size_t>(count);
  }
  return Counts{all[0], all[1], all[2], all[3], all[4], all[5]};
}

// The rule for the years behind the table: POSIX.1's TZ, with the hours of RFC 8536 3.3.1 (up to 167, also negative).
class Rule {
 public:
  // A day of the year on which the clocks change, and the time of day on the wall clock before the change.
  struct Day {
    enum class Kind : std::uint8_t { week, without_leap_day, plain } kind = Kind::plain;
    int month = 0, week = 0, day = 0;
    seconds time{2 * 3600};

    [[nodiscard]] std::chrono::local_seconds in(std::chrono::year year) const {
      using namespace std::chrono;
      local_days date = local_days(year / January / 1);
      if (kind == Kind::week) {
        const auto month_of = year / std::chrono::month(static_cast<unsigned>(month));
        const std::chrono::weekday wanted(static_cast<unsigned>(day));
        date = week == 5 ? local_days(month_of / wanted[last])
                         : local_days(month_of / wanted[static_cast<unsigned>(week)]);
      } else {
        date += days(day - (kind == Kind::without_leap_day ? 1 : 0));
        if (kind == Kind::without_leap_day && year.is_leap() && day >= 60) date += days(1);
      }
      return date + time;
    }
  };

  static std::optional<Rule> parse(std::string_view text) {
    Rule rule;
    rule.rest_ = text;
    if (!rule.name() || !rule.offset(rule.standard)) return std::nullopt;
    if (rule.rest_.empty()) return rule;
    rule.changes = true;
    if (!rule.name()) return std::nullopt;
    rule.summer = rule.standard + seconds(3600);
    if (!rule.rest_.starts_with(',') && !rule.offset(rule.summer)) return std::nullopt;
    if (!rule.change_day(rule.begin) || !rule.change_day(rule.end) || !rule.rest_.empty()) return std::nullopt;
    return rule;
  }

  bool changes = false;
  seconds standard{0}, summer{0};
  Day begin, end;  // of summer time

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // "CET" or "<+0330>"
  bool name() {
    const bool quoted = take('<');
    std::size_t length = 0;
    while (length < rest_.size() &&
           (quoted ? rest_[length] != '>'
                   : (rest_[length] >= 'A' && rest_[length] <= 'Z') || (rest_[length] >= 'a' && rest_[length] <= 'z')))
      ++length;
    rest_.remove_prefix(length);
    return length > 0 && (!quoted || take('>'));
  }

  bool digits(int most, int& value) {
    std::size_t length = 0;
    value = 0;
    for (; length < rest_.size() && length < 3 && rest_[length] >= '0' && rest_[length] <= '9'; ++length)
      value = value * 10 + (rest_[length] - '0');
    rest_.remove_prefix(length);
    return length > 0 && value <= most;
  }

  // [+-]HH[:MM[:SS]]
  bool time(int most_hours, seconds& value) {
    const bool negative = take('-');
    if (!negative) take('+');
    int hours = 0, minutes = 0, rest = 0;
    if (!digits(most_hours, hours)) return false;
    if (take(':') && (!digits(59, minutes) || (take(':') && !digits(59, rest)))) return false;
    value = seconds(hours * 3600 + minutes * 60 + rest);
    if (negative) value = -value;
    return true;
  }

  // POSIX counts what has to be added to get UTC.
  bool offset(seconds& value) {
    if (!time(24, value)) return false;
    value = -value;
    return true;
  }

  // ",M10.5.0/3", ",J60", ",59"
  bool change_day(Day& day) {
    if (!take(',')) return false;
    if (take('M')) {
      day.kind = Day::Kind::week;
      if (!digits(12, day.month) || !take('.') || !digits(5, day.week) || !take('.') || !digits(6, day.day) ||
          day.month < 1 || day.week < 1)
        return false;
    } else {
      day.kind = take('J') ? Day::Kind::without_leap_day : Day::Kind::plain;
      if (!digits(365, day.day) || (day.kind == Day::Kind::without_leap_day && day.day < 1)) return false;
    }
    return !take('/') || time(167, day.time);
  }

  std::string_view rest_;
};

std::unexpected<Error> damaged(std::string text) { return fail(ErrorKind::corrupt, std::move(text)); }

}  // namespace

// Begins a new stretch, if it has another offset than the one before.
void ZoneFile::change(sys_seconds at, seconds offset) {
  Stretch& newest = stretches_.back();
  if (offset == newest.offset) return;
  if (at <= newest.begin) {
    newest.offset = offset;
    return;
  }
  newest.end = at;
  stretches_.push_back({at, kEnd, offset});
}

Result<ZoneFile> ZoneFile::parse(std::string_view bytes) {
  auto counts = counts_of(bytes);
  if (!counts) return damaged("it does not begin as a TZif file does");
  const bool wide = bytes[4] >= '2';
  std::size_t width = 4;
  if (wide) {
    const std::size_t first = kHeader + counts->size(4);
    if (first > bytes.size()) return damaged("it ends too early");
    bytes.remove_prefix(first);
    counts = counts_of(bytes);
    width = 8;
  }
  if (!counts || kHeader + counts->size(width) > bytes.size()) return damaged("it ends too early");
  if (counts->leaps != 0) return fail(ErrorKind::invalid, "it counts leap seconds, which POSIX time does not have");
  if (counts->types == 0) return damaged("it has no offset");

  const std::size_t indices = kHeader + counts->times * width;
  const std::size_t types = indices + counts->times;
  std::vector<seconds> offsets;
  for (std::size_t i = 0; i < counts->types; ++i) {
    offsets.emplace_back(number_at(bytes, types + 6 * i, 4));
    if (std::chrono::abs(offsets.back()) >= seconds(kLargestOffset)) return damaged("an offset is longer than a day");
  }
  ZoneFile zone;
  zone.stretches_.push_back({kBegin, kEnd, offsets[0]});
  sys_seconds before = kBegin;
  for (std::size_t i = 0; i < counts->times; ++i) {
    const sys_seconds at(seconds(number_at(bytes, kHeader + i * width, width)));
    const auto type = static_cast<unsigned char>(bytes[indices + i]);
    if (type >= offsets.size() || (i > 0 && at <= before)) return damaged("its changes are out of order");
    before = at;
    if (at < kEnd) zone.change(std::max(at, kBegin), offsets[type]);
  }

  std::string_view footer = wide ? bytes.substr(kHeader + counts->size(width)) : std::string_view();
  if (footer.size() <= 2 || !footer.starts_with('\n') || !footer.ends_with('\n')) return zone;
  footer = footer.substr(1, footer.size() - 2);
  const auto rule = Rule::parse(footer);
  if (!rule) return damaged("the rule at its end is none");
  if (!rule->changes) {
    if (counts->times == 0) zone.change(kBegin, rule->standard);
    return zone;
  }
  int year = 1970;
  if (counts->times > 0 && before > sys_seconds()) {
    const auto day = std::chrono::floor<std::chrono::days>(std::min(before, kEnd));
    year = static_cast<int>(std::chrono::year_month_day(day).year());
  }
  for (; year <= kLastYear; ++year) {
    const std::chrono::year of(year);
    const sys_seconds begins((rule->begin.in(of)-rule->standard).time_since_epoch());
    const sys_seconds ends((rule->end.in(of)-rule->summer).time_since_epoch());
    std::array<std::pair<sys_seconds, seconds>, 2> both{{{begins, rule->summer}, {ends, rule->standard}}};
    std::ranges::sort(both);
    for (const auto& [at, offset] : both) {
      if (at > before || counts->times == 0) zone.change(at, offset);
    }
  }
  return zone;
}

Result<ZoneFile> ZoneFile::read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(ErrorKind::not_found, "the file cannot be opened", path);
  std::string bytes;
  std::array<char, 8192> piece{};
  while (bytes.size() <= kLargestFile && stream.read(piece.data(), piece.size()).gcount() + 0 > 0)
    bytes.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) return fail(ErrorKind::unavailable, "the file cannot be read", path);
  if (bytes.size() > kLargestFile) return fail(ErrorKind::corrupt, "it is too large for a time zone", path);
  auto zone = parse(bytes);
  if (!zone) zone.error().where = path;
  return zone;
}

std::size_t ZoneFile::index_at(sys_seconds time) const {
  const auto next = std::ranges::upper_bound(stretches_, time, {}, &Stretch::begin);
  return next == stretches_.begin() ? 0 : static_cast<std::size_t>(next - stretches_.begin()) - 1;
}

}  // namespace tipstaff
