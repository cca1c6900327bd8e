#include "decide/explain.h"

#include <gtest/gtest.h>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;
using testing_decide::failure;

constexpr std::string_view kRules = R"(
[allowlist]
networks = ["192.0.2.0/24"]
proxies = ["192.0.2.128/25"]
[protect]
recent_success = "7d"
stale_factor = 10
[[rule]]
name = "R"
trigger_window = "1m"
occurrences = 3
lockout = "1h"
exempt = ["198.51.100.0/24"]
)";

TEST(Explain, NamesEveryExemptionThatHolds) {
  const auto config = config_of(kRules);
  const Exemptions live({{*IpNetwork::parse("192.0.2.200"), "session of root since then", ExemptionKind::session}});
  const auto said = explain(*config, failure(0s, "192.0.2.200"), &live);
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[0], "192.0.2.200 is exempt by 192.0.2.0/24 (rules.toml:3): never counted, never blocked");
  EXPECT_EQ(said[1],
            "192.0.2.200 is exempt by 192.0.2.128/25 (trusted proxy: rules.toml:4): never counted, never blocked");
  EXPECT_EQ(
      said[2],
      "192.0.2.200 is exempt by 192.0.2.200 (administrator's session: session of root since then): never counted, "
      "never blocked");
  const auto answers = exemptions_of(*config, &live, *IpAddress::parse("192.0.2.200"));
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[1].kind, ExemptionKind::proxy);
  EXPECT_EQ(answers[2].where, "session of root since then");
  EXPECT_TRUE(exemptions_of(*config, nullptr, *IpAddress::parse("203.0.113.1")).empty());
}

TEST(Explain, TellsWhichRulesLookAtAnAddress) {
  const auto config = config_of(kRules);
  auto rules = rules_for(*config, *IpAddress::parse("203.0.113.1"));
  ASSERT_EQ(rules.size(), 1U);
  EXPECT_TRUE(rules[0].looks);
  EXPECT_EQ(rules[0].sentence,
            "rule \"R\" (rules.toml:8): 3 failures of one address within 1m: shut out of the host for 1h.");
  rules = rules_for(*config, *IpAddress::parse("198.51.100.9"));
  EXPECT_FALSE(rules[0].looks);
  EXPECT_EQ(rules[0].sentence,
            "rule \"R\" (rules.toml:8) does not look at it: 198.51.100.9 is exempt by 198.51.100.0/24 (rules.toml:13)");
}

TEST(Explain, SaysHowCustomersAreProtected) {
  const auto said = explain(*config_of(kRules), failure(0s, "2001:db8::7", "anna"));
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[1],
            "if this account has logged in from this address's /64 within 7d, rules that block do not count it");
  EXPECT_EQ(
      said[2],
      "if the account has logged in from anywhere within 30d, and two others from this address's /64 within 7d, it "
      "is a stale client: an alert where a rule would block, and a block of sshd alone after 10 times as many tries");
}

}  // namespace
}  // namespace tipstaff
