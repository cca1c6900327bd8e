// `tipstaff lookup`, and what scan, check and explain do with rules that ask for countries and ASs.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "lookup/database_testing.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

using namespace testing_lookup;

class LookupCommandTest : public testing::Test {
 protected:
  LookupCommandTest() {
    file("location.db", libloc_bytes(test_networks()));
    file("test.mmdb", mmdb_bytes(test_networks()));
  }
  std::string file(const std::string& name, const std::string& bytes) {
    write_file(folder_.path() / name, bytes);
    return (folder_.path() / name).string();
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] Said lookup(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), "lookup");
    return tipstaff(arguments, {.folder = folder_.path()});
  }

  TemporaryFolder folder_;
};

TEST_F(LookupCommandTest, SaysWhatTheDatabaseKnows) {
  const Said said = lookup({"--database", path("location.db"), "198.51.100.23", "203.0.113.241", "10.0.0.1"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out,
            "198.51.100.23\n  country  XX\n  AS       AS64502, PARLIAMENT-NET\n  network  198.51.100.0/24\n"
            "203.0.113.241\n  country  XC\n  AS       AS64503, Bad Net\n  network  203.0.113.240/28\n"
            "  flags    anonymous proxy, satellite\n"
            "10.0.0.1\n  the database does not know it\n"
            "database: libloc, Testers of 2026-01-02 (" +
                path("location.db") + "), None\n");
  EXPECT_EQ(said.err, "");
}

TEST_F(LookupCommandTest, SaysItAsJson) {
  const Said said = lookup({"--json", "--database", path("test.mmdb"), "203.0.113.77", "10.0.0.1"});
  EXPECT_EQ(said.code, 0) << said.err;
  const boost::json::value all = boost::json::parse(said.out);
  EXPECT_EQ(boost::json::serialize(all.at("addresses")),
            R"([{"address":"203.0.113.77","country":null,"as":64500,"as_name":"Example Net","network":"203.0.113.77",)"
            R"("flags":[]},{"address":"10.0.0.1","country":null,"as":null,"as_name":null,"network":null,"flags":[]}])");
  EXPECT_EQ(all.at("databases").at(0).at("name").as_string(), "Test-Country");
  EXPECT_EQ(all.at("databases").at(0).at("date").as_string(), "2026-01-02T03:04:05Z");
}

TEST_F(LookupCommandTest, SaysWhatIsWrong) {
  EXPECT_EQ(lookup({"example.com"}).code, 2);
  EXPECT_EQ(lookup({"example.com"}).err, "tipstaff lookup: 'example.com' is no address\n");
  const Said missing = lookup({"--database", path("none.db"), "192.0.2.1"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(missing.err,
            "tipstaff lookup: " + path("none.db") + ": the database cannot be read: No such file or directory\n");
  file("broken.db", libloc_bytes(test_networks()).substr(0, 9000));
  EXPECT_TRUE(lookup({"--database", path("broken.db"), "192.0.2.1"}).err.contains("cut off or damaged"));
  std::string damaged = libloc_bytes(test_networks(), kTestDate, 128);
  const std::size_t tree = damaged.size() / 2;
  for (std::size_t i = tree; i < tree + 400; ++i) damaged[i] = '\x7f';
  file("damaged.db", damaged);
  const Said said = lookup({"--database", path("damaged.db"), "198.51.100.23"});
  EXPECT_EQ(said.code, 1) << said.out << said.err;
}

TEST_F(LookupCommandTest, RulesOfAScanAskTheDatabase) {
  std::string log;
  for (const char* address : {"192.0.2.1", "198.51.100.23", "203.0.113.76", "10.0.0.1"}) {
    for (int i = 0; i < 2; ++i)
      log += "2026-11-20T18:04:0" + std::to_string(i) + "Z host-a sshd[" + std::to_string(log.size()) +
             "]: Failed password for root from " + address + " port 4022 ssh2\n";
  }
  const std::string rule =
      "[[rule]]\nname = \"Not XA\"\ntrigger_window = \"10m\"\noccurrences = 2\nlockout = \"1h\"\n"
      "match = { not_country = \"XA\", not_as = 64502 }\n";
  file("rules.toml", "[lookups]\ndatabases = [\"" + path("location.db") + "\"]\n" + rule);
  Said said = tipstaff({"scan", "--format", "none", "--rules", path("rules.toml"), "-"}, {.input = log});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_FALSE(said.out.contains("192.0.2.1 on host-a by")) << said.out;
  EXPECT_FALSE(said.out.contains("10.0.0.1 on host-a by")) << said.out;
  EXPECT_FALSE(said.out.contains("198.51.100.23 on host-a by")) << said.out;
  // the AS of 203.0.113.76 is not known, so it does not fit either; without not_as it does
  EXPECT_FALSE(said.out.contains("203.0.113.76 on host-a by")) << said.out;
  const std::string by_country = rule.substr(0, rule.find(", not_as")) + " }\n";
  file("rules.toml", "[lookups]\ndatabases = [\"" + path("location.db") + "\"]\n" + by_country);
  said = tipstaff({"scan", "--format", "none", "--rules", path("rules.toml"), "-"}, {.input = log});
  EXPECT_TRUE(said.out.contains("203.0.113.76 on host-a by \"Not XA\"")) << said.out;
  EXPECT_TRUE(said.out.contains("198.51.100.23 on host-a by \"Not XA\"")) << said.out;
  EXPECT_FALSE(said.out.contains("192.0.2.1 on host-a by")) << said.out;

  file("rules.toml", "[lookups]\ndatabases = [\"" + path("none.db") + "\"]\n" + by_country);
  said = tipstaff({"scan", "--format", "none", "--rules", path("rules.toml"), "-"}, {.input = log});
  EXPECT_EQ(said.code, 0);
  EXPECT_TRUE(said.err.contains("rules.toml:3: rule \"Not XA\" asks for the country or AS")) << said.err;
  EXPECT_FALSE(said.out.contains("on host-a by")) << said.out;
  said = tipstaff({"check", "--rules", path("rules.toml")});
  EXPECT_EQ(said.code, 0);
  EXPECT_TRUE(said.err.contains("warning: " + path("rules.toml") + ":3: rule \"Not XA\"")) << said.err;
}

}  // namespace
}  // namespace tipstaff
