// A mail as the program means it, and as it stands on the wire. Whatever strangers could put into a field (host names,
// account names, PTR names) can never begin a header, end one or end the mail: controls become visible escapes before
// anything is written, and what is not plain ASCII is encoded. Nothing here sends, and nothing knows what a mail is about.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// A mailbox: what is shown, and what SMTP uses.
struct MailAddress {
  std::string name;     ///< for people; may be empty
  std::string address;  ///< local-part@domain
  bool operator==(const MailAddress&) const = default;
};

/// True for local-part@domain as RFC 5321 4.1.2 writes it: a dot-string of at most 64 bytes, a domain of letters, digits
/// and hyphens of at most 255 bytes (one label will do: root@localhost). No quoted local parts, no address literals, no
/// SMTPUTF8: a domain with other letters is written in its xn-- form.
[[nodiscard]] bool is_mail_address(std::string_view text);
/// "local@domain", "<local@domain>", "Name <local@domain>" or "\"Na, me\" <local@domain>". Errors: invalid.
[[nodiscard]] Result<MailAddress> parse_mail_address(std::string_view text);

struct MailMessage {
  std::string from;             ///< as parse_mail_address() takes it
  std::vector<std::string> to;  ///< the same, 1 to kMostMailRecipients
  std::string subject;          ///< cut to kLongestSubject
  std::string text;             ///< lines end with LF or CRLF
  std::string html;             ///< the same as HTML; may be empty
  std::string message_id;       ///< unique@host, as make_message_id() gives it
  Instant date{};
  std::vector<std::pair<std::string, std::string>> own;  ///< further headers; "Class" is written as X-Tipstaff-Class
};

inline constexpr std::size_t kMostMailRecipients = 50;
inline constexpr std::size_t kLongestSubject = 400;        ///< bytes, after escapes
inline constexpr std::size_t kLargestMailPart = 8U << 20;  ///< bytes, of text and of html

/// The mail as RFC 5322 writes it: CRLF, ASCII alone, lines of at most 76 bytes in the body and 78 in the header (a long
/// address stands alone on a longer one), UTF-8 in MIME's encodings, multipart/alternative where there is html.
/// Auto-Submitted says that no auto-reply is wanted (RFC 3834). Line breaks and tabs of text and html stay; all other
/// controls, broken UTF-8 and characters that turn the direction of writing become visible escapes (printable()), in
/// headers line breaks too. Errors: invalid (an address, the id, a header's name, a date outside of 1900 to 9999, a part
/// beyond kLargestMailPart).
[[nodiscard]] Result<std::string> compose(const MailMessage& message);

/// "unique@host", whatever stands in both: all but letters, digits, _ + - and single dots becomes '-'.
[[nodiscard]] std::string make_message_id(std::string_view unique, std::string_view host);

}  // namespace tipstaff
