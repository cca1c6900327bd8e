// How an alert reads: the subject and the text of a mail, and JSON for a webhook. Whatever strangers wrote (account names,
// DNS names, host names of logs) goes through printable() or JSON's own escapes, so nobody can put a line, a header or a
// command into it. The layout is kept by golden tests.
#pragma once

#include <string>
#include <vector>

#include "alert/alert.h"
#include "base/time.h"

namespace tipstaff {

/// One line, printable.
[[nodiscard]] std::string alert_subject(const Alert& alert, const TimeZone& zone);
/// Lines ended by '\n'. Times are of `zone`, which is named.
[[nodiscard]] std::string alert_text(const Alert& alert, const TimeZone& zone);
/// One object; times are RFC 3339, UTC.
[[nodiscard]] std::string alert_json(const Alert& alert);

/// Several alerts that came too fast to be mailed one by one: a line for each of the first kMostInBurst, and how many there
/// are in all.
inline constexpr std::size_t kMostInBurst = 50;
[[nodiscard]] std::string burst_text(const std::vector<Alert>& alerts, std::size_t all, const TimeZone& zone);
[[nodiscard]] std::string burst_json(const std::vector<Alert>& alerts, std::size_t all);

/// "2013-05-07 12:27:18 UTC".
[[nodiscard]] std::string moment_text(Instant at, const TimeZone& zone);
/// "00:30:00", and "1d 02:00:00" beyond a day.
[[nodiscard]] std::string clock_text(std::chrono::seconds length);

}  // namespace tipstaff
