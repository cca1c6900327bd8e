// Rules and exemptions by country and AS, with facts of the tests' own.
#include "decide/origins.h"

#include <gtest/gtest.h>

#include <map>

#include "decide/explain.h"
#include "decide/testing.h"

namespace tipstaff::testing_decide {
namespace {

using namespace std::chrono_literals;

class FakeFacts final : public NetworkFacts {
 public:
  std::map<std::string, NetworkFact> networks;
  std::size_t asked = 0;

  void add(std::string_view network, std::string_view country, std::uint32_t as, std::string_view uniform = "") {
    NetworkFact fact;
    fact.origin = {CountryCode::parse(country).value_or(CountryCode()), as};
    fact.network = *IpNetwork::parse(network);
    fact.uniform = *IpNetwork::parse(uniform.empty() ? network : uniform);
    networks.emplace(network, fact);
  }
  std::optional<NetworkFact> find(IpAddress address) override {
    ++asked;
    for (const auto& [name, fact] : networks) {
      if (fact.network.contains(address)) return fact;
    }
    return std::nullopt;
  }
  NetworkOrigin origin_of(IpAddress address) override {
    const auto fact = find(address);
    return fact ? fact->origin : NetworkOrigin();
  }
  [[nodiscard]] std::vector<DatabaseInfo> databases() const override { return {}; }
  [[nodiscard]] std::uint64_t broken() const override { return 0; }
  Result<bool> refresh() override { return false; }
};

std::shared_ptr<FakeFacts> facts() {
  auto all = std::make_shared<FakeFacts>();
  all->add("192.0.2.0/24", "XA", 64500);
  all->add("198.51.100.0/24", "XB", 64501);
  all->add("203.0.113.0/24", "XB", 64502);
  all->add("2001:db8::/32", "XA", 0, "2001:db8::/48");
  return all;
}

std::shared_ptr<const Config> with_facts(std::string_view text, std::shared_ptr<NetworkFacts> known = facts()) {
  Config config = *config_of(text);
  config.facts = std::move(known);
  return std::make_shared<const Config>(std::move(config));
}

TEST(Origins, ARuleMatchesCountryAndAs) {
  Judge judge(with_facts(R"(
[[rule]]
name = "XB"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
match = { country = ["XB", "xc"], not_as = "AS64502" }
[[rule]]
name = "Not XA"
trigger_window = "10m"
occurrences = 1
lockout = "2h"
match = { not_country = "XA" }
)"));
  EXPECT_EQ(judge(failure(0s, "198.51.100.1")), "block 198.51.100.1 3600");
  EXPECT_EQ(judge(failure(0s, "203.0.113.1")), "block 203.0.113.1 7200");
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), "");
  EXPECT_EQ(judge(failure(0s, "2001:db9::1")), "");  // of unknown country: nobody is shut out for that
  EXPECT_EQ(judge(failure(0s, "")), "");
}

TEST(Origins, WithoutFactsARuleThatAsksLooksAtNothing) {
  Judge judge(with_facts(R"(
[allowlist]
countries = ["XB"]
[[rule]]
name = "Not XA"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
match = { not_country = ["XA"] }
[[rule]]
name = "All"
trigger_window = "10m"
occurrences = 2
lockout = "2h"
)",
                         nullptr));
  EXPECT_EQ(judge(failure(0s, "198.51.100.1")), "");
  EXPECT_EQ(judge(failure(1s, "198.51.100.1")), "block 198.51.100.1 7200");
}

TEST(Origins, ARuleCountsByAsOrCountry) {
  Judge judge(with_facts(R"(
[[rule]]
name = "One AS"
trigger_window = "10m"
occurrences = 3
count_by = "as"
distinct = "address"
action = "alert"
continue = true
[[rule]]
name = "One country"
trigger_window = "10m"
occurrences = 4
count_by = "country"
action = "alert"
)"));
  EXPECT_EQ(judge(failure(0s, "198.51.100.1")), "");
  EXPECT_EQ(judge(failure(1s, "203.0.113.1")), "");
  EXPECT_EQ(judge(failure(2s, "198.51.100.2")), "");
  EXPECT_EQ(judge(failure(3s, "198.51.100.3")), "alert One AS; alert One country");
  ASSERT_EQ(judge.said().size(), 2U);
  EXPECT_EQ(judge.said()[0].origin, (NetworkOrigin{CountryCode(), 64501}));
  EXPECT_EQ(judge.said()[1].origin, (NetworkOrigin{*CountryCode::parse("XB"), 0}));
  EXPECT_EQ(to_words(judge.said()[0].origin), "AS64501");
  EXPECT_EQ(to_words(judge.said()[1].origin), "country XB");
  EXPECT_EQ(judge(failure(4s, "2001:db8::1")), "");  // its AS is not known
}

TEST(Origins, CountriesAndAsesAreExempt) {
  const auto config = with_facts(R"(
[allowlist]
countries = ["XA"]
as = [64502]
[[rule]]
name = "All"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
)");
  Judge judge(config);
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), "");
  EXPECT_EQ(judge(failure(0s, "203.0.113.1")), "");
  EXPECT_EQ(judge(failure(0s, "198.51.100.1")), "block 198.51.100.1 3600");
  EXPECT_EQ(judge.engine().counters().exempt, 2U);
  const auto answers = exemptions_of(*config, nullptr, *IpAddress::parse("192.0.2.1"));
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].sentence, "192.0.2.1 is exempt by country XA (rules.toml:3): never counted, never blocked");
  EXPECT_EQ(answers[0].network.to_string(), "192.0.2.0/24");
  EXPECT_EQ(exemptions_of(*config, nullptr, *IpAddress::parse("203.0.113.1"))[0].where, "rules.toml:4");
}

