// Tells text logs from files that only look like logs to whoever names /var/log/*: databases, journals, archives. A
// wrong refusal would hide attacks, so only known magic bytes and a heavy share of NUL bytes count.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tipstaff {

/// Bytes of a file's beginning that why_no_text looks at.
inline constexpr std::size_t kTextHead = 4096;

/// The sentence that says what these first bytes (unpacked, at most kTextHead count) are instead of text, and what to
/// do; none: text. `name` is the file's path for the advice, "-" for standard input.
[[nodiscard]] std::optional<std::string> why_no_text(std::string_view head, const std::string& name);

}  // namespace tipstaff
