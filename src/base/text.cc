// See text.h. The two exits share one UTF-8 decoder, which follows Unicode's table of well-formed byte sequences
// (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF (RFC 3629 section 3).
#include "base/text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kLongestWord = 64;  // a longer word is no spelling mistake

struct Decoded {
  char32_t code = 0;
  std::size_t length = 1;  // of the sequence, or of its ill-formed piece
  bool valid = false;
};

// The sequence that `bytes` (not empty) starts with.
Decoded decode(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4) return {};
  // Only the second byte's range depends on the first: that keeps out overlong forms, surrogates and too high values.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= bytes.size() || byte(i) < low || byte(i) > high) return {0, i, false};
    code = code << 6U | (byte(i) & 0x3FU);
    low = 0x80;
    high = 0xBF;
  }
  return {code, length, true};
}

bool turns_direction(char32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void add_hex_byte(std::string& out, char c) {
  const auto value = static_cast<unsigned char>(c);
  out += "\\x";
  out += kHex[value >> 4U];
  out += kHex[value & 0xFU];
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Optimal string alignment distance; three rows are all it needs.
std::size_t distance(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, kLongestWord + 1>, 3> rows{};
  auto* before = &rows[0];
  auto* above = &rows[1];
  auto* row = &rows[2];
  for (std::size_t j = 0; j <= b.size(); ++j) (*row)[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    (*row)[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const char x = lower(a[i - 1]);
      const char y = lower(b[j - 1]);
      std::size_t best = std::min({(*above)[j] + 1, (*row)[j - 1] + 1, (*above)[j - 1] + (x == y ? 0U : 1U)});
      if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2])) best = std::min(best, (*before)[j - 2] + 1);
      (*row)[j] = best;
    }
  }
  return (*row)[b.size()];
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;  // the last star, and the text it does not cover yet
  std::size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded next = decode(bytes.substr(at));
    out += next.valid ? bytes.substr(at, next.length) : kReplacement;
    at += next.length;
  }
  return out;
}

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Decoded next = decode(bytes.substr(at));
    const std::string_view piece = bytes.substr(at, next.length);
    at += next.length;
    if (!next.valid || next.code < 0x20 || next.code == 0x7F) {
      if (piece == "\n") {
        out += "\\n";
      } else if (piece == "\r") {
        out += "\\r";
      } else if (piece == "\t") {
        out += "\\t";
      } else {
        for (const char c : piece) add_hex_byte(out, c);
      }
    } else if ((next.code >= 0x80 && next.code < 0xA0) || turns_direction(next.code)) {
      out += "\\u{";
      for (int shift = 12; shift >= 0; shift -= 4) out += kHex[next.code >> static_cast<unsigned>(shift) & 0xFU];
      out += '}';
    } else {
      out += piece;
    }
  }
  return out;
}

std::string escape_html(std::string_view text) {
  const std::string shown = printable(text);
  std::string out;
  out.reserve(shown.size() + shown.size() / 8);
  for (const char c : shown) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string nearest(std::string_view word, std::span<const std::string_view> candidates) {
  if (word.size() > kLongestWord) return {};
  std::string_view best;
  std::size_t fewest = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    const std::size_t edits = distance(word, candidate);
    if (edits < fewest && edits < candidate.size()) {
      fewest = edits;
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace tipstaff
