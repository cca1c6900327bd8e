// See time.h. Zones come from the system's tz database, read by Abseil; only names that need it touch it. What it says is kept
// as the stretch of wall-clock time in which one offset holds and no hour is skipped or told twice. A TimeZone
// remembers the last stretch: each thread needs a copy of its own. Leap seconds do not exist here, as in POSIX time.
#include "base/time.h"

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>

namespace tipstaff {
namespace {

using std::chrono::seconds;

constexpr const char* kZones = "/usr/share/zoneinfo/";
constexpr const char* kLocalTime = "/etc/localtime";
constexpr seconds kLongest = std::chrono::days(36525);  // 100 years

struct Unit {
  std::string_view name;
  std::int64_t seconds;
};
constexpr std::array kUnits = {
    Unit{"s", 1},          Unit{"sec", 1},     Unit{"secs", 1},     Unit{"second", 1},  Unit{"seconds", 1},
    Unit{"m", 60},         Unit{"min", 60},    Unit{"mins", 60},    Unit{"minute", 60}, Unit{"minutes", 60},
    Unit{"h", 3600},       Unit{"hr", 3600},   Unit{"hrs", 3600},   Unit{"hour", 3600}, Unit{"hours", 3600},
    Unit{"d", 86400},      Unit{"day", 86400}, Unit{"days", 86400}, Unit{"w", 604800},  Unit{"week", 604800},
    Unit{"weeks", 604800},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// Takes the number that `rest` starts with; none where no digit stands or it is far beyond every duration.
std::optional<std::int64_t> take_number(std::string_view& rest) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc{} || rest.empty() || !is_digit(rest.front()) || value > kLongest.count()) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return value;
}

// "00:30:00": hours, minutes, seconds.
std::optional<seconds> read_clock(std::string_view rest) {
  const auto hours = take_number(rest);
  if (!hours || rest.size() != 6 || rest[0] != ':' || rest[3] != ':') return std::nullopt;
  rest.remove_prefix(1);
  const auto minutes = take_number(rest);
  if (!minutes || *minutes > 59 || rest.size() != 3) return std::nullopt;
  rest.remove_prefix(1);
  const auto last = take_number(rest);
  if (!last || *last > 59 || !rest.empty()) return std::nullopt;
  return seconds(*hours * 3600 + *minutes * 60 + *last);
}

void drop_blanks(std::string_view& rest) { rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size())); }

// "1h30m", "15 minutes", "90".
std::optional<seconds> read_units(std::string_view rest) {
  std::int64_t total = 0;
  bool first = true;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    if (!number) return std::nullopt;
    drop_blanks(rest);
    if (first && rest.empty()) return seconds(*number);
    const auto length = static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), is_letter) - rest.begin());
    const auto* const unit = std::ranges::find(kUnits, rest.substr(0, length), &Unit::name);
    if (unit == kUnits.end()) return std::nullopt;
    total += *number * unit->seconds;
    if (total > kLongest.count()) return std::nullopt;
    rest.remove_prefix(length);
    drop_blanks(rest);
    first = false;
  }
  return first ? std::nullopt : std::optional(seconds(total));
}

