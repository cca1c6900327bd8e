#include "control/moment.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/text.h"

namespace tipstaff {
namespace {

using std::chrono::seconds;

// Takes exactly `digits` digits.
bool take(std::string_view& rest, std::size_t digits, unsigned& value) {
  if (rest.size() < digits) return false;
  value = 0;
  for (const char c : rest.substr(0, digits)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  rest.remove_prefix(digits);
  return true;
}

bool take(std::string_view& rest, std::string_view one_of) {
  if (rest.empty() || one_of.find(rest.front()) == std::string_view::npos) return false;
  rest.remove_prefix(1);
  return true;
}

std::optional<LocalInstant> take_day(std::string_view& rest) {
  unsigned year = 0;
  unsigned month = 0;
  unsigned day = 0;
  if (!take(rest, 4, year) || !take(rest, "-") || !take(rest, 2, month) || !take(rest, "-") || !take(rest, 2, day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) return std::nullopt;
  return LocalInstant(std::chrono::local_days(date).time_since_epoch());
}

// "10:27" or "10:27:18", with a fraction. A leap second is the one after it.
std::optional<std::chrono::microseconds> take_clock(std::string_view& rest) {
  unsigned hours = 0;
  unsigned minutes = 0;
  unsigned whole = 0;
  std::chrono::microseconds fraction{0};
  if (!take(rest, 2, hours) || !take(rest, ":") || !take(rest, 2, minutes)) return std::nullopt;
  if (take(rest, ":")) {
    if (!take(rest, 2, whole)) return std::nullopt;
    if (take(rest, ".")) {
      unsigned digit = 0;
      if (rest.empty() || rest.front() < '0' || rest.front() > '9') return std::nullopt;
      for (std::int64_t unit = 100'000; take(rest, 1, digit); unit /= 10)
        fraction += unit * std::chrono::microseconds(digit);
    }
  }
  if (hours > 23 || minutes > 59 || whole > 60) return std::nullopt;
  return std::chrono::hours(hours) + std::chrono::minutes(minutes) + seconds(whole) + fraction;
}

// "Z" or "+02:00".
std::optional<seconds> take_offset(std::string_view& rest) {
  if (take(rest, "Zz")) return seconds(0);
  const bool west = rest.starts_with('-');
  unsigned hours = 0;
  unsigned minutes = 0;
  if (!take(rest, "+-") || !take(rest, 2, hours) || !take(rest, ":") || !take(rest, 2, minutes)) return std::nullopt;
  if (hours > 23 || minutes > 59) return std::nullopt;
  const seconds offset = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return west ? -offset : offset;
}

std::optional<Instant> read_stamp(std::string_view rest, const TimeZone& zone) {
  auto local = take_day(rest);
  if (!local) return std::nullopt;
  if (rest.empty()) return zone.to_utc(*local);
  if (!take(rest, "Tt ")) return std::nullopt;
  const auto clock = take_clock(rest);
  if (!clock) return std::nullopt;
  *local += *clock;
  if (rest.empty()) return zone.to_utc(*local);
  const auto offset = take_offset(rest);
  if (!offset || !rest.empty()) return std::nullopt;
  return Instant(local->time_since_epoch() - *offset);
}

}  // namespace

Result<Instant> parse_moment(std::string_view text, const TimeZone& zone, Instant now) {
  if (const auto stamp = read_stamp(text, zone)) return *stamp;
  if (const auto back = parse_duration(text)) return now - *back;
  return fail(ErrorKind::invalid,
              fmt::format("'{}' is no time; write 2013-05-07T10:27:18Z, 2013-05-07, \"2013-05-07 10:27\", or how long "
                          "ago, as 2d or 1h30m",
                          printable(text)));
}

std::string to_clock_text(Instant time, const TimeZone& zone) {
  std::string text = to_rfc3339(Instant(zone.to_local(time).time_since_epoch()));
  text[text.find('T')] = ' ';
  text.pop_back();
  return text;
}

}  // namespace tipstaff
