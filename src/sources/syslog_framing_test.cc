#include "sources/syslog_framing.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sources/source.h"

namespace tipstaff {
namespace {

using namespace std::string_literals;

struct Told {
  std::vector<std::string> messages;  // those that are cut end with "~"
  bool broken = false;

  bool operator==(const Told&) const = default;
};

Told read(std::string_view bytes, std::size_t step, bool nul_ends = false) {
  Told told;
  SyslogFraming framing(nul_ends);
  const auto add = [&](const SyslogMessage& message) {
    told.messages.push_back(std::string(message.text) + (message.cut ? "~" : ""));
  };
  while (!bytes.empty()) {
    std::string_view part = bytes.substr(0, step);
    bytes.remove_prefix(part.size());
    while (const auto message = framing.next(part)) add(*message);
    told.broken = framing.broken();
    if (told.broken) return told;
    EXPECT_TRUE(part.empty());
  }
  if (const auto message = framing.finish()) add(*message);
  return told;
}

struct Case {
  const char* name;
  std::string bytes;
  std::vector<std::string> messages;
  bool broken = false;
  bool nul_ends = false;
};

class SyslogFramingCases : public testing::TestWithParam<Case> {};

TEST_P(SyslogFramingCases, SameInWhateverPieces) {
  const Case& one = GetParam();
  for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, one.bytes.size()}) {
    EXPECT_EQ(read(one.bytes, step, one.nul_ends), (Told{one.messages, one.broken})) << "in pieces of " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SyslogFramingCases,
    testing::Values(Case{"lines", "<34>one\n<34>two\r\n\n\n<34>three\n", {"<34>one", "<34>two", "<34>three"}},
                    Case{"lengths", "7 <34>one8 <34>two\n", {"<34>one", "<34>two"}},
                    Case{"lengths_and_line_feeds", "7 <34>one\n7 <34>two\r\n", {"<34>one", "<34>two"}},
                    Case{"line_feeds_within", "11 <34>a\nb\nc\n\n7 <34>two", {"<34>a b c", "<34>two"}},
                    Case{"stamp_is_no_length",
                         "1764000000 host sshd[1]: x\n12 <34>y\n",
                         {"1764000000 host sshd[1]: x", "12 <34>y"}},
                    Case{"year_is_no_length",
                         "2026 Nov\n2026-11-25T03:04:05Z h p: x\n",
                         {"2026 Nov", "2026-11-25T03:04:05Z h p: x"}},
                    Case{"huge_first_length_is_a_line", "999999999999 <34>x\n<34>y\n", {"999999999999 <34>x", "<34>y"}},
                    Case{"line_cannot_turn_to_lengths",
                         "<34>user a\n99999999 <34>b\n<34>c\n",
                         {"<34>user a", "99999999 <34>b", "<34>c"}},
                    Case{"huge_later_length", "7 <34>one999999999 <34>two", {"<34>one"}, true},
                    Case{"garbage_for_a_length", "7 <34>one<34>two\n", {"<34>one"}, true},
                    Case{"length_of_nothing", "7 <34>one0 7 <34>two", {"<34>one"}, true},
                    Case{"length_with_a_zero_first", "7 <34>one07 <34>two", {"<34>one"}, true},
                    Case{"half_a_line", "<34>one\n<34>Failed for 192.0.2.1", {"<34>one", "<34>Failed for 192.0.2.1~"}},
                    Case{"half_a_counted_one", "7 <34>one500 <34>two", {"<34>one", "<34>two~"}},
                    Case{"half_a_length", "7 <34>one12", {"<34>one"}}, Case{"only_digits", "123", {}},
                    Case{"nul_within_a_line", "<34>a\0b\0\n<34>c\n"s, {"<34>a\0b"s, "<34>c"}},
                    Case{"nul_ends_a_line", "<34>a\0<34>b\n\0<34>c\0"s, {"<34>a", "<34>b", "<34>c"}, false, true},
                    Case{"nothing_but_ends", "\n\r\n\0\n \n"s, {}},
                    Case{"bytes_of_any_kind", "\xff\xfe\x80<34>\x01\n", {"\xff\xfe\x80<34>\x01"}}),
    [](const auto& one) { return one.param.name; });

TEST(SyslogFraming, LongMessagesAreCutAndTheRestSkipped) {
  const std::string whole(kMaxLine, 'x');
  const std::string longer = "<34>" + whole;
  const std::string cut = longer.substr(0, kMaxLine) + "~";
  for (const std::size_t step : {std::size_t{1}, std::size_t{4096}, std::size_t{1} << 20U}) {
    EXPECT_EQ(read(whole + "\n<34>y\n", step).messages, (std::vector<std::string>{whole, "<34>y"}));
    EXPECT_EQ(read(longer + "\n<34>y\n", step).messages, (std::vector<std::string>{cut, "<34>y"}));
    EXPECT_EQ(read(std::to_string(longer.size()) + " " + longer + "5 <34>y", step).messages,
              (std::vector<std::string>{cut, "<34>y"}));
  }
}

TEST(SyslogFraming, WithoutAnEndItKeepsOneMessageAtMost) {
  SyslogFraming framing(false);
  const std::string block(1U << 20U, 'x');
  for (int i = 0; i < 20; ++i) {
    std::string_view bytes = block;
    EXPECT_FALSE(framing.next(bytes));
    EXPECT_TRUE(bytes.empty());
  }
  const auto rest = framing.finish();
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->text.size(), kMaxLine);
  EXPECT_TRUE(rest->cut);
}

}  // namespace
}  // namespace tipstaff
