// What rules files may say, what is refused and where the finger points, and how layers lie on each other.
#include "decide/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kRule = R"([[rule]]
name = "Catch All Login"
trigger_window = "30m"
occurrences = 5
lockout = "2h"
)";

TEST(Config, ReadsARuleWithAllItsKeys) {
  const auto loaded = parse_rules(R"(
version = 1
[detect]
count_publickey_failures = true
[limits]
tracked = 5000
[protect]
recent_success = "2d"
[allowlist]
networks = ["192.0.2.7", "2001:db8::/32"]
[[rule]]
name = "All"
findtime = 600
maxretry = 3
bantime = "1h"
count_by = "prefix"
ipv4_prefix = 28
ipv6_prefix = 56
scope = "service"
match = { outcome = ["failure", "probe"], service = "ssh*", account = ["root", "a?"], host = "w*", detector = "sshd" }
distinct = "account"
escalate = ["1h", "1d"]
remember = "10d"
exempt = ["198.51.100.0/24"]
continue = true
)",
                                  "rules.toml");
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  EXPECT_TRUE(loaded->settings.count_publickey_failures);
  EXPECT_EQ(loaded->settings.tracked, 5000U);
  EXPECT_EQ(loaded->settings.recent_success, 48h);
  ASSERT_EQ(loaded->exempt.entries().size(), 2U);
  EXPECT_EQ(loaded->exempt.entries()[1].where, "rules.toml:10");
  ASSERT_EQ(loaded->rules.size(), 1U);
  const Rule& rule = loaded->rules[0];
  EXPECT_EQ(rule.name, "All");
  EXPECT_EQ(rule.where, "rules.toml:11");
  EXPECT_EQ(rule.trigger_window, 10min);
  EXPECT_EQ(rule.occurrences, 3U);
  EXPECT_EQ(rule.lockout, 1h);
  EXPECT_EQ(rule.count_by, Rule::CountBy::prefix);
  EXPECT_EQ(rule.ipv4_prefix, 28U);
  EXPECT_EQ(rule.ipv6_prefix, 56U);
  EXPECT_EQ(rule.scope, Rule::Scope::service);
  EXPECT_EQ(rule.distinct, Rule::Distinct::account);
  EXPECT_TRUE(rule.match.failure && rule.match.probe && !rule.match.success);
  EXPECT_EQ(rule.escalate.size(), 2U);
  EXPECT_EQ(rule.remember, 240h);
  EXPECT_TRUE(rule.look_on);
  EXPECT_TRUE(rule.exempt.contains(*IpAddress::parse("198.51.100.9")));
}

TEST(Config, DefaultsOfARuleAndOfAFileAlone) {
  const auto loaded = parse_rules(kRule, "rules.toml");
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  const Rule& rule = loaded->rules.at(0);
  EXPECT_EQ(rule.count_by, Rule::CountBy::address);
  EXPECT_EQ(rule.scope, Rule::Scope::host);
  EXPECT_EQ(rule.action, Rule::Action::block);
  EXPECT_TRUE(rule.match.failure && !rule.match.probe && !rule.match.success);
  EXPECT_FALSE(rule.look_on);
  EXPECT_EQ(loaded->settings.recent_success, 0s);
  EXPECT_TRUE(loaded->exempt.entries().empty());
}

struct Wrong {
  std::string_view change;  // a line put behind the rule, or instead of the line with the same key
  std::string_view where;
  std::string_view text;  // part of the sentence
};

// kRule with one line changed or added.
std::string changed(std::string_view line) {
  std::string text;
  bool replaced = false;
  const std::string_view key = line.substr(0, line.find('=') + 1);
  for (std::string_view rest = kRule; !rest.empty();) {
    const std::string_view old = rest.substr(0, rest.find('\n') + 1);
    rest.remove_prefix(old.size());
    const bool same = key.size() > 1 && old.starts_with(key);
    text += same ? std::string(line) + "\n" : std::string(old);
    replaced = replaced || same;
  }
  return replaced ? text : text + std::string(line) + "\n";
}

