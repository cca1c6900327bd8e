// The common line is split in plain_line.cc. Everything rarer goes through split_slow(), which tries one form after the
// other. A field that the sender chooses (RFC 5424's structured data, the container's text) never decides where the
// program's name stands.
#include "detect/header.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstring>

#include "detect/plain_line.h"

namespace tipstaff {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

constexpr std::array<bool, 256> kProgramBytes = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const char letter = static_cast<char>(c);
    table[static_cast<std::size_t>(c)] = is_digit(letter) || is_upper(letter) || is_lower(letter) || letter == '_' ||
                                         letter == '.' || letter == '/' || letter == '-' || letter == '+' ||
                                         letter == '@';
  }
  return table;
}();

bool is_program_byte(char c) { return kProgramBytes[static_cast<unsigned char>(c)]; }

bool is_blank(char c) { return c == ' ' || c == '\r' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "auth.info", "local7.notice": a facility and level that some daemons write where a program could stand.
bool is_facility(std::string_view token) {
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view facility = token.substr(0, dot);
  const std::string_view level = token.substr(dot + 1);
  static constexpr std::array<std::string_view, 9> kFacilities = {"auth", "authpriv", "daemon",   "mail", "ftp",
                                                                  "user", "syslog",   "security", "cron"};
  static constexpr std::array<std::string_view, 11> kLevels = {"debug", "info", "notice", "warning", "warn", "err",
                                                               "error", "crit", "alert",  "emerg",   "panic"};
  bool known = facility.size() == 6 && facility.starts_with("local");
  for (const auto name : kFacilities) known = known || name == facility;
  if (!known) return false;
  for (const auto name : kLevels) {
    if (name == level) return true;
  }
  return false;
}

// The program at the front of `text`: NAME:, NAME[PID]:, NAME[PID] , NAME(SUB)[PID]:, NAME(SUB):, NAME(ANYTHING.
// Gives false where `text` does not begin so; a first word that is merely a word is not a program.
bool take_program(std::string_view text, Header& header) {
  std::size_t at = 0;
  while (at < text.size() && is_program_byte(text[at])) ++at;
  if (at == 0 || at == text.size()) return false;
  header.program = text.substr(0, at);
  header.pid = 0;
  std::size_t next = at;
  if (text[next] == '(') {  // "sshd(pam_unix)[17]:", "auth-worker(default):"
    const std::size_t close = text.find(')', next);
    const bool tag = close != std::string_view::npos && close - next < 32 && close + 1 < text.size() &&
                     (text[close + 1] == '[' || text[close + 1] == ':');
    if (!tag) {  // the service's own log: what follows the name belongs to the message
      header.from_program = trim(text);
      header.message = trim(text.substr(next));
      return true;
    }
    next = close + 1;
  }
  if (text[next] == '[') {
    std::uint64_t pid = 0;
    std::size_t digit = next + 1;
    while (digit < text.size() && digit - next < 12 && is_digit(text[digit]))
      pid = pid * 10 + static_cast<std::uint64_t>(text[digit++] - '0');
    if (digit == next + 1 || digit >= text.size() || text[digit] != ']') return false;
    header.pid = static_cast<std::uint32_t>(pid);
    next = digit + 1;
    if (next < text.size() && text[next] == ':') {
      ++next;
    } else if (next < text.size() && text[next] != ' ') {
      return false;
    }
  } else if (text[next] == ':' && (next + 1 == text.size() || text[next + 1] == ' ')) {
    ++next;
  } else {
    return false;
  }
  header.from_program = trim(text);
  header.message = trim(text.substr(next));
  if (header.message.starts_with("[ID ")) {  // Solaris' message number
    const std::size_t close = header.message.find("] ");
    if (close != std::string_view::npos && close < 48) header.message = trim(header.message.substr(close + 2));
  }
  return true;
}

// Length of an ISO stamp at the front, 0 for none: DATE(T| )TIME[(.|,)FRACTION][ ][Z|+HH:MM|+HHMM].
std::size_t iso_length(std::string_view line) {
  if (line.size() < 19 || line[4] != '-' || line[7] != '-' || (line[10] != 'T' && line[10] != ' ') || line[13] != ':' ||
      line[16] != ':')
    return 0;
  for (const std::size_t at : {0U, 1U, 2U, 3U, 5U, 6U, 8U, 9U, 11U, 12U, 14U, 15U, 17U, 18U}) {
    if (!is_digit(line[at])) return 0;
  }
  std::size_t at = 19;
  if (at + 1 < line.size() && (line[at] == '.' || line[at] == ',') && is_digit(line[at + 1])) {
    ++at;
    while (at < line.size() && is_digit(line[at])) ++at;
  }
  if (at < line.size() && line[at] == 'Z') return at + 1;
  if (at + 4 < line.size() && (line[at] == '+' || line[at] == '-') && is_digit(line[at + 1])) {
    ++at;
    while (at < line.size() && (is_digit(line[at]) || line[at] == ':')) ++at;
    if (line[at - 1] == ':') --at;
  }
  return at;
}

bool is_month(std::string_view text) {
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() < 3) return false;
  const std::size_t at = kMonths.find(text.substr(0, 3));
  return at != std::string_view::npos && at % 3 == 0;
}

