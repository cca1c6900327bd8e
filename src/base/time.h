// Points in time, durations as administrators write them, and time zones.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tipstaff {

/// A point in time, UTC, microseconds.
using Instant = std::chrono::sys_time<std::chrono::microseconds>;
/// A point on a wall clock whose zone is not said, microseconds.
using LocalInstant = std::chrono::local_time<std::chrono::microseconds>;

/// RFC 3339 in UTC, whole seconds (the fraction is cut off): 2013-05-07T10:27:18Z.
[[nodiscard]] std::string to_rfc3339(Instant time);

/// "30m", "2h", "1d", "90" (seconds), "1h30m", "00:30:00", "1w"; also "15 minutes". Never negative, at most 100 years.
[[nodiscard]] Result<std::chrono::seconds> parse_duration(std::string_view text);
/// The shortest of "30m", "2h", "1d", "1h30m", "90s".
[[nodiscard]] std::string to_text(std::chrono::seconds duration);

/// Turns wall-clock stamps into UTC. Cheap while stamps stay between two changes of the zone's offset.
class TimeZone {
 public:
  /// UTC.
  TimeZone();
  ~TimeZone();
  TimeZone(const TimeZone&);
  TimeZone(TimeZone&&) noexcept;
  TimeZone& operator=(const TimeZone&);
  TimeZone& operator=(TimeZone&&) noexcept;

  /// "UTC", "Z", "+02:00", or an IANA name ("Europe/Stockholm"); an unknown name is an error that says so.
  [[nodiscard]] static Result<TimeZone> find(std::string_view name);
  /// This machine's zone: $TZ, else /etc/localtime, else UTC.
  [[nodiscard]] static TimeZone local();

  /// UTC of a wall-clock stamp. Twice-told hours (clocks set back): the reading that is not before `not_before`, the
  /// earlier one where both are or none is given. A skipped hour is read with the offset before the change.
  [[nodiscard]] Instant to_utc(LocalInstant local, std::optional<Instant> not_before = std::nullopt) const;
  /// What the wall clock shows at that moment.
  [[nodiscard]] LocalInstant to_local(Instant time) const;
  [[nodiscard]] const std::string& name() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
