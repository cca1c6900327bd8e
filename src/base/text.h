// Bytes of strangers, made fit for people and for JSON. Log lines are bytes: they may hold broken UTF-8, NUL bytes and
// terminal commands. Inside the program they stay as they are; these functions stand at its exits and in its settings.
// Nothing here knows locales: case is ASCII case, a character is a code point.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tipstaff {

/// True where the pattern covers the whole text: `*` any run of bytes, `?` one byte, else the byte itself. At most
/// pattern.size() * text.size() steps, no recursion, no allocation.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

/// Valid UTF-8: each ill-formed piece becomes one U+FFFD (Unicode 15, 3.9, "maximal subpart"). NUL and control
/// characters stay: whoever writes JSON escapes them.
[[nodiscard]] std::string to_utf8(std::string_view bytes);

/// What a terminal may show: control characters (C0, DEL, C1), bytes that are no UTF-8, and the characters that turn
/// the direction of writing become \n, \r, \t, \xNN or \u{NNNN}. A backslash stays (DOMAIN\name), so this is for
/// reading, not for reading back.
[[nodiscard]] std::string printable(std::string_view bytes);

/// A stranger's words as HTML text or attribute value: & < > " ' as references, controls as in printable().
[[nodiscard]] std::string escape_html(std::string_view text);

/// The candidate that was probably meant by `word`, for "did you mean": fewest edits (insert, delete, replace, swap
/// neighbours; case does not count), at most one edit for each three bytes, the first of equals. Empty: none is near.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace tipstaff