// Length of "[Www ]Mon DD HH:MM:SS[.fraction] YYYY" or "[Www ]Mon DD YYYY HH:MM:SS", 0 for none.
std::size_t calendar_length(std::string_view line) {
  std::size_t at = 0;
  if (line.size() > 8 && line[3] == ' ' && is_month(line.substr(4))) at = 4;
  if (line.size() < at + 18 || !is_month(line.substr(at)) || line[at + 3] != ' ') return 0;
  at += 4;
  if (line[at] == ' ') ++at;
  std::size_t colons = 0;
  std::size_t blanks = 0;
  const std::size_t start = at;
  for (; at < line.size() && at - start < 26; ++at) {
    const char c = line[at];
    if (c == ':') {
      ++colons;
    } else if (c == ' ') {
      if (blanks == 2) break;
      ++blanks;
    } else if (!is_digit(c) && c != '.') {
      break;
    }
  }
  while (at > 0 && (line[at - 1] == ' ' || line[at - 1] == ':')) --at;
  return colons >= 2 && blanks == 2 ? at : 0;
}

// Everything behind the stamp: [facility] [host] program message.
void split_rest(std::string_view rest, Header& header, std::string& scratch, int depth);

void split_slow(std::string_view line, Header& header, std::string& scratch, int depth);

void split_rest(std::string_view rest, Header& header, std::string& scratch, int depth) {
  rest = trim(rest);
  header.layout = Layout::syslog;
  header.message = header.from_program = rest;
  for (int token = 0; token < 4; ++token) {
    Header attempt = header;
    if (take_program(rest, attempt)) {
      if (!is_facility(attempt.program)) {
        header = attempt;
        return;
      }
      // metalog: a second header may stand behind the facility; its stamp says less than the outer one
      Header inner;
      if (depth < 3) split_slow(attempt.message, inner, scratch, depth + 1);
      if (inner.program.empty()) {
        Header named = header;
        if (take_program(attempt.message, named) && named.pid != 0) {
          header = named;
        } else {
          header.message = header.from_program = attempt.message;
        }
        return;
      }
      inner.stamp_kind = header.stamp_kind;
      inner.stamp = header.stamp;
      if (inner.host.empty()) inner.host = header.host;
      header = inner;
      return;
    }
    const std::size_t blank = rest.find(' ');
    if (blank == std::string_view::npos || blank == 0 || blank > 255) return;
    if (token == 0 && !is_facility(rest.substr(0, blank))) header.host = rest.substr(0, blank);
    rest = trim(rest.substr(blank));
  }
}

// RFC 5424 6: VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG].
bool split_5424(std::string_view text, Header& header) {
  std::array<std::string_view, 6> part{};
  for (auto& word : part) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return false;
    word = text.substr(0, blank);
    text.remove_prefix(blank + 1);
  }
  std::size_t at = 0;
  if (text.starts_with('[')) {
    bool quoted = false;
    for (; at < text.size(); ++at) {
      if (quoted && text[at] == '\\') {
        ++at;
      } else if (text[at] == '"') {
        quoted = !quoted;
      } else if (!quoted && text[at] == ']' && (at + 1 == text.size() || text[at + 1] != '[')) {
        ++at;
        break;
      }
    }
  } else if (text.starts_with('-')) {
    at = 1;
  } else {
    return false;
  }
  const auto value = [](std::string_view word) { return word == "-" ? std::string_view() : word; };
  header.layout = Layout::syslog;
  if (iso_length(part[1]) != 0) {
    header.stamp_kind = StampKind::iso;
    header.stamp = part[1];
  }
  header.host = value(part[2]);
  header.program = value(part[3]);
  for (const char c : value(part[4]).substr(0, 10)) {
    if (is_digit(c)) header.pid = header.pid * 10 + static_cast<std::uint32_t>(c - '0');
  }
  std::string_view message = trim(text.substr(at < text.size() ? at : text.size()));
  if (message.starts_with("\xef\xbb\xbf")) message.remove_prefix(3);
  header.message = header.from_program = message;
  return true;
}

