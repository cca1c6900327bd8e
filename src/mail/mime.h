// The encodings of MIME that a mail is written in: words of headers (RFC 2047), bodies (RFC 2045 6.7 and 6.8). All take
// valid UTF-8 without controls (what printable() gives, bodies with LF and tabs as well) and give ASCII; the time is linear.
#pragma once

#include <string>
#include <string_view>

namespace tipstaff {

/// "Name: value" and CRLF, folded at 78 bytes. Text that a reader could take for more than it is (not ASCII, "=?",
/// spaces that folding could change, words too long to fold) is written as encoded words. `name` has at most 40 bytes.
[[nodiscard]] std::string header_line(std::string_view name, std::string_view value);

/// A display name as a phrase (RFC 5322 3.2.5), for behind `column` bytes of the line: atoms, a quoted string or encoded
/// words.
[[nodiscard]] std::string phrase(std::string_view name, std::size_t column);

/// A body with its header lines Content-Type and Content-Transfer-Encoding and the empty line: quoted-printable, or
/// base64 where that is shorter. Each LF of `text` becomes CRLF, and one stands at the end. Content type: "plain", "html".
[[nodiscard]] std::string body_part(std::string_view subtype, std::string_view text);

/// RFC 4648 4, without line breaks.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace tipstaff
