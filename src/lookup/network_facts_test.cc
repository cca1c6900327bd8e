#include "lookup/network_facts.h"

#include <gtest/gtest.h>
#include <maxminddb.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "lookup/database_testing.h"

extern "C" {
#include <libloc/database.h>
#include <libloc/libloc.h>
#include <libloc/network.h>
}

namespace tipstaff {
namespace {

using namespace testing_lookup;
namespace fs = std::filesystem;

constexpr const char* kShipped = "/usr/share/libloc-location/location.db";

class NetworkFactsTest : public testing::Test {
 protected:
  NetworkFactsTest() {
    std::string pattern = (fs::temp_directory_path() / "tipstaff-facts-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~NetworkFactsTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    const std::string draft = path + ".new";
    std::ofstream(draft, std::ios::binary) << bytes;
    fs::rename(draft, path);
    return path;
  }
  std::unique_ptr<NetworkFacts> open(const std::vector<std::string>& paths) {
    auto facts = open_network_facts(paths);
    EXPECT_TRUE(facts.has_value()) << facts.error().message();
    return facts ? std::move(*facts) : nullptr;
  }

  fs::path folder_;
};

std::string words(NetworkFacts& facts, std::string_view address) {
  const auto fact = facts.find(*IpAddress::parse(address));
  if (!fact) return "none";
  std::string text = fact->origin.country.to_string() + " " + std::to_string(fact->origin.as_number) + " " +
                     fact->as_name + " " + fact->network.to_string() + " in " + fact->uniform.to_string();
  for (const std::string_view flag : to_words(fact->flags)) text += " +" + std::string(flag);
  EXPECT_EQ(facts.origin_of(*IpAddress::parse(address)), fact->origin);
  return text;
}

TEST_F(NetworkFactsTest, ReadsLibloc) {
  const auto facts = open({write("location.db", libloc_bytes(test_networks()))});
  ASSERT_TRUE(facts);
  const auto info = facts->databases();
  ASSERT_EQ(info.size(), 1U);
  EXPECT_EQ(info[0].name, "libloc, Testers");
  EXPECT_EQ(info[0].notice, "None");
  EXPECT_EQ(to_rfc3339(info[0].built), "2026-01-02T03:04:05Z");
  EXPECT_EQ(words(*facts, "192.0.2.1"), "XA 64500 Example Net 192.0.2.0/24 in 192.0.2.0/25");
  EXPECT_EQ(words(*facts, "192.0.2.200"), "XB 64501 Second Net 192.0.2.128/25 in 192.0.2.128/25 +anycast");
  EXPECT_EQ(words(*facts, "198.51.100.23"), "XX 64502 PARLIAMENT-NET 198.51.100.0/24 in 198.51.100.0/24");
  EXPECT_EQ(words(*facts, "203.0.113.76"), "XC 0  203.0.113.0/24 in 203.0.113.76");
  EXPECT_EQ(words(*facts, "203.0.113.77"), " 64500 Example Net 203.0.113.77 in 203.0.113.77");
  EXPECT_EQ(words(*facts, "203.0.113.241"),
            "XC 64503 Bad Net 203.0.113.240/28 in 203.0.113.240/28 +anonymous proxy +satellite");
  EXPECT_EQ(words(*facts, "2001:db8:77::5"), "XB 64501 Second Net 2001:db8:77::/48 in 2001:db8:77::/48");
  EXPECT_EQ(words(*facts, "2001:db8:78::5"), "XA 64500 Example Net 2001:db8::/32 in 2001:db8:78::/45");
  for (const char* none : {"192.0.3.1", "10.0.0.1", "2001:db9::1", "::1", "255.255.255.255"})
    EXPECT_EQ(words(*facts, none), "none") << none;
  EXPECT_EQ(facts->origin_of(*IpAddress::parse("10.0.0.1")), NetworkOrigin());
  EXPECT_EQ(facts->broken(), 0U);
}

TEST_F(NetworkFactsTest, ReadsMaxMindFilesOfEachKind) {
  for (const unsigned bits : {24U, 28U, 32U}) {
    for (const bool pointers : {false, true}) {
      const auto facts = open({write("test.mmdb", mmdb_bytes(test_networks(), bits, true, pointers))});
      ASSERT_TRUE(facts) << bits;
      EXPECT_EQ(facts->databases()[0].name, "Test-Country");
      EXPECT_EQ(facts->databases()[0].notice, "A test");
      EXPECT_EQ(to_rfc3339(facts->databases()[0].built), "2026-01-02T03:04:05Z");
      EXPECT_EQ(words(*facts, "192.0.2.1"), "XA 64500 Example Net 192.0.2.0/25 in 192.0.2.0/25");
      EXPECT_EQ(words(*facts, "192.0.2.200"), "XB 64501 Second Net 192.0.2.128/25 in 192.0.2.128/25 +anycast");
      EXPECT_EQ(words(*facts, "203.0.113.241"),
                "XC 64503 Bad Net 203.0.113.240/28 in 203.0.113.240/28 +anonymous proxy +satellite");
      EXPECT_EQ(words(*facts, "2001:db8:77::5"), "XB 64501 Second Net 2001:db8:77::/48 in 2001:db8:77::/48");
      for (const char* none : {"192.0.3.1", "10.0.0.1", "2001:db9::1", "::1"})
        EXPECT_EQ(words(*facts, none), "none") << none;
      EXPECT_EQ(facts->broken(), 0U);
    }
  }
  std::vector<TestNetwork> v4 = test_networks();
  v4.resize(6);
  const auto facts = open({write("v4.mmdb", mmdb_bytes(v4, 24, false))});
  ASSERT_TRUE(facts);
  // a file of IPv4 begins where the others' IPv4 does
  EXPECT_EQ(words(*facts, "192.0.2.200"), "XB 64501 Second Net 192.0.2.128/25 in 192.0.2.128/25 +anycast");
  EXPECT_EQ(words(*facts, "2001:db8:77::5"), "none");
}

TEST_F(NetworkFactsTest, PutsACountryFileAndAnAsFileTogether) {
  const std::string countries = write("c.mmdb", mmdb_bytes({{"192.0.2.0/24", "XA", 0, "", {}}}));
  const std::string ases = write("a.mmdb", mmdb_bytes({{"192.0.2.0/26", "XB", 64500, "Example Net", {}}}));
  const auto facts = open({countries, ases});
  ASSERT_TRUE(facts);
  EXPECT_EQ(words(*facts, "192.0.2.1"), "XA 64500 Example Net 192.0.2.0/26 in 192.0.2.0/26");
  EXPECT_EQ(words(*facts, "192.0.2.64"), "XA 0  192.0.2.0/24 in 192.0.2.0/24");
}

TEST_F(NetworkFactsTest, TakesUpAFileThatWasReplaced) {
  const std::string path = write("location.db", libloc_bytes({{"192.0.2.0/24", "XA", 0, "", {}}}));
  const auto facts = open({path});
  ASSERT_TRUE(facts);
  EXPECT_EQ(words(*facts, "192.0.2.1"), "XA 0  192.0.2.0/24 in 192.0.2.0/24");
  EXPECT_FALSE(facts->refresh().value());
  write("location.db", libloc_bytes({{"192.0.2.0/24", "XB", 0, "", {}}}));
  EXPECT_TRUE(facts->refresh().value());
  EXPECT_EQ(words(*facts, "192.0.2.1"), "XB 0  192.0.2.0/24 in 192.0.2.0/24");
  write("location.db", "nonsense");
  const auto refreshed = facts->refresh();
  ASSERT_FALSE(refreshed.has_value());
  EXPECT_TRUE(refreshed.error().text.contains("the one before stays in use")) << refreshed.error().text;
  EXPECT_FALSE(facts->refresh().value());  // told once
  EXPECT_EQ(words(*facts, "192.0.2.1"), "XB 0  192.0.2.0/24 in 192.0.2.0/24");
  fs::remove(path);
  EXPECT_FALSE(facts->refresh().value());
}

TEST_F(NetworkFactsTest, SurvivesAFileThatIsCutShortWhileInUse) {
  std::vector<TestNetwork> many;
  for (int i = 0; i < 2000; ++i)
    many.push_back({"10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".0/24", "XA", 64500, "N", {}});
  for (const auto& bytes : {libloc_bytes(many), mmdb_bytes(many)}) {
    const std::string path = write("used.db", bytes);
    const auto facts = open({path});
    ASSERT_TRUE(facts);
    EXPECT_TRUE(facts->find(*IpAddress::parse("10.0.0.1")).has_value());
    fs::resize_file(path, 100);
    EXPECT_FALSE(facts->find(*IpAddress::parse("10.1.200.1")).has_value());
    EXPECT_GT(facts->broken(), 0U);
  }
}

TEST_F(NetworkFactsTest, SaysWhatIsWrongWithAFile) {
  const auto error = [&](const std::vector<std::string>& paths) {
    const auto facts = open_network_facts(paths);
    return facts ? std::string("good") : facts.error().message();
  };
  const std::string path = folder_ / "x";
  EXPECT_EQ(error({path}), path + ": the database cannot be read: No such file or directory");
  EXPECT_EQ(error({folder_.string()}), folder_.string() + ": the database is no regular file");
  const std::string used = path + ": the database cannot be used: ";
  const std::string neither = used + "it is neither a database of libloc nor of MaxMind's format, or it is cut off";
  for (const std::string& bytes : {std::string(), std::string("x"), std::string(5000, '\0')}) {
    write("x", bytes);
    EXPECT_EQ(error({path}), neither);
  }
  const std::string libloc = libloc_bytes(test_networks());
  write("x", libloc.substr(0, 40));
  EXPECT_EQ(error({path}), used + "it is cut off within its head");
  write("x", libloc.substr(0, 9000));
  EXPECT_EQ(error({path}), used + "a table of it lies behind its end: it is cut off or damaged");
  write("x", "LOCDBXX\x02" + libloc.substr(8));
  EXPECT_EQ(error({path}), used + "it is of a version of libloc's format that is not known here");
  write("x", libloc_bytes(test_networks(), ~0ULL));
  EXPECT_EQ(error({path}), used + "its date makes no sense");
  const std::string mmdb = mmdb_bytes(test_networks());
  write("x", mmdb.substr(mmdb.size() / 2));
  EXPECT_EQ(error({path}), used + "its tree lies behind its end: it is cut off or damaged");
  write("x", mmdb.substr(0, mmdb.size() - 20));
  EXPECT_EQ(error({path}), used + "its description of itself is damaged");
  EXPECT_EQ(error(std::vector<std::string>(5, path)), "there are more than 4 databases");
}

// Any byte of a file may be anything: no crash, no long walk, and mostly still an answer.
TEST_F(NetworkFactsTest, BearsAnyBrokenByte) {
  std::mt19937 dice(5);
  for (const auto& bytes : {libloc_bytes(test_networks()), mmdb_bytes(test_networks(), 28, true, true)}) {
    const bool is_libloc = bytes.starts_with("LOCDB");
    std::size_t opened = 0;
    for (int round = 0; round < 3000; ++round) {
      std::string broken = bytes;
      // what is read of libloc's file is its head and the tables; the rest is padding
      const std::size_t from = is_libloc && round % 2 == 0 ? 8192 : 0;
      const std::size_t range = is_libloc && round % 2 != 0 ? 80 : broken.size() - from;
      for (unsigned i = 0; i <= dice() % 4; ++i) broken[from + dice() % range] = static_cast<char>(dice());
      auto database = open_network_database(DatabaseFile::of_bytes(std::move(broken)));
      if (!database) continue;
      ++opened;
      for (const char* address : {"192.0.2.1", "203.0.113.77", "198.51.100.1", "2001:db8:77::5", "::1"})
        std::ignore = (*database)->find(*IpAddress::parse(address), true);
    }
    EXPECT_GT(opened, 500U);
  }
}

TEST(CountryCode, ReadsTwoLettersAndKnowsCountries) {
  EXPECT_EQ(CountryCode::parse("de")->to_string(), "DE");
  for (const char* bad : {"", "D", "DEU", "D1", "1D", "\xc3\xa4"}) EXPECT_FALSE(CountryCode::parse(bad)) << bad;
  for (const char* good : {"DE", "SE", "AD", "ZW", "XK", "EU", "XX", "QM", "ZZ", "AA"})
    EXPECT_TRUE(is_country(*CountryCode::parse(good))) << good;
  for (const char* bad : {"UK", "DD", "QB", "ZX", "AB", "JA"})
    EXPECT_FALSE(is_country(*CountryCode::parse(bad))) << bad;
  EXPECT_EQ(CountryCode().to_string(), "");
  EXPECT_FALSE(is_country({}));
}

// --- compared with the formats' own libraries ---

struct LiblocReader {
  explicit LiblocReader(const std::string& path) {
    EXPECT_EQ(::loc_new(&context), 0);
    file = std::fopen(path.c_str(), "rb");
    EXPECT_EQ(::loc_database_new(context, &database, file), 0);
  }
  ~LiblocReader() {
    ::loc_database_unref(database);
    ::loc_unref(context);
    std::fclose(file);
  }
  LiblocReader(const LiblocReader&) = delete;
  LiblocReader& operator=(const LiblocReader&) = delete;

  std::string words(const std::string& address) const {
    ::loc_network* network = nullptr;
    if (::loc_database_lookup_from_string(database, address.c_str(), &network) != 0 || network == nullptr)
      return "none";
    const char* const code = ::loc_network_get_country_code(network);
    const auto country = CountryCode::parse(code == nullptr ? "" : code);
    std::string text = (country ? country->to_string() : "") + " " + std::to_string(::loc_network_get_asn(network));
    text += " " + IpNetwork::parse(::loc_network_str(network))->to_string();
    for (const auto& [flag, word] :
         {std::pair(LOC_NETWORK_FLAG_ANONYMOUS_PROXY, " +anonymous proxy"),
          std::pair(LOC_NETWORK_FLAG_SATELLITE_PROVIDER, " +satellite"),
          std::pair(LOC_NETWORK_FLAG_ANYCAST, " +anycast"), std::pair(LOC_NETWORK_FLAG_DROP, " +drop")}) {
      if (::loc_network_has_flag(network, static_cast<std::uint32_t>(flag)) != 0) text += word;
    }
    ::loc_network_unref(network);
    return text;
  }

  ::loc_ctx* context = nullptr;
  ::loc_database* database = nullptr;
  std::FILE* file = nullptr;
};

std::string short_words(NetworkFacts& facts, IpAddress address) {
  const auto fact = facts.find(address);
  if (!fact) return "none";
  std::string text =
      fact->origin.country.to_string() + " " + std::to_string(fact->origin.as_number) + " " + fact->network.to_string();
  for (const std::string_view flag : to_words(fact->flags)) text += " +" + std::string(flag);
  return text;
}

TEST_F(NetworkFactsTest, SaysWhatLiblocSays) {
  std::vector<TestNetwork> networks = test_networks();
  for (TestNetwork& one : networks) {  // libloc knows no countries of tests
    if (!one.country.empty()) one.country = one.country == "XA" ? "SE" : one.country == "XB" ? "FI" : "NO";
  }
  const std::string made = write("location.db", libloc_bytes(networks));
  for (const std::string& path : {made, std::string(kShipped)}) {
    ASSERT_TRUE(fs::exists(path)) << path << ": install libloc-database";
    const LiblocReader libloc(path);
    const auto facts = open({path});
    ASSERT_TRUE(facts);
    std::mt19937_64 dice(7);
    for (int i = 0; i < 20'000; ++i) {
      const auto number = static_cast<std::uint32_t>(dice());
      const IpAddress address = path == made ? i % 2 == 0 ? IpAddress::v4(0xc0000200U | (number & 0xffU))
                                                          : IpAddress::v4(0xcb007100U | (number & 0xffU))
                                : i % 3 == 0 ? IpAddress(0x2000'0000'0000'0000ULL | (dice() >> 6U), dice())
                                             : IpAddress::v4(number);
      ASSERT_EQ(short_words(*facts, address), libloc.words(address.to_string())) << address.to_string();
    }
    EXPECT_EQ(facts->broken(), 0U);
  }
}

TEST_F(NetworkFactsTest, SaysWhatLibmaxminddbSays) {
  for (const unsigned bits : {24U, 28U, 32U}) {
    const std::string path = write("test.mmdb", mmdb_bytes(test_networks(), bits, true, true));
    const auto facts = open({path});
    ASSERT_TRUE(facts);
    MMDB_s mmdb{};
    ASSERT_EQ(::MMDB_open(path.c_str(), MMDB_MODE_MMAP, &mmdb), MMDB_SUCCESS);
    for (unsigned i = 0; i < 768; ++i) {
      const unsigned base = i < 256 ? 0xc0000200U : i < 512 ? 0xcb007100U : 0xc6336400U;
      const IpAddress address = IpAddress::v4(base | (i & 0xffU));
      int name_error = 0;
      int error = 0;
      MMDB_lookup_result_s found = ::MMDB_lookup_string(&mmdb, address.to_string().c_str(), &name_error, &error);
      ASSERT_EQ(name_error + error, 0);
      const auto fact = facts->find(address);
      ASSERT_EQ(found.found_entry, fact.has_value()) << address.to_string();
      if (!fact) continue;
      EXPECT_EQ(found.netmask - 96, fact->network.bits());
      MMDB_entry_data_s data{};
      if (fact->origin.country.is_known()) {
        ASSERT_EQ(::MMDB_get_value(&found.entry, &data, "country", "iso_code", nullptr), MMDB_SUCCESS);
        EXPECT_EQ(std::string(data.utf8_string, data.data_size), fact->origin.country.to_string());
      }
      if (fact->origin.as_number != 0) {
        ASSERT_EQ(::MMDB_get_value(&found.entry, &data, "autonomous_system_number", nullptr), MMDB_SUCCESS);
        EXPECT_EQ(data.uint32, fact->origin.as_number);
      }
    }
    ::MMDB_close(&mmdb);
  }
}

}  // namespace
}  // namespace tipstaff