// Docker's json-file driver: {"log":"text\n","stream":"stdout","time":"2026-11-05T03:04:05.123456789Z"}.
bool split_docker(std::string_view line, Header& header, std::string& scratch, int depth) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(boost::json::string_view(line.data(), line.size()), error);
  if (error || !value.is_object()) return false;
  const auto* log = value.as_object().if_contains("log");
  const auto* time = value.as_object().if_contains("time");
  if (log == nullptr || !log->is_string() || time == nullptr || !time->is_string()) return false;
  scratch.assign(time->as_string().c_str(), time->as_string().size());
  const std::size_t stamp = scratch.size();
  scratch.append(log->as_string().c_str(), log->as_string().size());
  while (scratch.size() > stamp && (scratch.back() == '\n' || scratch.back() == '\r')) scratch.pop_back();
  const std::string_view all = scratch;
  std::string unused;
  Header inner;
  split_slow(all.substr(stamp), inner, unused, depth + 1);
  if (inner.layout == Layout::none) inner.message = inner.from_program = trim(all.substr(stamp));
  inner.contained = true;
  if (iso_length(all.substr(0, stamp)) == stamp) {
    inner.stamp_kind = StampKind::iso;
    inner.stamp = all.substr(0, stamp);
  }
  header = inner;
  return true;
}

// "1.2.3.4 - - [05/Nov/2026:03:04:05 +0100] ..." with whatever stands before the bracket.
bool split_access(std::string_view line, Header& header) {
  std::size_t at = 0;
  const std::string_view head = line.substr(0, 1024);
  while ((at = head.find(" [", at)) != std::string_view::npos) {
    const std::string_view stamp = line.substr(at + 2);
    if (stamp.size() > 22 && stamp[2] == '/' && stamp[6] == '/' && stamp[11] == ':' && is_month(stamp.substr(3))) {
      const std::size_t close = stamp.find(']');
      if (close == std::string_view::npos || close > 32) return false;
      header.layout = Layout::access;
      header.stamp_kind = StampKind::clf;
      header.stamp = stamp.substr(0, close);
      header.message = header.from_program = line;
      return true;
    }
    at += 2;
  }
  return false;
}

