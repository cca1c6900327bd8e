// Mails with hostile fields by the thousand, read back by another program (Python's email package): of each header exactly
// one, and the very text. Other dice: TIPSTAFF_MAIL_SEED=7.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "mail/message.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }

  // What a stranger might choose as host, account or PTR name, up to `most` pieces.
  std::string hostile(std::size_t most) {
    static const std::vector<std::string> kPieces = {"\r\n",
                                                     "\n",
                                                     "\r",
                                                     "\r\n\r\n",
                                                     "\r\nBcc: evil@example.net\r\n",
                                                     "\nSubject: forged",
                                                     "\r\n.\r\n",
                                                     ".",
                                                     "\t",
                                                     "=?utf-8?Q?forged?=",
                                                     "=?",
                                                     "?=",
                                                     "=",
                                                     "=3D",
                                                     "=_tipstaff_",
                                                     "--",
                                                     "\r\n--=_tipstaff_",
                                                     "\"",
                                                     "\\",
                                                     "<",
                                                     ">",
                                                     "@",
                                                     ",",
                                                     ";",
                                                     ":",
                                                     "(",
                                                     ")",
                                                     "[",
                                                     " ",
                                                     "  ",
                                                     "       ",
                                                     std::string(1, '\0'),
                                                     "\x1b[31m",
                                                     "\x7f",
                                                     "\xff",
                                                     "\xc3",
                                                     "\xe2\x82",
                                                     "\xed\xa0\x80",
                                                     "\xf4\x90\x80\x80",
                                                     "\xc0\xaf",
                                                     "\u0085",
                                                     "\u2028",
                                                     "\u202e",
                                                     "\ufeff",
                                                     "\u00e9",
                                                     "\u6f22\u5b57",
                                                     "\U0001f600",
                                                     "e\u0301",
                                                     "From ",
                                                     "root",
                                                     "admin",
                                                     "203.0.113.7",
                                                     "mail.example.com",
                                                     "Content-Type: text/html",
                                                     std::string(90, 'x'),
                                                     std::string(998, 'y')};
    std::string out;
    for (std::size_t i = below(most + 1); i > 0; --i) {
      if (below(8) == 0) {
        for (std::size_t j = below(40); j > 0; --j) out += static_cast<char>(below(256));
      } else {
        out += kPieces[below(kPieces.size())];
      }
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

// A name that stays one in front of an address: no longer than the settings allow.
std::string display_name(Dice& dice) {
  std::string quoted = "\"";
  for (const char c : dice.hostile(6).substr(0, 45)) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

MailMessage hostile_message(Dice& dice, int number) {
  MailMessage message;
  message.from = display_name(dice) + " <tipstaff@example.com>";
  message.to = {"admin@example.com"};
  for (std::size_t i = dice.below(4); i > 0; --i) message.to.push_back(display_name(dice) + " <b@example.com>");
  message.subject = dice.hostile(12);
  message.text = dice.hostile(60);
  if (dice.below(2) == 0) message.html = "<p>" + escape_html(dice.hostile(40)) + "</p>" + dice.hostile(5);
  message.message_id = make_message_id("m" + std::to_string(number) + dice.hostile(3), dice.hostile(3));
  message.date = Instant(std::chrono::seconds(1'368'000'000 + number * 86'399LL));
  message.own = {{"Class", dice.hostile(5)}, {"Host", dice.hostile(5)}};
  return message;
}

// What a reader must find as text: line breaks as LF, what was printable as it was, all else as escapes, one end.
std::string expected_text(const std::string& text) {
  std::string out;
  std::string line;
  std::istringstream lines(text);
  const auto add = [&](const std::string& whole) {
    std::istringstream cells(whole);
    std::string cell;
    for (bool first = true; std::getline(cells, cell, '\t'); first = false)
      out += (first ? "" : "\t") + printable(cell);
    if (whole.ends_with('\t')) out += '\t';
    out += '\n';
  };
  while (std::getline(lines, line)) {
    const bool broken = !lines.eof();
    if (broken && line.ends_with('\r')) line.pop_back();
    add(line);
  }
  if (text.empty()) out += '\n';
  return out;
}

std::string without_cr(std::string text) {
  std::erase(text, '\r');
  return text;
}

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

// A field as it is shown, cut where it is too long.
void expect_field(const std::string& got, const std::string& meant, const std::string& what) {
  const std::string shown = printable(meant);
  if (shown.size() <= kLongestSubject) {
    EXPECT_EQ(got, shown) << what;
    return;
  }
  constexpr std::string_view kEllipsis = "\u2026";
  ASSERT_TRUE(got.ends_with(kEllipsis)) << what << ": " << got;
  const std::string_view kept = std::string_view(got).substr(0, got.size() - kEllipsis.size());
  EXPECT_TRUE(shown.starts_with(kept)) << what;
  EXPECT_GE(got.size() + 3, kLongestSubject) << what;
  EXPECT_LE(got.size(), kLongestSubject) << what;
}

// The names that are shown for From and To, as parse_mail_address() gives them.
std::string name_of(const std::string& mailbox) {
  const auto parsed = parse_mail_address(mailbox);
  return parsed ? parsed->name : "no address";
}

void expect_mail(const json::object& got, const MailMessage& meant) {
  std::vector<std::string> names;
  for (const json::value& header : got.at("headers").as_array()) names.push_back(text_of(header.at(0)));
  std::vector<std::string> right = {"Date",
                                    "From",
                                    "To",
                                    "Subject",
                                    "Message-ID",
                                    "Auto-Submitted",
                                    "X-Tipstaff-Class",
                                    "X-Tipstaff-Host",
                                    "MIME-Version",
                                    "Content-Type"};
  if (meant.html.empty()) right.emplace_back("Content-Transfer-Encoding");
  EXPECT_EQ(names, right);
  if (names != right) return;
  const json::array& headers = got.at("headers").as_array();
  const auto value = [&](std::size_t i) { return text_of(headers[i].at(1)); };
  expect_field(value(3), meant.subject, "subject");
  expect_field(text_of(got.at("subject")), meant.subject, "subject, read by the newer parser");
  EXPECT_EQ(value(4), "<" + meant.message_id + ">");
  EXPECT_EQ(value(5), "auto-generated");
  expect_field(value(6), meant.own[0].second, "class");
  expect_field(value(7), meant.own[1].second, "host");
  EXPECT_EQ(got.at("date").to_number<double>(), static_cast<double>(meant.date.time_since_epoch().count()) / 1e6);

  const auto expect_mailboxes = [&](std::string_view key, const std::vector<std::string>& all) {
    const json::array& read = got.at(key).as_array();
    ASSERT_EQ(read.size(), all.size()) << key;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(text_of(read[i].at(0)), name_of(all[i])) << key;
      EXPECT_EQ(text_of(read[i].at(1)), parse_mail_address(all[i])->address) << key;
    }
  };
  expect_mailboxes("from", {meant.from});
  expect_mailboxes("to", meant.to);

  const json::array& parts = got.at("parts").as_array();
  ASSERT_EQ(parts.size(), meant.html.empty() ? 1U : 2U);
  EXPECT_EQ(text_of(got.at("type")), meant.html.empty() ? "text/plain" : "multipart/alternative");
  EXPECT_EQ(text_of(parts[0].at(0)), "text/plain");
  EXPECT_EQ(without_cr(text_of(parts[0].at(1))), expected_text(meant.text));
  if (!meant.html.empty()) {
    EXPECT_EQ(text_of(parts[1].at(0)), "text/html");
    EXPECT_EQ(without_cr(text_of(parts[1].at(1))), expected_text(meant.html));
  }
  EXPECT_TRUE(got.at("ascii").as_bool());
  EXPECT_EQ(got.at("bare").as_int64(), 0) << "CR or LF alone";
  EXPECT_LE(got.at("lines").as_int64(), 78);
}

TEST(ComposedMail, AnotherProgramReadsTheVeryTextOfHostileFields) {
  const char* const seed = std::getenv("TIPSTAFF_MAIL_SEED");
  Dice dice(seed == nullptr ? 1U : static_cast<unsigned>(std::strtoul(seed, nullptr, 10)));
  constexpr int kMails = 1'000;  // each with five hostile fields and more
  std::vector<MailMessage> meant;
  std::string input;
  for (int i = 0; i < kMails; ++i) {
    const MailMessage message = hostile_message(dice, i);
    const auto mail = compose(message);
    ASSERT_TRUE(mail.has_value()) << i << ": " << mail.error().text;
    input += std::to_string(mail->size()) + "\n" + *mail;
    meant.push_back(message);
  }
  const Said said = run({"python3", TIPSTAFF_SOURCE_DIR "/tests/mail/parse_mails.py"}, {.input = input});
  ASSERT_EQ(said.code, 0) << said.err;
  std::istringstream lines(said.out);
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    ASSERT_LT(count, kMails);
    expect_mail(json::parse(line).as_object(), meant[static_cast<std::size_t>(count)]);
    if (testing::Test::HasFailure()) {
      FAIL() << "mail " << count << ":\n" << compose(meant[static_cast<std::size_t>(count)]).value_or("");
    }
  }
  EXPECT_EQ(count, kMails);
}

}  // namespace
}  // namespace tipstaff
