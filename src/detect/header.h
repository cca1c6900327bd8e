// Splits a log line into stamp, host, program, process number and message, whatever wrote it: BSD syslog (RFC 3164),
// RFC 5424, ISO stamps, journalctl's text, metalog, TAI64N, Docker json-file, CRI, and logs without a program name
// (web servers, vsftpd). Nothing is copied; the views point into the line (or, for JSON, into the scratch buffer).
// What the parts mean is not decided here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tipstaff {

/// What kind of log a line without a program name comes from; syslog: the program is named.
enum class Layout : std::uint8_t { none, syslog, access, apache_error, nginx_error, ctime };

/// How the stamp is written; see stamp.cc.
enum class StampKind : std::uint8_t {
  none,
  bsd,       ///< "Nov  5 03:04:05", no year
  iso,       ///< "2026-11-05T03:04:05.123456+01:00", many variants
  slash,     ///< "2026/11/05 03:04:05"
  calendar,  ///< "Wed Nov  5 03:04:05.123456 2026" (ctime, Apache) or "Nov  5 2026 03:04:05"
  clf,       ///< "05/Nov/2026:03:04:05 +0100"
  tai64n,    ///< "@4000000052f1..."
  epoch,     ///< seconds since 1970, perhaps with a fraction
};

[[nodiscard]] std::string_view to_text(Layout layout);
[[nodiscard]] std::string_view to_text(StampKind kind);

struct Header {
  StampKind stamp_kind = StampKind::none;
  Layout layout = Layout::none;
  bool contained = false;  ///< came out of a container's log (Docker json-file, CRI)
  std::uint32_t pid = 0;   ///< 0: none
  std::string_view stamp;
  std::string_view host;          ///< empty: none
  std::string_view program;       ///< empty: none
  std::string_view message;       ///< behind the program's name; without blanks at either end
  std::string_view from_program;  ///< the same from the program's name on
};

/// Splits one line (without its line feed). `scratch` holds the unescaped text of a JSON line.
[[nodiscard]] Header split_header(std::string_view line, std::string& scratch);

/// Whether the text can only be a program's name where one may stand in a header.
[[nodiscard]] bool is_program_name(std::string_view text);

}  // namespace tipstaff
