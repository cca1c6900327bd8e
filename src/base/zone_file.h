// One time zone as the system's tz database has it: a TZif file (RFC 8536), read into the moments at which the offset from
// UTC changes. The rule at the end of the file ("CET-1CEST,M3.5.0,M10.5.0/3") is written out to the year 2100, so that
// nobody else has to know of it; what comes later has the last offset. Abbreviations and the word "summer" are dropped,
// and so are changes that change no offset. Files with leap seconds are refused: a stamp is POSIX time here.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tipstaff {

class ZoneFile {
 public:
  /// A stretch of time with one offset from UTC (local minus UTC): `begin` belongs to it, `end` does not.
  struct Stretch {
    std::chrono::sys_seconds begin;
    std::chrono::sys_seconds end;
    std::chrono::seconds offset;
  };

  /// Reads the bytes of a TZif file, version 1 to 4.
  [[nodiscard]] static Result<ZoneFile> parse(std::string_view bytes);
  /// Reads the file of that path: not_found, unavailable, or what `parse` says.
  [[nodiscard]] static Result<ZoneFile> read(const std::string& path);

  /// The stretches follow each other without a gap and cover all of time: none is before the first, or behind the last.
  [[nodiscard]] const std::vector<Stretch>& stretches() const { return stretches_; }
  /// Index of the stretch in which a moment lies.
  [[nodiscard]] std::size_t index_at(std::chrono::sys_seconds time) const;

 private:
  void change(std::chrono::sys_seconds at, std::chrono::seconds offset);

  std::vector<Stretch> stretches_;
};

}  // namespace tipstaff