// A block of a network holds nobody who is exempt by his country.
TEST(Origins, ABlockedPrefixOfMoreThanOneOriginIsNarrowed) {
  const auto known = std::make_shared<FakeFacts>();
  known->add("198.51.100.0/25", "XB", 64501);
  known->add("203.0.113.0/24", "XB", 64501);
  Judge judge(with_facts(R"(
[allowlist]
countries = ["XA"]
[[rule]]
name = "All"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
count_by = "prefix"
)",
                         known));
  EXPECT_EQ(judge(failure(0s, "198.51.100.1")), "block 198.51.100.1 3600");
  EXPECT_EQ(judge(failure(0s, "203.0.113.1")), "block 203.0.113.0/24 3600");
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), "block 192.0.2.1 3600");  // nobody knows who else is there
}

TEST(Origins, NothingIsLookedUpWhereNobodyAsks) {
  const auto known = facts();
  Judge judge(with_facts(R"(
[[rule]]
name = "Root of XA"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
match = { account = "root", country = "XA" }
[[rule]]
name = "All"
trigger_window = "10m"
occurrences = 1
lockout = "1h"
count_by = "prefix"
)",
                         known));
  EXPECT_EQ(judge(failure(0s, "198.51.100.1", "anna")), "block 198.51.100.0/24 3600");
  EXPECT_EQ(known->asked, 0U);
  EXPECT_EQ(judge(failure(0s, "192.0.2.1")), "block 192.0.2.1 3600");
  EXPECT_EQ(known->asked, 1U);
}

TEST(Origins, SaysWhatIsWrongInAFile) {
  const auto error = [](std::string_view text) {
    const LoadedConfig loaded = parse_rules(text, "t.toml");
    return loaded ? std::string("good") : to_text(loaded.error());
  };
  const std::string rule = "[[rule]]\nname = \"A\"\ntrigger_window = \"1h\"\noccurrences = 3\n";
  EXPECT_EQ(error(rule + "lockout = \"1h\"\nmatch = { country = [\"SE\", \"UK\"] }\n"),
            "t.toml:6: country: \"UK\" is no code of a country; write two letters of ISO 3166 such as \"DE\" (GB)\n");
  EXPECT_EQ(error(rule + "lockout = \"1h\"\nmatch = { as = [0] }\n"),
            "t.toml:6: as: each entry must be the number of an autonomous system, as 64500 or \"AS64500\"\n");
  EXPECT_EQ(error(rule + "lockout = \"1h\"\nmatch = { as = [] }\n"),
            "t.toml:6: as is an empty list, which nothing would fit; name a value or remove the key\n");
  EXPECT_EQ(
      error(rule + "lockout = \"1h\"\nmatch = { as = [4294967295, \"AS1\"], not_as = 3, not_country = \"de\" }\n"),
      "good");
  EXPECT_TRUE(error(rule + "lockout = \"1h\"\ncount_by = \"country\"\n")
                  .starts_with("t.toml:6: a rule that counts by country "
                               "cannot block"));
  EXPECT_EQ(error("[allowlist]\ncountries = [\n  \"SE\",\n  \"Sweden\",\n]\n"),
            "t.toml:4: countries: \"Sweden\" is no code of a country; write two letters of ISO 3166 such as \"DE\"\n");
  EXPECT_EQ(error("[lookups]\ndatabases = [\"x.db\"]\n"),
            "t.toml:2: databases: \"x.db\" is no absolute path; begin it with /\n");
  EXPECT_EQ(error("[lookups]\ndns = true\ndns_servers = [\"192.0.2.53\", \"dns.example\"]\n"),
            "t.toml:3: \"dns.example\" is no DNS server; write \"192.0.2.53\" or \"[2001:db8::53]:53\"\n");
}

TEST(Origins, NamesEachRuleThatAsksInVain) {
  LoadedConfig loaded = parse_rules(R"([lookups]
databases = ["/nonexistent/x.db"]
[allowlist]
as = [64500]
[[rule]]
name = "A"
trigger_window = "1h"
occurrences = 3
lockout = "1h"
match = { country = "SE" }
[[rule]]
name = "B"
trigger_window = "1h"
occurrences = 3
lockout = "1h"
)",
                                    "t.toml");
  ASSERT_TRUE(loaded.has_value());
  use_network_facts(*loaded);
  EXPECT_EQ(loaded->facts, nullptr);
  const std::string why = "/nonexistent/x.db: the database cannot be read: No such file or directory";
  EXPECT_EQ(loaded->without_facts,
            (std::vector<std::string>{
                "t.toml:5: rule \"A\" asks for the country or AS of an address and looks at nothing: " + why,
                "t.toml:4: AS64500 is on the allowlist, but nobody is exempt by it: " + why}));
  LoadedConfig plain = parse_rules("[lookups]\ndatabases = [\"/nonexistent\"]\n", "t.toml");
  ASSERT_TRUE(plain.has_value());
  use_network_facts(*plain);
  EXPECT_TRUE(plain->without_facts.empty());
}

}  // namespace
}  // namespace tipstaff::testing_decide
