// The clock of one source: turns the stamps of its lines into UTC. It knows the source's time zone, finds the year of
// year-less stamps and follows it over New Year, and tells the two readings of an hour that a clock change repeats.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "base/time.h"
#include "detect/header.h"

namespace tipstaff {

class SourceClock {
 public:
  /// `zone` is that of stamps without one. The first year-less stamp takes `year`, or else the newest year that puts it
  /// no later than `newest` (the file's time; for a pipe: now) plus a day.
  SourceClock(TimeZone zone, std::optional<int> year, Instant newest);

  /// Must see every line, in order: a year-less stamp that falls by more than six months means the year has risen.
  void follow(const Header& header) {
    if (header.stamp_kind != StampKind::bsd) return;
    std::uint64_t day = 0;
    std::memcpy(&day, header.stamp.data(), 8);
    day &= 0xffffffffffffULL;  // its first six bytes
    if (day != day_text_) new_day(header, day);
  }

  /// The stamp in UTC; none where there is none or it names no moment.
  [[nodiscard]] std::optional<Instant> time_of(const Header& header);

 private:
  void new_day(const Header& header, std::uint64_t day_text);
  [[nodiscard]] Instant to_utc(LocalInstant local);

  TimeZone zone_;
  std::optional<int> year_;  // of the day seen last
  Instant newest_;
  std::uint64_t day_text_ = 0;
  std::uint64_t clock_text_ = 0;  // "HH:MM:SS" that gave last_; 0: none
  int day_of_year_ = 0;
  bool day_known_ = false;
  LocalInstant midnight_{};              // of the day seen last
  std::optional<Instant> midnight_utc_;  // the same, if no clock change falls on that day
  std::optional<Instant> last_;
};

}  // namespace tipstaff