TEST(Config, ErrorsNameFileLineAndWhatToDo) {
  const Wrong table[] = {
      {"lockuot = \"2h\"", "r.toml:6", "did you mean \"lockout\"?"},
      {"colour = \"red\"", "r.toml:6", "unknown key \"colour\" in [rule]; correct or remove it"},
      {"match = { acount = \"root\" }", "r.toml:6", "did you mean \"account\"?"},
      {"[limit]", "r.toml:6", "did you mean \"limits\"?"},
      {"occurrences = 0", "r.toml:4", "occurrences is 0; it must be a whole number, 1 to 1000"},
      {"occurrences = -3", "r.toml:4", "it must be a whole number, 1 to 1000"},
      {"occurrences = \"5\"", "r.toml:4", "occurrences is text here; it must be: whole number, 1 to 1000"},
      {"occurrences = 2.5", "r.toml:4", "number with a fraction"},
      {"maxretry = 3", "r.toml:6", "occurrences and maxretry are two names of the same key"},
      {"trigger_window = \"30 moons\"", "r.toml:3", "write a duration such as \"30m\""},
      {"trigger_window = \"0\"", "r.toml:3", "it must be longer than zero"},
      {"trigger_window = true", "r.toml:3", "write a duration such as \"30m\""},
      {"lockout = -1", "r.toml:5", "write a duration such as \"30m\""},
      {"name = \"\"", "r.toml:2", "name is empty"},
      {"count_by = \"country\"", "r.toml:6", "a rule that counts by country cannot block"},
      {"count_by = \"as\"", "r.toml:6", "a rule that counts by AS cannot block"},
      {"count_by = \"adress\"", "r.toml:6", "did you mean \"address\"?"},
      {"count_by = \"account\"", "r.toml:6", "cannot block"},
      {"scope = \"port\"", "r.toml:6", "it must be `host` or `service`"},
      {"ipv6_prefix = 64", "r.toml:6", "only with count_by = \"prefix\""},
      {"distinct = \"address\"", "r.toml:6", "never gets beyond 1"},
      {"after_failures = 3\nmatch = { outcome = \"success\" }", "r.toml:4", "exclude each other"},
      {"exempt = [\"192.0.2.0/33\"]", "r.toml:6", "\"192.0.2.0/33\" is neither an address nor a network"},
      {"exempt = \"192.0.2.0/24\"", "r.toml:6", "it must be: list of networks"},
      {"match = { outcome = \"faillure\" }", "r.toml:6", "did you mean \"failure\"?"},
      {"match = { outcome = 1 }", "r.toml:6", "it must be: text or list of texts"},
      {"match = { account = [] }", "r.toml:6", "nothing would fit"},
      {"escalate = [\"1d\"]", "r.toml:6", "its first entry must equal lockout (2h)"},
      {"escalate = [\"2h\", \"30d\"]", "r.toml:2", "remember (30d) must be longer"},
      {"remember = \"5d\"", "r.toml:6", "only with escalate"},
      {"action = \"alert\"", "r.toml:5", "lockout belongs to rules that block"},
      {"continue = \"yes\"", "r.toml:6", "it must be: true or false"},
      {"[allowlist]\nnetworks = [\"office.example.com\"]", "r.toml:7", "DNS names go to names"},
      {"[limits]\ntracked = 5", "r.toml:7", "100 to 10000000"},
      {"occurrences 5", "r.toml:6", "this is not TOML"},
  };
  for (const Wrong& wrong : table) {
    const auto loaded = parse_rules(changed(wrong.change), "r.toml");
    ASSERT_FALSE(loaded.has_value()) << wrong.change;
    const Error& error = loaded.error().at(0);
    EXPECT_TRUE(error.where == wrong.where || (wrong.where == "r.toml:2" && error.where == "r.toml:1"))
        << wrong.change << ": " << error.message();
    EXPECT_NE(error.text.find(wrong.text), std::string::npos) << wrong.change << ": " << error.message();
    EXPECT_EQ(loaded.error().size(), 1U) << wrong.change << ": " << to_text(loaded.error());
  }
}

