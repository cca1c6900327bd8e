// How alerts read, byte by byte, and that nothing a stranger chose can break out of its line.
#include "alert/alert_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <random>

#include "alert/word_text.h"

namespace tipstaff {
namespace {

Instant at(int day, int hour, int minute, int second) {
  using namespace std::chrono;
  return sys_days{year{2013} / 5 / day} + hours(hour) + minutes(minute) + seconds(second);
}

Alert story() {
  Alert alert;
  alert.key = "block|1";
  alert.host = "host-c";
  alert.at = at(7, 10, 27, 18);
  alert.network = IpNetwork::parse("198.51.100.23");
  alert.rule = "Catch All Login";
  alert.numbers = {std::chrono::minutes(30), 5, std::chrono::hours(2)};
  alert.origin = "Windows";
  alert.until = at(7, 12, 27, 18);
  alert.name = "mail.parliament.example";
  alert.name_confirmed = true;
  alert.roles = {"the mail server of parliament.example"};
  alert.country = "XX";
  alert.victim = "the mail server of parliament.example (government, XX)";
  for (const int second : {18, 17})
    alert.previous.push_back({at(7, 10, 27, second), "EXAMPLE\\administrator", true, false, "windows-logon"});
  alert.first_seen = at(6, 21, 47, 2);
  alert.failures = 35;
  alert.accounts = {"EXAMPLE\\administrator"};
  alert.chain_head = "host 1, batch 2, link ab";
  return alert;
}

TEST(AlertText, TheStorysAlert) {
  const TimeZone utc;
  EXPECT_EQ(alert_subject(story(), utc),
            "Possible victim: Alert from host-c, IP 198.51.100.23 (mail.parliament.example) [XX] blocked until "
            "2013-05-07 12:27:18 UTC");
  EXPECT_EQ(alert_text(story(), utc),
            "Alert from host-c, IP 198.51.100.23 (mail.parliament.example) [XX] blocked until 2013-05-07 12:27:18 UTC\n"
            "Possible victim, not only an attacker: the mail server of parliament.example (government, XX)\n"
            "Rule used (Windows): Catch All Login. Trigger window 00:30:00, occurrences 5, lockout time 02:00:00\n"
            "Previous observations of this address:\n"
            "2013-05-07 10:27:18  EXAMPLE\\administrator\n"
            "2013-05-07 10:27:17  EXAMPLE\\administrator\n"
            "\n"
            "First seen 2013-05-06 21:47:02 UTC; 35 failed and 0 successful logins since then.\n"
            "Accounts tried: EXAMPLE\\administrator\n"
            "It is the mail server of parliament.example\n"
            "\n"
            "tipstaff explain 198.51.100.23\n"
            "tipstaff report 198.51.100.23\n"
            "\n"
            "Ledger: host 1, batch 2, link ab\n");
}

TEST(AlertText, WatchOnlySaysThatNothingWasShut) {
  Alert alert = story();
  alert.watch_only = true;
  EXPECT_NE(alert_subject(alert, TimeZone()).find("would be blocked until"), std::string::npos);
  EXPECT_NE(alert_text(alert, TimeZone()).find("\nNOT BLOCKED: "), std::string::npos);
}

TEST(AlertText, AnUnconfirmedNameSaysSoAndTimesAreOfTheZone) {
  Alert alert = story();
  alert.name_confirmed = false;
  const auto zone = TimeZone::find("+02:00");
  ASSERT_TRUE(zone);
  EXPECT_NE(
      alert_text(alert, *zone).find("(mail.parliament.example, unconfirmed) [XX] blocked until 2013-05-07 14:27:18 "),
      std::string::npos);
}

// Bytes that end lines, headers, tags or terminals' commands.
std::string hostile(std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"\r\n",         "\n",   "\r",  "\n\n", "Bcc: x@example.org",
                                                 "<script>",     "\"",   "'",   "&",    "\x1b[",
                                                 "\xe2\x80\xae", "\xff", "\\",  "{\"",  "</td>",
                                                 "\t",           "root", "\x01"};
  std::string text;
  for (unsigned i = 0; i < 1 + random() % 12; ++i) text += kPieces[random() % std::size(kPieces)];
  if (random() % 8 == 0) text += std::string(1000, 'a');
  return text;
}

TEST(AlertText, NothingBreaksOut) {
  std::mt19937 random(20261128);
  for (int round = 0; round < 3000; ++round) {
    Alert alert = story();
    const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
    const auto expected = lines(alert_text(alert, TimeZone()));
    for (std::string* text : {&alert.host, &alert.rule, &alert.origin, &alert.name, &alert.country, &alert.victim,
                              &alert.roles[0], &alert.accounts[0], &alert.previous[0].account, &alert.key})
      if (random() % 2 == 0) *text = hostile(random);
    const std::string subject = alert_subject(alert, TimeZone());
    EXPECT_TRUE(std::ranges::none_of(subject, [](char c) { return c >= 0 && c < 32; })) << subject;
    const std::string text = alert_text(alert, TimeZone());
    EXPECT_EQ(lines(text), expected) << text;
    EXPECT_TRUE(std::ranges::none_of(text, [](char c) { return c >= 0 && c < 32 && c != '\n'; })) << text;
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
    boost::system::error_code error;
    EXPECT_TRUE(boost::json::parse(alert_json(alert), error).is_object()) << error.message();
  }
}

TEST(AlertText, TheWordsHtmlHoldsNoTagOfAStranger) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    WordFacts facts;
    facts.host = hostile(random);
    facts.from = at(6, 7, 0, 0);
    facts.to = at(7, 7, 0, 0);
    facts.top.push_back({"192.0.2.1", 5, hostile(random), hostile(random)});
    facts.sources.push_back({hostile(random), hostile(random), false});
    facts.unusual.push_back(hostile(random));
    facts.days = {1, 2, 3};
    WordFacts plain = facts;
    plain.host = plain.top[0].name = plain.top[0].country = plain.sources[0].name = plain.sources[0].state =
        plain.unusual[0] = "x";
    const auto tags = [](const std::string& html) { return std::ranges::count(html, '<'); };
    EXPECT_EQ(tags(word_html(facts, TimeZone())), tags(word_html(plain, TimeZone())));
    EXPECT_EQ(std::ranges::count(word_text(facts, TimeZone()), '\n'),
              std::ranges::count(word_text(plain, TimeZone()), '\n'));
  }
}

TEST(AlertText, TheWordSaysFirstThatNothingIsBlocked) {
  WordFacts facts;
  facts.host = "host-a";
  facts.from = at(6, 7, 0, 0);
  facts.to = at(7, 7, 0, 0);
  facts.watch_only = true;
  facts.now.blocks = 12;
  facts.blocked_then_logged_in = 1;
  const std::string text = word_text(facts, TimeZone());
  EXPECT_TRUE(text.starts_with("NOT BLOCKING: would have blocked 12, 1 of them later logged in; enforce with "));
  facts.watch_only = false;
  facts.guarded = false;
  EXPECT_TRUE(word_text(facts, TimeZone()).starts_with("NOT GUARDED: "));
  EXPECT_NE(word_subject(facts, TimeZone()).find("NOT GUARDED"), std::string::npos);
}

}  // namespace
}  // namespace tipstaff
