// Globs, which rule looks at which attempt, and the sentences.
#include "decide/rules.h"

#include <gtest/gtest.h>

#include "decide/explain.h"
#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;
using testing_decide::failure;
using testing_decide::success;

TEST(Glob, Fits) {
  struct Case {
    const char* pattern;
    std::string_view text;
    bool fits;
  };
  const Case table[] = {
      {"root", "root", true},
      {"root", "Root", false},
      {"root", "roots", false},
      {"*", "", true},
      {"?", "", false},
      {"a*c", "abbbc", true},
      {"a*c", "abcb", false},
      {"*@example.com", "anna@example.com", true},
      {"a?c", "abc", true},
      {"**a", "bca", true},
      {"a*b*c", "aXbYc", true},
      {"a*b*c", "acb", false},
      {"DOMAIN\\*", "DOMAIN\\anna", true},
  };
  for (const Case& one : table) EXPECT_EQ(Glob(one.pattern).fits(one.text), one.fits) << one.pattern << " " << one.text;
}

constexpr std::string_view kHead =
    "[[rule]]\nname = \"R\"\ntrigger_window = \"1h\"\noccurrences = 3\nlockout = \"1h\"\n";

TEST(Rule, FitSaysTheFirstReasonWhyNot) {
  const auto rules = config_of(std::string(kHead) +
                               "exempt = [\"192.0.2.0/24\"]\nmatch = { service = [\"sshd\", \"pam\"], "
                               "account = \"adm*\", host = \"host-?\" }\n");
  const Rule& rule = rules->rules.at(0);
  Attempt attempt = failure(0s, "203.0.113.1", "admin");
  EXPECT_EQ(rule.fit(attempt), Fit::yes);
  attempt.outcome = Outcome::probe;
  EXPECT_EQ(rule.fit(attempt), Fit::outcome);
  attempt = failure(0s, "203.0.113.1", "admin");
  attempt.service = "dovecot";
  EXPECT_EQ(rule.fit(attempt), Fit::service);
  attempt = failure(0s, "203.0.113.1", "admin");
  attempt.host = "web";
  EXPECT_EQ(rule.fit(attempt), Fit::host);
  EXPECT_EQ(rule.fit(failure(0s, "203.0.113.1", "root")), Fit::account);
  EXPECT_EQ(rule.fit(failure(0s, "203.0.113.1", "")), Fit::no_account);
  EXPECT_EQ(rule.fit(failure(0s, "", "admin")), Fit::no_address);
  EXPECT_EQ(rule.fit(failure(0s, "192.0.2.9", "admin")), Fit::exempt);
}

struct Sentence {
  std::string_view keys;
  std::string_view words;
};

TEST(Rule, ExplainsItselfInASentence) {
  const std::string head = "[[rule]]\nname = \"R\"\ntrigger_window = \"30m\"\n";
  const Sentence table[] = {
      {"occurrences = 1\nlockout = \"2h\"\n", "1 failure of one address within 30m: shut out of the host for 2h."},
      {"occurrences = 5\nlockout = \"2h\"\nescalate = [\"2h\", \"1d\", \"7d\"]\n",
       "5 failures of one address within 30m: shut out of the host for 2h, further blocks 1d, then 7d (remembered for "
       "30d)."},
      {"occurrences = 5\nlockout = \"2h\"\ncount_by = \"prefix\"\nipv4_prefix = 32\nscope = \"service\"\nmatch = { "
       "service = [\"sshd\", \"pam\"] }\n",
       "5 failures of one IPv4 address or IPv6 /64 within 30m, service sshd or pam: shut out of that service for 2h."},
      {"occurrences = 9\naction = \"alert\"\ncount_by = \"account\"\ndistinct = \"address\"\n",
       "9 different addresses with a failure of one account within 30m: an alert, at most one in 30m."},
      {"after_failures = 4\naction = \"alert\"\nmatch = { outcome = \"success\" }\n",
       "A success after 4 or more failures of one address within 30m: an alert, at most one in 30m."},
  };
  for (const Sentence& one : table) {
    const auto rules = config_of(head + std::string(one.keys));
    ASSERT_EQ(rules->rules.size(), 1U);
    EXPECT_EQ(rules->rules[0].explain(), one.words);
  }
}

TEST(Explain, NamesEachRuleWithItsPlaceAndReason) {
  const auto rules = config_of("[allowlist]\nnetworks = [\"192.0.2.0/24\"]\n" + std::string(kHead) +
                               "match = { account = \"root\" }\n");
  EXPECT_EQ(
      explain(*rules, failure(0s, "192.0.2.7")),
      std::vector<std::string>{"192.0.2.7 is exempt by 192.0.2.0/24 (rules.toml:2): never counted, never blocked"});
  EXPECT_EQ(explain(*rules, failure(0s, "203.0.113.1")),
            std::vector<std::string>{
                "rule \"R\" (rules.toml:3) counts it. 3 failures of one address within 1h, account root: "
                "shut out of the host for 1h."});
  EXPECT_EQ(explain(*rules, success(0s, "203.0.113.1")),
            std::vector<std::string>{"rule \"R\" (rules.toml:3) does not look at it: a success is not what it counts"});
}

}  // namespace
}  // namespace tipstaff
