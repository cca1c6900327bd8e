// See syslog_framing.h. A length is believed at the start of a connection only with "<" behind it, which every syslog
// message begins with (RFC 3164 4.1.1, RFC 5424 6): "1764000000 host ..." is a line.
#include "sources/syslog_framing.h"

#include <algorithm>
#include <charconv>

#include "sources/source.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostDigits = 8;    // longer lengths are none
constexpr std::size_t kKept = 4U << 10U;  // of the buffer, between two messages

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string_view to_line(char* text, std::size_t size) {
  const auto ends = [](char c) { return c == '\n' || c == '\r' || c == '\0' || c == ' '; };
  while (size > 0 && ends(text[size - 1])) --size;
  std::replace(text, text + size, '\n', ' ');
  return {text, size};
}

void SyslogFraming::keep(std::string_view part) {
  const std::size_t room = kMaxLine - text_.size();
  text_.append(part.substr(0, room));
  over_ = over_ || part.size() > room;
}

void SyslogFraming::forget() {
  text_.clear();
  if (text_.capacity() > kKept) text_.shrink_to_fit();
  given_ = over_ = false;
}

std::optional<SyslogMessage> SyslogFraming::give(bool cut) {
  given_ = true;
  const std::string_view line = to_line(text_.data(), text_.size());
  if (line.empty()) return std::nullopt;
  return SyslogMessage{line, cut || over_};
}

void SyslogFraming::decide(std::string_view& bytes) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    const bool length_told = text_.ends_with(' ');
    if (length_told && c == '<') {
      std::from_chars(text_.data(), text_.data() + text_.size() - 1, left_);
      forget();
      mode_ = Mode::counted;
      return;
    }
    const bool digit = is_digit(c) && text_.size() < kMostDigits && !(text_.empty() && c == '0');
    if (length_told || (!digit && (c != ' ' || text_.empty()))) {
      mode_ = Mode::line;  // text_ is its beginning
      return;
    }
    text_ += c;
    bytes.remove_prefix(1);
  }
}

void SyslogFraming::read_length(std::string_view& bytes) {
  while (!bytes.empty()) {
    const char c = bytes.front();
    const bool between = text_.empty() && (c == '\n' || c == '\r');  // some senders end counted messages by them too
    if (c == ' ' && !text_.empty()) {
      std::from_chars(text_.data(), text_.data() + text_.size(), left_);
      bytes.remove_prefix(1);
      forget();
      mode_ = Mode::counted;
      return;
    }
    if (!between) {
      if (!is_digit(c) || text_.size() == kMostDigits || (text_.empty() && c == '0')) {
        mode_ = Mode::broken;
        forget();
        return;
      }
      text_ += c;
    }
    bytes.remove_prefix(1);
  }
}

bool SyslogFraming::take_counted(std::string_view& bytes) {
  const std::size_t size = std::min(left_, bytes.size());
  keep(bytes.substr(0, size));
  bytes.remove_prefix(size);
  left_ -= size;
  return left_ == 0;
}

bool SyslogFraming::take_line(std::string_view& bytes) {
  const std::size_t end = nul_ends_ ? bytes.find_first_of(std::string_view("\n\0", 2)) : bytes.find('\n');
  keep(bytes.substr(0, end));
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  return end != std::string_view::npos;
}

std::optional<SyslogMessage> SyslogFraming::next(std::string_view& bytes) {
  while (true) {
    if (given_) forget();
    if (bytes.empty()) return std::nullopt;
    if (mode_ == Mode::undecided) decide(bytes);
    if (mode_ == Mode::length) read_length(bytes);
    bool whole = false;
    if (mode_ == Mode::counted) {
      whole = take_counted(bytes);
      if (whole) mode_ = Mode::length;
    } else if (mode_ == Mode::line) {
      whole = take_line(bytes);
    } else {
      return std::nullopt;
    }
    if (whole) {
      if (const auto message = give(false)) return message;
    } else if (bytes.empty()) {
      return std::nullopt;
    }
  }
}

std::optional<SyslogMessage> SyslogFraming::finish() {
  if (given_) forget();
  if (mode_ != Mode::counted && mode_ != Mode::line) return std::nullopt;
  return give(true);
}

}  // namespace tipstaff