TEST(Config, MissingKeysAreNamed) {
  const auto loaded = parse_rules("[[rule]]\n", "r.toml");
  ASSERT_FALSE(loaded.has_value());
  const std::string all = to_text(loaded.error());
  for (const std::string_view key : {"lacks a name", "lacks trigger_window", "lacks occurrences", "lacks lockout"}) {
    EXPECT_NE(all.find(key), std::string::npos) << key << " in " << all;
  }
}

TEST(Config, AllErrorsOfAFileComeInItsOrder) {
  const auto loaded = parse_rules(
      "[[rule]]\nname = \"a\"\nfindtime = \"1x\"\nmaxretry = 0\nbantime = \"1h\"\n\n[allowlist]\nnetwork = []\n"
      "[[rule]]\nname = 7\nfindtime = \"1h\"\nmaxretry = 2\nbantime = \"1h\"\n",
      "r.toml");
  ASSERT_FALSE(loaded.has_value());
  std::vector<std::string> places;
  for (const Error& error : loaded.error()) places.push_back(error.where);
  EXPECT_EQ(places, (std::vector<std::string>{"r.toml:3", "r.toml:4", "r.toml:8", "r.toml:10"}));
}

TEST(Config, TwoRulesOfOneNameInOneFile) {
  const auto loaded = parse_rules(std::string(kRule) + std::string(kRule), "r.toml");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().at(0).message(),
            "r.toml:6: a rule named \"Catch All Login\" stands already at r.toml:1; give one of them another name");
}

TEST(Config, TooManyRules) {
  std::string text;
  for (int i = 0; i < 1001; ++i) text += fmt::format("[[rule]]\nname = \"r{}\"\n", i);
  const auto loaded = parse_rules(text, "r.toml");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().size(), 1U);
  EXPECT_NE(loaded.error().at(0).text.find("keep 1000 at most"), std::string::npos);
}

TEST(Config, AMissingOrStrangeFile) {
  const auto missing = load_rules_file("/nonexistent/rules.toml");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().at(0).kind, ErrorKind::not_found);
  EXPECT_EQ(missing.error().at(0).where, "/nonexistent/rules.toml");
  const auto folder = load_rules_file("/");
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(parse_rules("", "r.toml")->rules.size(), 0U);
}

// A folder of layers that goes with the test.
class Layers : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) / (std::string("tipstaff-layers-") + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "conf.d");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name) << text; }
  [[nodiscard]] LoadedConfig load() const { return load_layers({folder_.string(), {*IpNetwork::parse("192.0.2.1")}}); }
  [[nodiscard]] std::string names() const {
    const LoadedConfig loaded = load();
    if (!loaded) return to_text(loaded.error());
    std::string all;
    for (const Rule& rule : loaded->rules) all += rule.name + "; ";
    return all;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_;
};

