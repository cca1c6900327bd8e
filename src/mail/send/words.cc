// See words.h. A reply is kept as it came, but bounded, and becomes words only when somebody wants to read it: secrets are
// struck out of the bytes before escapes could take them apart.
#include "mail/send/words.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/address.h"
#include "base/text.h"
#include "mail/mime.h"

namespace tipstaff {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_end(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// The longest end of `text` that is a beginning of `secret`, in bytes.
std::size_t overlap(std::string_view text, std::string_view secret) {
  for (std::size_t size = std::min(text.size(), secret.size()); size > 0; --size) {
    if (text.ends_with(secret.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

SmtpStage stage_of(std::string_view command, SmtpStage before) {
  struct Known {
    std::string_view word;
    SmtpStage stage;
  };
  constexpr std::array kKnown = {
      Known{"EHLO", SmtpStage::hello}, Known{"HELO", SmtpStage::hello}, Known{"STARTTLS", SmtpStage::starttls},
      Known{"AUTH", SmtpStage::login}, Known{"MAIL", SmtpStage::mail},  Known{"RCPT", SmtpStage::recipient},
      Known{"DATA", SmtpStage::data},  Known{"QUIT", SmtpStage::quit},
  };
  if (before == SmtpStage::login && !command.starts_with("MAIL FROM:")) return before;  // a user's name can be "DATA"
  const std::string_view word = command.substr(0, command.find_first_of(" \r\n"));
  const auto known = std::ranges::find(kKnown, word, &Known::word);
  return known == kKnown.end() ? before : known->stage;
}

void SmtpReply::add(std::string_view line) {
  line = without_end(line);
  const bool numbered = line.size() >= 3 && is_digit(line[0]) && is_digit(line[1]) && is_digit(line[2]);
  const bool last = numbered && (line.size() == 3 || line[3] == ' ');
  code_ = last ? static_cast<unsigned>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0')) : 0;
  if (!text_.empty() && text_.size() < kMostHeld) text_ += ' ';
  const std::string_view fits = line.substr(0, kMostHeld - std::min(kMostHeld, text_.size()));
  text_ += fits;
  cut_ = cut_ || fits.size() < line.size();
}

void SmtpReply::clear() {
  text_.clear();
  code_ = 0;
  cut_ = false;
}

bool asks_for_login(unsigned code) { return code == 530 || code == 534 || code == 535 || code == 538; }

Delivery meaning_of(SmtpStage stage, unsigned code) {
  if (stage == SmtpStage::body && code / 100 == 2) return Delivery::sent;
  const bool of_the_mail =
      stage == SmtpStage::mail || stage == SmtpStage::recipient || stage == SmtpStage::data || stage == SmtpStage::body;
  return of_the_mail && code / 100 == 5 && !asks_for_login(code) ? Delivery::refused : Delivery::later;
}

Delivery meaning_of_status(long status) {
  if (status >= 200 && status < 300) return Delivery::sent;
  constexpr std::array kRefused = {400L, 413L, 414L, 415L, 422L, 431L};
  return std::ranges::find(kRefused, status) == kRefused.end() ? Delivery::later : Delivery::refused;
}

Secrets::Secrets(std::string_view user, std::string_view password) {
  if (password.empty()) return;
  std::string plain(1, '\0');
  plain.append(user).append(1, '\0').append(password);
  all_ = {base64(plain), base64(password), std::string(password)};
  std::ranges::sort(all_, [](const std::string& a, const std::string& b) { return a.size() > b.size(); });
}

std::string Secrets::struck_out(std::string_view text, bool cut) const {
  std::string out(text);
  for (const std::string& secret : all_) {
    std::string rest;
    std::size_t from = 0;
    for (std::size_t at = 0; (at = out.find(secret, from)) != std::string::npos; from = at + secret.size()) {
      rest.append(out, from, at - from).append("***");
    }
    out = rest.append(out, from);
  }
  if (!cut) return out;
  std::size_t most = 0;
  for (const std::string& secret : all_) most = std::max(most, overlap(out, secret));
  out.resize(out.size() - most);
  return out;
}

std::string one_line(std::string_view text, std::size_t most) {
  std::string spaced;
  for (const char c : text.substr(0, most * 4)) {
    const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!space) spaced += c;
    if (space && !spaced.empty() && spaced.back() != ' ') spaced += ' ';
  }
  if (spaced.ends_with(' ')) spaced.pop_back();
  std::string shown = printable(spaced);
  if (shown.size() <= most) return shown;
  std::size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0U) == 0x80) --end;
  shown.resize(end);
  return shown + "...";
}

bool is_this_machine(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  constexpr std::string_view kName = "localhost";
  if (std::ranges::equal(host, kName,
                         [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; })) {
    return true;
  }
  const auto address = IpAddress::parse(host);
  // as written: resolvers take 0127.0.0.1 for another address
  return address && address->is_loopback() && address->to_string() == host;
}

}  // namespace tipstaff
