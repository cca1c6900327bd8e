// Opening, and the answers of several files put together. What rules ask for is remembered for the last addresses, since
// those who guess come many times.
#include "lookup/network_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "lookup/network_database.h"

namespace tipstaff {
namespace {

// ISO 3166-1 alpha-2, and what databases use beside it: AN, CS (former countries), FX, EU, AP, XK.
constexpr std::string_view kCountries =
    "ADAEAFAGAIALAMANAOAPAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCNCOCRCSCUCVCWCX"
    "CYCZDEDJDKDMDODZECEEEGEHERESETEUFIFJFKFMFOFRFXGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRIS"
    "ITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINL"
    "NONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTN"
    "TOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

constexpr std::size_t kRemembered = 1024;
constexpr std::string_view kInstall = "; install it with: apt-get install libloc-database";

class FactsOfFiles final : public NetworkFacts {
 public:
  Result<void> add(const std::string& path) {
    auto opened = open_one(path);
    if (!opened) return std::unexpected(opened.error());
    files_.push_back({path, (*opened)->file().mark(), std::move(*opened)});
    return {};
  }

  std::optional<NetworkFact> find(IpAddress address) override { return look(address, true); }

  NetworkOrigin origin_of(IpAddress address) override {
    Remembered& slot = remembered_[hash_of(address) % kRemembered];
    if (!slot.is_set || slot.address != address) {
      const auto fact = look(address, false);
      slot = {address, fact ? fact->origin : NetworkOrigin(), true};
    }
    return slot.origin;
  }

  [[nodiscard]] std::vector<DatabaseInfo> databases() const override {
    std::vector<DatabaseInfo> all;
    for (const File& file : files_) {
      all.push_back(file.database->info());
      all.back().path = file.path;
    }
    return all;
  }

  [[nodiscard]] std::uint64_t broken() const override {
    std::uint64_t all = broken_before_;
    for (const File& file : files_) all += file.database->broken();
    return all;
  }

  Result<bool> refresh() override {
    bool changed = false;
    for (File& file : files_) {
      const auto mark = DatabaseFile::mark_of(file.path);
      if (!mark || *mark == file.mark) continue;  // one that is gone may be on its way
      file.mark = *mark;
      auto opened = open_one(file.path);
      if (!opened) {
        Error error = opened.error();
        error.text += "; the one before stays in use";
        return std::unexpected(std::move(error));
      }
      broken_before_ += file.database->broken();
      file.database = std::move(*opened);
      file.mark = file.database->file().mark();
      changed = true;
    }
    if (changed) remembered_.assign(kRemembered, {});
    return changed;
  }

 private:
  struct File {
    std::string path;
    DatabaseFile::Mark mark;
    std::unique_ptr<NetworkDatabase> database;
  };
  struct Remembered {
    IpAddress address;
    NetworkOrigin origin;
    bool is_set = false;
  };

  static Result<std::unique_ptr<NetworkDatabase>> open_one(const std::string& path) {
    auto file = DatabaseFile::open(path);
    if (!file) return std::unexpected(file.error());
    auto database = open_network_database(std::move(*file));
    if (database) return database;
    Error error = database.error();
    error.text = "the database cannot be used: " + error.text;
    error.where = path;
    return std::unexpected(std::move(error));
  }

  std::optional<NetworkFact> look(IpAddress address, bool with_name) {
    std::optional<NetworkFact> all;
    for (const File& file : files_) {
      auto fact = file.database->find(address, with_name);
      if (!fact) continue;
      if (!all) {
        all = std::move(fact);
        continue;
      }
      if (!all->origin.country.is_known()) all->origin.country = fact->origin.country;
      if (all->origin.as_number == 0) {
        all->origin.as_number = fact->origin.as_number;
        all->as_name = std::move(fact->as_name);
      }
      all->flags.anonymous_proxy |= fact->flags.anonymous_proxy;
      all->flags.satellite |= fact->flags.satellite;
      all->flags.anycast |= fact->flags.anycast;
      all->flags.drop |= fact->flags.drop;
      if (fact->network.bits() > all->network.bits()) all->network = fact->network;
      if (fact->uniform.bits() > all->uniform.bits()) all->uniform = fact->uniform;
    }
    return all;
  }

