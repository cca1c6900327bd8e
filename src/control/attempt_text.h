// Attempts as people and programs read them: one line of text, or one JSON object (docs/formats/scan.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "detect/attempt.h"

namespace tipstaff {

/// One JSON object without line feed. Texts that are no UTF-8 have U+FFFD in the place of what is wrong.
[[nodiscard]] std::string to_json(const Attempt& attempt, std::string_view file);

/// One line without line feed, safe for a terminal.
[[nodiscard]] std::string to_text_line(const Attempt& attempt);

/// A number over all fields; the sum over attempts does not depend on their order. The file's name is not in it: a log
/// has the same sum plain, compressed and from standard input.
[[nodiscard]] std::uint64_t checksum_of(const Attempt& attempt);

}  // namespace tipstaff
