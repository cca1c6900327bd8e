// Every field passes through printable() before it is written, so that what follows deals with valid UTF-8 without
// controls, and nothing that stands in a field can end a line. The boundary of a multipart begins with "=_", which
// neither quoted-printable nor base64 can write, so no body holds it.
#include "mail/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>

#include "base/text.h"
#include "mail/mime.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostOwnHeaders = 20;
constexpr std::size_t kLongestOwnName = 25;
constexpr std::string_view kOwn = "X-Tipstaff-";

std::unexpected<Error> wrong(std::string text) { return fail(ErrorKind::invalid, std::move(text)); }

// At most kLongestSubject bytes, whole characters, "…" where something was cut off.
std::string cut(std::string text) {
  if (text.size() <= kLongestSubject) return text;
  constexpr std::string_view kEllipsis = "\u2026";
  std::size_t end = kLongestSubject - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) --end;
  text.resize(end);
  return text.append(kEllipsis);
}

// Line breaks become LF, tabs stay, everything else as printable() has it.
std::string clean_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("\n\t");
    std::string_view piece = text.substr(0, end);
    const bool found = end != std::string_view::npos;
    if (found && text[end] == '\n' && piece.ends_with('\r')) piece.remove_suffix(1);
    out += printable(piece);
    if (!found) break;
    out += text[end];
    text.remove_prefix(end + 1);
  }
  return out;
}

// RFC 5322 3.3, in UTC.
Result<std::string> date_text(Instant time) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  const int year = static_cast<int>(date.year());
  if (year < 1900 || year > 9999) return wrong(fmt::format("a mail cannot be dated in the year {}", year));
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[std::chrono::weekday(day).c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1], year,
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string mailbox(const MailAddress& one, std::size_t column) {
  if (one.name.empty()) return one.address;
  const std::string name = phrase(one.name, column);
  const bool one_line = !name.contains('\r') && column + name.size() + one.address.size() + 4 <= 78;
  return fmt::format("{}{}<{}>", name, one_line ? " " : "\r\n ", one.address);
}

// "From: a mailbox" or "To: one or more", each on a line of its own.
Result<std::string> mailboxes(std::string_view name, const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& text : all) {
    const auto one = parse_mail_address(text);
    if (!one) return std::unexpected(one.error());
    out += out.empty() ? fmt::format("{}: ", name) : ",\r\n ";
    out += mailbox(*one, name.size() + 2);
  }
  return out + "\r\n";
}

bool is_message_id(std::string_view id) {
  return id.size() <= 250 && std::ranges::count(id, '@') == 1 &&
         make_message_id(id.substr(0, id.find('@')), id.substr(id.find('@') + 1)) == id;
}

Result<std::string> own_headers(const std::vector<std::pair<std::string, std::string>>& own) {
  if (own.size() > kMostOwnHeaders) return wrong(fmt::format("{} headers of our own are too many", own.size()));
  std::string out;
  for (auto one = own.begin(); one != own.end(); ++one) {
    const auto fits = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    const auto same = [&](const auto& other) { return other.first == one->first; };
    if (one->first.empty() || one->first.size() > kLongestOwnName || !std::ranges::all_of(one->first, fits) ||
        std::any_of(own.begin(), one, same)) {
      return wrong(fmt::format("\"{}\" cannot name a header", printable(one->first)));
    }
    out += header_line(fmt::format("{}{}", kOwn, one->first), cut(printable(one->second)));
  }
  return out;
}

// The same for the same mail, so that composing twice gives the same bytes.
std::string boundary(std::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("=_tipstaff_{:016x}", hash);
}

}  // namespace

Result<std::string> compose(const MailMessage& message) {
  if (message.to.empty() || message.to.size() > kMostMailRecipients) {
    return wrong(fmt::format("a mail goes to 1 to {} addresses, not to {}", kMostMailRecipients, message.to.size()));
  }
  for (const std::string* part : {&message.text, &message.html}) {
    if (part->size() > kLargestMailPart) return wrong(fmt::format("{} bytes are too many for a mail", part->size()));
  }
  if (!is_message_id(message.message_id)) {
    return wrong(fmt::format("\"{}\" is no Message-ID", printable(message.message_id.substr(0, 100))));
  }
  const auto date = date_text(message.date);
  if (!date) return date;
  const auto from = mailboxes("From", {message.from});
  if (!from) return from;
  const auto to = mailboxes("To", message.to);
  if (!to) return to;
  const auto own = own_headers(message.own);
  if (!own) return own;

  std::string out = fmt::format("Date: {}\r\n{}{}", *date, *from, *to);
  out += header_line("Subject", cut(printable(message.subject)));
  out += fmt::format("Message-ID: <{}>\r\nAuto-Submitted: auto-generated\r\n{}MIME-Version: 1.0\r\n",
                     message.message_id, *own);
  const std::string text = body_part("plain", clean_lines(message.text));
  if (message.html.empty()) return out + text;
  const std::string mark = boundary(message.message_id);
  out += fmt::format("Content-Type: multipart/alternative;\r\n boundary=\"{0}\"\r\n\r\n--{0}\r\n{1}\r\n--{0}\r\n", mark,
                     text);
  out += body_part("html", clean_lines(message.html));
  return out + fmt::format("\r\n--{}--\r\n", mark);
}

}  // namespace tipstaff