  std::vector<File> files_;
  std::vector<Remembered> remembered_ = std::vector<Remembered>(kRemembered);
  std::uint64_t broken_before_ = 0;  // in files that were replaced
};

// Those of kDatabasePlaces that can be used, the newest alone; the error of one that is there and cannot, else nothing.
Result<std::unique_ptr<NetworkFacts>> open_found() {
  std::unique_ptr<NetworkFacts> best;
  std::optional<Error> error;
  for (const char* path : kDatabasePlaces) {
    auto facts = std::make_unique<FactsOfFiles>();
    if (const auto added = facts->add(path); !added) {
      if (added.error().kind != ErrorKind::not_found) error = added.error();
    } else if (!best || facts->databases().front().built > best->databases().front().built) {
      best = std::move(facts);
    }
  }
  if (best) return best;
  if (error) return std::unexpected(std::move(*error));
  return fail(ErrorKind::not_found, fmt::format("there is no database of countries and networks on this machine{}, or "
                                                "name another one in [lookups] databases",
                                                kInstall));
}

}  // namespace

std::optional<CountryCode> CountryCode::parse(std::string_view text) {
  if (text.size() != 2) return std::nullopt;
  CountryCode code;
  for (const char c : text) {
    const char upper = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (upper < 'A' || upper > 'Z') return std::nullopt;
    code.value_ = static_cast<std::uint16_t>(code.value_ << 8U | static_cast<unsigned char>(upper));
  }
  return code;
}

std::string CountryCode::to_string() const {
  if (value_ == 0) return {};
  return {static_cast<char>(value_ >> 8U), static_cast<char>(value_ & 0xffU)};
}

bool is_country(CountryCode code) {
  const std::string text = code.to_string();
  if (text.empty()) return false;
  if (text[0] == 'X' || text == "AA" || text == "ZZ" || (text[0] == 'Q' && text[1] >= 'M')) return true;
  for (std::size_t i = 0; i < kCountries.size(); i += 2) {
    if (kCountries.substr(i, 2) == text) return true;
  }
  return false;
}

std::vector<std::string_view> to_words(const NetworkFlags& flags) {
  std::vector<std::string_view> words;
  if (flags.anonymous_proxy) words.emplace_back("anonymous proxy");
  if (flags.satellite) words.emplace_back("satellite");
  if (flags.anycast) words.emplace_back("anycast");
  if (flags.drop) words.emplace_back("drop");
  return words;
}

std::string database_text(std::string text) {
  if (text.size() > kMostDatabaseText) text.resize(kMostDatabaseText);
  return printable(to_utf8(text));
}

IpNetwork network_of_bits(IpAddress address, unsigned bits) {
  if (!address.is_v4()) return {address, std::min(bits, 128U)};
  return {address, bits < 96 ? 0 : std::min(bits - 96, 32U)};
}

Result<std::unique_ptr<NetworkDatabase>> open_network_database(DatabaseFile file) {
  const auto begin = file.text(0, 7);
  if (begin && *begin == "LOCDBXX") return open_libloc(std::move(file));
  auto database = open_mmdb(std::move(file));
  if (!database && database.error().kind == ErrorKind::invalid && !database.error().text.contains("version"))
    return fail(ErrorKind::invalid, "it is neither a database of libloc nor of MaxMind's format, or it is cut off");
  return database;
}

Result<std::unique_ptr<NetworkFacts>> open_network_facts(const std::vector<std::string>& paths) {
  if (paths.empty()) return open_found();
  if (paths.size() > kMostDatabases)
    return fail(ErrorKind::invalid, fmt::format("there are more than {} databases", kMostDatabases));
  auto facts = std::make_unique<FactsOfFiles>();
  for (const std::string& path : paths) {
    if (auto added = facts->add(path); !added) return std::unexpected(added.error());
  }
  return facts;
}

}  // namespace tipstaff