TEST_F(Layers, ShippedRulesAlone) {
  EXPECT_EQ(names(), "Success after failures; Many addresses, one account; Spraying; Catch All Login; ");
  const LoadedConfig loaded = load();
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  EXPECT_TRUE(loaded->exempt.contains(*IpAddress::parse("127.0.0.1")));
  EXPECT_TRUE(loaded->exempt.contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_EQ(loaded->settings.recent_success, 168h);
  EXPECT_FALSE(loaded->settings.count_publickey_failures);
  const Rule& last = loaded->rules.back();
  EXPECT_EQ(last.trigger_window, 30min);
  EXPECT_EQ(last.occurrences, 5U);
  EXPECT_EQ(last.lockout, 2h);
}

TEST_F(Layers, NewRulesStandBeforeTheCatchAllAndSameNamesReplaceInPlace) {
  write("tipstaff.toml",
        "version = 1\n[[rule]]\nname = \"Mine\"\nfindtime = \"1h\"\nmaxretry = 3\nbantime = \"1d\"\n"
        "[[rule]]\nname = \"Spraying\"\nenabled = false\n[allowlist]\nnetworks = [\"198.51.100.0/24\"]\n");
  write("conf.d/20-b.toml",
        "version = 1\n[[rule]]\nname = \"Mine\"\nfindtime = \"2h\"\nmaxretry = 4\nbantime = \"2d\"\n");
  write("conf.d/10-a.toml",
        "version = 1\n[[rule]]\nname = \"Also mine\"\nfindtime = \"2h\"\nmaxretry = 4\nbantime = \"2d\"\n"
        "[limits]\ntracked = 200\n[allowlist]\nnetworks = [\"203.0.113.7\"]\n");
  write("conf.d/.hidden.toml", "nonsense");
  write("conf.d/notes.txt", "nonsense");
  EXPECT_EQ(names(), "Success after failures; Many addresses, one account; Mine; Also mine; Catch All Login; ");
  const LoadedConfig loaded = load();
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  EXPECT_EQ(loaded->rules[2].trigger_window, 2h);
  EXPECT_EQ(loaded->rules[2].where, path("conf.d/20-b.toml") + ":2");
  EXPECT_EQ(loaded->settings.tracked, 200U);
  EXPECT_TRUE(loaded->exempt.contains(*IpAddress::parse("198.51.100.1")));
  EXPECT_TRUE(loaded->exempt.contains(*IpAddress::parse("203.0.113.7")));
  EXPECT_EQ(loaded->files.size(), 4U);
}

TEST_F(Layers, ATakenOutRuleCanComeBackAndAnUnknownOneIsAnError) {
  write("tipstaff.toml", "version = 1\n[[rule]]\nname = \"Catch All Login\"\nenabled = false\n");
  EXPECT_EQ(names(), "Success after failures; Many addresses, one account; Spraying; ");
  write("conf.d/a.toml", "version = 1\n" + std::string(kRule));
  EXPECT_EQ(names(), "Success after failures; Many addresses, one account; Spraying; Catch All Login; ");
  write("conf.d/b.toml", "version = 1\n[[rule]]\nname = \"Catch All Logins\"\nenabled = false\n");
  EXPECT_EQ(names(), path("conf.d/b.toml") +
                         ":2: there is no rule named \"Catch All Logins\" to take out (did you mean "
                         "\"Catch All Login\"?); correct the name or remove these lines\n");
}

TEST_F(Layers, EachFileMustSayItsVersion) {
  write("tipstaff.toml", "[limits]\ntracked = 200\n");
  write("conf.d/a.toml", "version = 2\n");
  const LoadedConfig loaded = load();
  ASSERT_FALSE(loaded.has_value());
  ASSERT_EQ(loaded.error().size(), 2U);
  EXPECT_EQ(loaded.error()[0].message(),
            path("tipstaff.toml") + ":1: the file does not say its version; write version = 1 as its first line");
  EXPECT_EQ(loaded.error()[1].where, path("conf.d/a.toml") + ":1");
  EXPECT_NE(loaded.error()[1].text.find("version 2 is not known to this Tipstaff"), std::string::npos);
}

TEST(Config, TheStorysRulesFileIsRead) {
  const auto loaded = load_rules_file(TIPSTAFF_SOURCE_DIR "/tests/story/rules.toml");
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  ASSERT_EQ(loaded->rules.size(), 1U);
  EXPECT_EQ(loaded->rules[0].explain(), "5 failures of one address within 30m: shut out of the host for 2h.");
}

}  // namespace
}  // namespace tipstaff