void split_slow(std::string_view line, Header& header, std::string& scratch, int depth) {
  if (depth > 3 || line.empty()) return;
  const auto behind = [&](StampKind kind, std::string_view stamp, std::size_t at) {
    header.stamp_kind = kind;
    header.stamp = stamp;
    return line.substr(at);
  };
  if (line[0] == '<') {  // syslog's <PRI>
    const std::size_t close = line.find('>');
    if (close != std::string_view::npos && close >= 2 && close <= 4) {
      const std::string_view rest = line.substr(close + 1);
      if (!rest.empty() && is_digit(rest[0]) && rest.size() > 2 && rest[1] == ' ' && split_5424(rest, header)) return;
      split_slow(rest, header, scratch, depth + 1);
      return;
    }
  }
  if (line.starts_with("{\"log\":") && split_docker(line, header, scratch, depth)) return;
  if (line[0] == '[') {
    const std::size_t close = line.find(']');
    const std::size_t length = close == std::string_view::npos ? 0 : calendar_length(line.substr(1));
    if (length != 0 && length + 1 == close) {
      const std::string_view rest = behind(StampKind::calendar, line.substr(1, length), close + 1);
      header.layout = Layout::apache_error;
      header.message = header.from_program = trim(rest);
      return;
    }
  }
  if (looks_like_bsd(line)) {
    const std::size_t dated = calendar_length(line);
    const bool year = dated == 20 && line.size() > 20 && line[20] == ' ' && is_digit(line[16]) && is_digit(line[17]) &&
                      is_digit(line[18]) && is_digit(line[19]);
    if (year) {  // "Nov  5 03:04:05 2026 ..."
      split_rest(behind(StampKind::calendar, line.substr(0, dated), dated), header, scratch, depth);
    } else {
      split_rest(behind(StampKind::bsd, line.substr(0, 15), 16), header, scratch, depth);
    }
    return;
  }
  if (line.size() > 16 && is_month(line) && line[3] == ' ' && is_digit(line[4]) && line[5] == ' ' && line[8] == ':' &&
      line[11] == ':' && line[14] == ' ') {  // a day without padding: "Jun 7 01:10:56"
    split_rest(behind(StampKind::bsd, line.substr(0, 14), 15), header, scratch, depth);
    return;
  }
  if (const std::size_t length = iso_length(line); length != 0) {
    std::string_view rest = trim(behind(StampKind::iso, line.substr(0, length), length));
    for (const std::string_view stream : {"stdout F ", "stderr F ", "stdout P ", "stderr P "}) {  // CRI
      if (!rest.starts_with(stream)) continue;
      Header inner;
      split_slow(rest.substr(stream.size()), inner, scratch, depth + 1);
      if (inner.layout == Layout::none) inner.message = inner.from_program = trim(rest.substr(stream.size()));
      inner.stamp_kind = header.stamp_kind;
      inner.stamp = header.stamp;
      inner.contained = true;
      header = inner;
      return;
    }
    split_rest(rest, header, scratch, depth);
    return;
  }
  if (line.size() > 20 && line[4] == '/' && line[7] == '/' && line[10] == ' ' && line[13] == ':' && line[16] == ':' &&
      is_digit(line[0])) {
    const std::string_view rest = behind(StampKind::slash, line.substr(0, 19), 19);
    header.layout = Layout::nginx_error;
    header.message = header.from_program = trim(rest);
    return;
  }
  if (const std::size_t length = calendar_length(line); length != 0) {
    const std::string_view rest = trim(behind(StampKind::calendar, line.substr(0, length), length));
    if (line[3] == ' ' && is_month(line.substr(4))) {
      header.layout = Layout::ctime;
      header.message = header.from_program = rest;
    } else {
      split_rest(rest, header, scratch, depth);
    }
    return;
  }
  if (line[0] == '@' && line.size() > 26 && line[25] == ' ' && line.starts_with("@4000")) {
    split_rest(behind(StampKind::tai64n, line.substr(0, 25), 25), header, scratch, depth);
    return;
  }
  if (line.size() > 11 && is_digit(line[0]) && is_digit(line[9]) && (line[10] == ' ' || line[10] == '.')) {
    std::size_t end = 10;
    while (end < line.size() && (is_digit(line[end]) || line[end] == '.')) ++end;
    bool digits = true;
    for (std::size_t i = 0; i < 10; ++i) digits = digits && is_digit(line[i]);
    if (digits && end < line.size() && line[end] == ' ') {
      split_rest(behind(StampKind::epoch, line.substr(0, end), end), header, scratch, depth);
      return;
    }
  }
  if (split_access(line, header)) return;
  header.message = header.from_program = trim(line);
}

}  // namespace

bool is_program_name(std::string_view text) {
  return text.size() > 1 && std::ranges::all_of(text, is_program_byte) && !is_facility(text);
}

std::string_view to_text(Layout layout) {
  switch (layout) {
    case Layout::none:
      return "none";
    case Layout::syslog:
      return "syslog";
    case Layout::access:
      return "access";
    case Layout::apache_error:
      return "apache-error";
    case Layout::nginx_error:
      return "nginx-error";
    case Layout::ctime:
      return "ctime";
  }
  return "";
}

std::string_view to_text(StampKind kind) {
  switch (kind) {
    case StampKind::none:
      return "none";
    case StampKind::bsd:
      return "month, day, time";
    case StampKind::iso:
      return "ISO 8601";
    case StampKind::slash:
      return "year/month/day, time";
    case StampKind::calendar:
      return "month, day, time, year";
    case StampKind::clf:
      return "web access log";
    case StampKind::tai64n:
      return "TAI64N";
    case StampKind::epoch:
      return "seconds since 1970";
  }
  return "";
}

Header split_header(std::string_view line, std::string& scratch) {
  Header header;
  if (split_plain(line, header)) return header;
  split_slow(line, header, scratch, 0);
  return header;
}

}  // namespace tipstaff
