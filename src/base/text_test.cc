#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tipstaff {
namespace {

using std::string_view_literals::operator""sv;

TEST(Glob, Matches) {
  const struct {
    std::string_view pattern;
    std::string_view text;
    bool match;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"*", "", true},
      {"*", "abc", true},
      {"**", "x", true},
      {"?", "", false},
      {"?", "a", true},
      {"a?c", "abc", true},
      {"a*c", "ac", true},
      {"a*c", "abbbc", true},
      {"a*c", "abcd", false},
      {"*.log", "auth.log", true},
      {"*.log", "log", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXcYb", false},
      {"abc", "ABC", false},
      {"postfix*/smtpd", "postfix/submission/smtpd", true},
      {"*ab", "aab", true},
      {"a", "", false},
      {"[a]", "a", false},
      {"a\0*"sv, "a\0b"sv, true},
  };
  for (const auto& c : cases) EXPECT_EQ(glob_match(c.pattern, c.text), c.match) << c.pattern << " on " << c.text;
}

TEST(Glob, ManyStarsDoNotBacktrack) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(glob_match(pattern + "b", std::string(20'000, 'a')));
}

TEST(Utf8, ReplacesWhatIsIllFormed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", ""},
      {"plain", "plain"},
      {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
      {"\xE2\x82\xAC \xF0\x9F\x98\x80", "\xE2\x82\xAC \xF0\x9F\x98\x80"},
      {"a\xFF"
       "b",
       "a\xEF\xBF\xBD"
       "b"},
      {"\xC3", "\xEF\xBF\xBD"},      // cut off
      {"\xE2\x82", "\xEF\xBF\xBD"},  // one piece, one mark
      {"\xE2\x82"
       "a",
       "\xEF\xBF\xBD"
       "a"},
      {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                                  // overlong
      {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},                  // surrogate
      {"\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},  // above U+10FFFF
      {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
      {"a\0\x1b\n"sv, "a\0\x1b\n"sv},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(to_utf8(bytes), expected);
}

TEST(Printable, KeepsTheTerminalOurs) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"DOMAIN\\user \xC3\xBC", "DOMAIN\\user \xC3\xBC"},
      {"\x1b[2J\x1b]0;owned\a", "\\x1b[2J\\x1b]0;owned\\x07"},
      {"a\nb\rc\td\x7f\0"sv, "a\\nb\\rc\\td\\x7f\\x00"},
      {"\x9b"
       "31m",
       "\\x9b31m"},  // CSI as a raw byte
      {"\xC2\x9B"
       "31m",
       "\\u{009b}31m"},                   // CSI as UTF-8
      {"x\xE2\x80\xAEy", "x\\u{202e}y"},  // right-to-left override
      {"\xE2\x82", "\\xe2\\x82"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(printable(bytes), expected);
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string_view> names = {"trigger_window", "occurrences", "lockout", "count_by", "sshd", "pam"};
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"trigger-window", "trigger_window"},
      {"ocurrences", "occurrences"},
      {"Lockout", "lockout"},
      {"lokcout", "lockout"},
      {"ssh", "sshd"},
      {"sshdd", "sshd"},
      {"pma", "pam"},
      {"zebra", ""},
      {"", ""},
      {"x", ""},
  };
  for (const auto& [word, meant] : cases) EXPECT_EQ(nearest(word, names), meant) << word;
  EXPECT_EQ(nearest(std::string(100'000, 'a'), names), "");
  EXPECT_EQ(nearest("a", {}), "");
}

}  // namespace
}  // namespace tipstaff