// "+02:00", "+0200", "-05": what RFC 3339 calls a numeric offset, and its short forms.
std::optional<seconds> read_offset(std::string_view text) {
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits(text.substr(1));
  if (digits.size() == 5 && digits[2] == ':') digits.erase(2, 1);
  if (digits.size() == 2) digits += "00";
  if (digits.size() != 4 || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  const int hours = (digits[0] - '0') * 10 + (digits[1] - '0');
  const int minutes = (digits[2] - '0') * 10 + (digits[3] - '0');
  if (hours > 23 || minutes > 59) return std::nullopt;
  const seconds offset(hours * 3600 + minutes * 60);
  return text[0] == '-' ? -offset : offset;
}

bool means_utc(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {"UTC",     "Z",        "utc",     "GMT",      "Etc/UTC",
                                                             "Etc/GMT", "Etc/Zulu", "Etc/UCT", "Universal"};
  return std::ranges::find(kNames, name) != kNames.end();
}

// The zone's name in a path of the database ("/usr/share/zoneinfo/Europe/Stockholm"); else the text itself.
std::string_view zone_in_path(std::string_view path) {
  static constexpr std::string_view kFolder = "/zoneinfo/";
  const std::size_t at = path.rfind(kFolder);
  if (at == std::string_view::npos) return path;
  path.remove_prefix(at + kFolder.size());
  if (path.starts_with("posix/")) path.remove_prefix(6);
  return path;
}

// Whether it can be the name of a zone, and of no file outside the database: no dot, no empty part.
bool is_zone_name(std::string_view name) {
  const auto fits = [](char c) {
    return is_digit(c) || is_letter(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '+' || c == '-' || c == '/';
  };
  return !name.empty() && name.size() < 128 && std::ranges::all_of(name, fits) && !name.starts_with('/') &&
         !name.ends_with('/') && name.find("//") == std::string_view::npos;
}

LocalInstant to_local_instant(absl::CivilSecond time) {
  return LocalInstant(seconds(time - absl::CivilSecond(1970, 1, 1)));
}

}  // namespace

std::string to_rfc3339(Instant time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

Result<seconds> parse_duration(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view rest = lower;
  drop_blanks(rest);
  auto duration = rest.find(':') == std::string_view::npos ? read_units(rest) : read_clock(rest);
  if (duration && *duration <= kLongest) return *duration;
  return fail(ErrorKind::invalid,
              fmt::format("\"{}\" is no duration; write 90 (seconds), 30m, 2h, 1d, 1w, 1h30m or 00:30:00, "
                          "at most 100 years",
                          text));
}

std::string to_text(seconds duration) {
  auto left = duration.count();
  if (left < 120 && left % 60 != 0) return fmt::format("{}s", left);
  std::string out;
  for (const Unit unit : {Unit{"d", 86400}, Unit{"h", 3600}, Unit{"m", 60}, Unit{"s", 1}}) {
    if (left >= unit.seconds) out += fmt::format("{}{}", left / unit.seconds, unit.name);
    left %= unit.seconds;
  }
  return out.empty() ? "0s" : out;
}

struct TimeZone::State {
  std::string name = "UTC";
  std::optional<absl::TimeZone> zone;  // none: `offset` holds for ever
  seconds offset{0};
  LocalInstant from = LocalInstant::min();  // the stretch in which every stamp has one reading, by `offset`
  LocalInstant until = LocalInstant::max();

  void set(absl::TimeZone found, std::string called) {
    zone = found;
    name = std::move(called);
    until = from;  // nothing is known yet
  }

  // Keeps the stretch around a moment: from the change of offset before it to the one behind it, without the hours that
  // either skips or tells twice.
  void remember(absl::Time time) {
    offset = seconds(zone->At(time).offset);
    absl::TimeZone::CivilTransition change;
    from = zone->PrevTransition(time + absl::Seconds(1), &change) ? to_local_instant(std::max(change.from, change.to))
                                                                  : LocalInstant::min();
    until =
        zone->NextTransition(time, &change) ? to_local_instant(std::min(change.from, change.to)) : LocalInstant::max();
  }
};

TimeZone::TimeZone() : state_(std::make_unique<State>()) {}
TimeZone::~TimeZone() = default;
TimeZone::TimeZone(const TimeZone& other) : state_(std::make_unique<State>(*other.state_)) {}
TimeZone::TimeZone(TimeZone&&) noexcept = default;
TimeZone& TimeZone::operator=(const TimeZone& other) {
  if (this != &other) state_ = std::make_unique<State>(*other.state_);
  return *this;
}
TimeZone& TimeZone::operator=(TimeZone&&) noexcept = default;

const std::string& TimeZone::name() const { return state_->name; }

Result<TimeZone> TimeZone::find(std::string_view name) {
  TimeZone found;
  if (means_utc(name)) return found;
  if (const auto offset = read_offset(name)) {
    found.state_->name = name;
    found.state_->offset = *offset;
    return found;
  }
  if (is_zone_name(name) && !name.starts_with("right/")) {  // those count leap seconds
    if (absl::TimeZone zone; absl::LoadTimeZone(std::string(name), &zone)) {
      found.state_->set(zone, std::string(name));
      return found;
    }
  }
  std::error_code error;
  if (!std::filesystem::is_directory(kZones, error)) {
    return fail(ErrorKind::unavailable,
                fmt::format("the time zone \"{}\" cannot be looked up: this machine has no time zone database; "
                            "install the package tzdata, or give an offset such as +02:00",
                            name));
  }
  return fail(ErrorKind::invalid, fmt::format("\"{}\" is no time zone of this machine's database; write a name such "
                                              "as Europe/Stockholm, UTC, or an offset such as +02:00",
                                              name));
}

TimeZone TimeZone::local() {
  if (const char* setting = std::getenv("TZ"); setting != nullptr) {
    std::string_view name = setting;
    if (name.starts_with(':')) name.remove_prefix(1);
    return find(zone_in_path(name)).value_or(TimeZone());
  }
  std::error_code error;
  const std::string target = std::filesystem::read_symlink(kLocalTime, error).string();
  if (!error) {
    if (auto found = find(zone_in_path(target))) return *std::move(found);
  }
  TimeZone zone;  // no link but a copy: Debian has the name beside it
  if (absl::TimeZone file; absl::LoadTimeZone(kLocalTime, &file)) {
    std::string name;
    std::ifstream("/etc/timezone") >> name;
    zone.state_->set(file, is_zone_name(name) ? name : kLocalTime);
  }
  return zone;
}

Instant TimeZone::to_utc(LocalInstant local, std::optional<Instant> not_before) const {
  State& state = *state_;
  const auto told = local.time_since_epoch();
  if (!state.zone || (local >= state.from && local < state.until)) return Instant(told - state.offset);

  const auto whole = std::chrono::floor<seconds>(told);
  const auto rest = told - whole;
  const auto reading = state.zone->At(absl::CivilSecond(1970, 1, 1) + whole.count());
  const auto instant = [rest](absl::Time time) { return Instant(seconds(absl::ToUnixSeconds(time)) + rest); };
  switch (reading.kind) {
    case absl::TimeZone::TimeInfo::UNIQUE:
      state.remember(reading.pre);
      break;
    case absl::TimeZone::TimeInfo::REPEATED:
      if (not_before && instant(reading.pre) < *not_before) return instant(reading.post);
      break;
    case absl::TimeZone::TimeInfo::SKIPPED:  // by the offset before the change
      break;
  }
  return instant(reading.pre);
}

LocalInstant TimeZone::to_local(Instant time) const {
  const State& state = *state_;
  const auto whole = std::chrono::floor<seconds>(time.time_since_epoch());
  const seconds offset =
      state.zone ? seconds(state.zone->At(absl::FromUnixSeconds(whole.count())).offset) : state.offset;
  return LocalInstant(time.time_since_epoch() + offset);
}

}  // namespace tipstaff
