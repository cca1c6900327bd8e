// Moments as administrators write them on the command line: a stamp, a day, or how long ago.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// "2013-05-07T10:27:18Z" and other RFC 3339 times; "2013-05-07[ HH:MM[:SS]]" on the clock of `zone`, where a day alone
/// is its first moment; a duration back from `now`, such as "2d" or "1h30m". Errors: invalid.
[[nodiscard]] Result<Instant> parse_moment(std::string_view text, const TimeZone& zone, Instant now);

/// "2013-05-07 10:27:18" on the zone's clock; the fraction is cut off.
[[nodiscard]] std::string to_clock_text(Instant time, const TimeZone& zone);

}  // namespace tipstaff
