// Addresses as people write them in settings. RFC 5321 4.1.2 alone is accepted, without its quoted local parts: no
// mailbox of ours needs them, and programs between here and there disagree on them.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "mail/message.h"

namespace tipstaff {
namespace {

constexpr std::size_t kLongestName = 200;  // bytes of a display name

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_atom_byte(char c) { return is_letter_or_digit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c); }

// Parts of at least one byte, parted by dots, each as `good` says.
template <class Good>
bool are_dotted(std::string_view text, Good good) {
  while (true) {
    const std::size_t dot = text.find('.');
    if (!good(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_atom(std::string_view part) { return !part.empty() && std::ranges::all_of(part, is_atom_byte); }

bool is_label(std::string_view part) {
  return !part.empty() && part.size() <= 63 && part.front() != '-' && part.back() != '-' &&
         std::ranges::all_of(part, [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The content of a quoted string; what is behind a backslash stands for itself.
std::string unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

std::string_view beginning(std::string_view text, std::size_t most) { return text.substr(0, most); }

}  // namespace

bool is_mail_address(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return false;
  const std::string_view local = text.substr(0, at);
  const std::string_view domain = text.substr(at + 1);
  return local.size() <= 64 && domain.size() <= 255 && text.size() <= 254 && are_dotted(local, is_atom) &&
         are_dotted(domain, is_label);
}

Result<MailAddress> parse_mail_address(std::string_view text) {
  const std::string_view whole = trimmed(text);
  MailAddress parsed;
  std::string_view address = whole;
  if (whole.ends_with('>')) {
    const std::size_t open = whole.rfind('<');
    if (open == std::string_view::npos) address = {};
    if (open != std::string_view::npos) {
      address = whole.substr(open + 1, whole.size() - open - 2);
      const std::string_view name = trimmed(whole.substr(0, open));
      const bool quoted = name.size() >= 2 && name.front() == '"' && name.back() == '"';
      parsed.name = printable(quoted ? unquoted(name) : name);
    }
  }
  parsed.address = address;
  if (!is_mail_address(parsed.address) || parsed.name.size() > kLongestName) {
    return fail(ErrorKind::invalid,
                fmt::format("\"{}\" is no mail address; write it as \"admin@example.com\" or \"Admin "
                            "<admin@example.com>\" (a domain with other letters in its xn-- form)",
                            printable(beginning(text, 100))));
  }
  return parsed;
}

std::string make_message_id(std::string_view unique, std::string_view host) {
  constexpr std::size_t kMost = 100;
  const auto fit = [](std::string_view text, std::string_view otherwise) {
    std::string out;
    for (const char c : beginning(text, kMost)) {
      const bool dot = c == '.' && !out.empty() && out.back() != '.';
      // fewer than RFC 5322 lets stand: some readers would decode "=?...?=" here as well
      out += dot || is_letter_or_digit(c) || c == '_' || c == '+' ? c : '-';
    }
    if (out.ends_with('.')) out.back() = '-';
    return out.empty() ? std::string(otherwise) : out;
  };
  return fit(unique, "0") + "@" + fit(host, "localhost");
}

}  // namespace tipstaff
