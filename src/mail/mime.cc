// Encoded words and bodies are built of whole UTF-8 characters and whole escapes, so no line and no word ends within one.
// A quoted-printable line never begins with a dot or with "From ": SMTP's dots and mbox's quoting find nothing to change.
#include "mail/mime.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tipstaff {
namespace {

constexpr std::string_view kBreak = "\r\n";
constexpr std::size_t kHeaderLine = 78;   // RFC 5322 2.1.1
constexpr std::size_t kEncodedWord = 75;  // RFC 2047 2
constexpr std::size_t kBodyLine = 76;     // RFC 2045 6.7, 6.8
constexpr std::size_t kLongestPlainWord = 60;
constexpr std::string_view kDigits = "0123456789ABCDEF";

bool is_plain(char c) { return c >= 0x20 && c < 0x7f; }

void add_escape(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '=';
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 0xFU];
}

// Bytes of the UTF-8 character that `text` begins with.
std::size_t character_length(std::string_view text) {
  std::size_t length = 1;
  while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80) ++length;
  return length;
}

// What a reader shows of a header's text, however he unfolds it, is the text itself.
bool can_stay(std::string_view value) {
  if (!std::ranges::all_of(value, is_plain) || value.contains("=?") || value.contains("  ")) return false;
  if (value.starts_with(' ') || value.ends_with(' ')) return false;
  std::size_t word = 0;
  for (const char c : value) {
    word = c == ' ' ? 0 : word + 1;
    if (word > kLongestPlainWord) return false;
  }
  return true;
}

// --- RFC 2047 ----------------------------------------------------------------------------------------------------------

// What may stand for itself in an encoded word of a phrase (5, rule 3); a space is written as _.
bool stays_in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!*+-/").contains(c);
}

std::string q_encoded(std::string_view character) {
  std::string out;
  for (const char c : character) {
    if (c == ' ') {
      out += '_';
    } else if (stays_in_word(c)) {
      out += c;
    } else {
      add_escape(out, c);
    }
  }
  return out;
}

constexpr std::string_view kWordEnd = "?=";

std::string q_words(std::string_view value, std::size_t column) {
  constexpr std::string_view kBegin = "=?utf-8?Q?";
  std::string out(kBegin);
  std::size_t length = column + kBegin.size();
  while (!value.empty()) {
    const std::string_view character = value.substr(0, character_length(value));
    value.remove_prefix(character.size());
    const std::string encoded = q_encoded(character);
    if (length + encoded.size() + kWordEnd.size() > kEncodedWord) {
      out.append(kWordEnd).append("\r\n ").append(kBegin);
      length = 1 + kBegin.size();
    }
    out += encoded;
    length += encoded.size();
  }
  return out.append(kWordEnd);
}

std::string b_words(std::string_view value, std::size_t column) {
  constexpr std::string_view kBegin = "=?utf-8?B?";
  std::string out;
  std::string chunk;
  const auto finish = [&] {
    if (!out.empty()) out += "\r\n ";
    out.append(kBegin).append(base64(chunk)).append(kWordEnd);
    chunk.clear();
    column = 1;
  };
  while (!value.empty()) {
    const std::string_view character = value.substr(0, character_length(value));
    value.remove_prefix(character.size());
    const std::size_t room = (kEncodedWord - kBegin.size() - kWordEnd.size() - column) / 4 * 3;
    if (chunk.size() + character.size() > room) finish();
    chunk += character;
  }
  finish();
  return out;
}

std::string encoded_words(std::string_view value, std::size_t column) {
  std::string q = q_words(value, column);
  std::string b = b_words(value, column);
  return q.size() <= b.size() ? q : b;
}

// --- bodies ------------------------------------------------------------------------------------------------------------

std::string quoted_printable(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      out += kBreak;
      column = 0;
      continue;
    }
    const bool last = i + 1 == text.size() || text[i + 1] == '\n';
    // one byte of the line is kept for the soft break, unless the line ends here
    const auto fits = [&](std::size_t length) { return column + length <= (last ? kBodyLine : kBodyLine - 1); };
    const bool space = c == ' ' || c == '\t';
    bool escape = space ? last : (!is_plain(c) || c == '=');
    if (!fits(escape ? 3 : 1)) {
      out.append("=").append(kBreak);
      column = 0;
    }
    if (column == 0 && (c == '.' || (c == 'F' && text.substr(i).starts_with("From ")))) escape = true;
    if (escape) {
      add_escape(out, c);
    } else {
      out += c;
    }
    column += escape ? 3 : 1;
  }
  return out;
}

std::string base64_lines(std::string_view text) {
  std::string canonical;
  canonical.reserve(text.size() + text.size() / 16);
  for (const char c : text) {
    if (c == '\n') canonical += '\r';
    canonical += c;
  }
  const std::string encoded = base64(canonical);
  std::string out;
  out.reserve(encoded.size() + encoded.size() / 32);
  for (std::size_t at = 0; at < encoded.size(); at += kBodyLine) {
    out.append(std::string_view(encoded).substr(at, kBodyLine)).append(kBreak);
  }
  return out;
}

}  // namespace

std::string header_line(std::string_view name, std::string_view value) {
  std::string out(name);
  out += ':';
  if (value.empty()) return out.append(kBreak);
  out += ' ';
  if (!can_stay(value)) return out.append(encoded_words(value, out.size())).append(kBreak);
  std::size_t column = out.size();
  for (bool first = true; !value.empty(); first = false) {
    const std::string_view word = value.substr(0, value.find(' '));
    value.remove_prefix(std::min(value.size(), word.size() + 1));
    if (!first) {
      const bool fold = column + 1 + word.size() > kHeaderLine;
      out += fold ? "\r\n " : " ";
      column = fold ? 1 : column + 1;
    }
    out += word;
    column += word.size();
  }
  return out.append(kBreak);
}

std::string phrase(std::string_view name, std::size_t column) {
  if (!can_stay(name) || name.size() > kLongestPlainWord) return encoded_words(name, column);
  const auto stays = [](char c) { return c == ' ' || stays_in_word(c); };
  if (std::ranges::all_of(name, stays)) return std::string(name);
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  return column + out.size() > kHeaderLine ? encoded_words(name, column) : out;
}

std::string body_part(std::string_view subtype, std::string_view text) {
  std::string with_end(text);
  if (!with_end.ends_with('\n')) with_end += '\n';
  const std::string quoted = quoted_printable(with_end);
  const std::string encoded = base64_lines(with_end);
  const bool shorter = encoded.size() < quoted.size();
  std::string out = "Content-Type: text/";
  out.append(subtype).append("; charset=utf-8\r\nContent-Transfer-Encoding: ");
  out.append(shorter ? "base64" : "quoted-printable").append("\r\n\r\n");
  return out.append(shorter ? encoded : quoted);
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8U | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) out += i <= group.size() ? kAlphabet[bits >> (18 - 6 * i) & 0x3FU] : '=';
  }
  return out;
}

}  // namespace tipstaff
