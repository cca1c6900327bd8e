// Patterns that an administrator has written as regular expressions. RE2 alone: its time is linear in the line.
#pragma once

#include <string_view>

#include "detect/template.h"

namespace re2 {
class RE2;
}

namespace tipstaff {

/// Reads the whole message with the named groups address, port, account, extra; false where it does not fit. An address
/// on which the greedy and the reluctant reading differ is not believed.
[[nodiscard]] bool match_expression(const re2::RE2& expression, std::string_view message, Fields& fields);

}  // namespace tipstaff
