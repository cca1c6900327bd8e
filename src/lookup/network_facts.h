// What network an address belongs to: country, autonomous system, and what is known of the network's kind, by a database on
// this machine. Nothing is asked of anybody else, so there is no switch for it. The databases are libloc's (Debian:
// libloc-database) and files in MaxMind's format; both are read by our own code (database_file.h), because whoever guards
// must not fall over a broken or hostile file, and because a program that starts in milliseconds loads no library for it.
//
// Who announces a network is not who sits in it: a country or an AS is a hint for a person and a number to count by.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// Two capital letters of ISO 3166-1 alpha-2, or none.
class CountryCode {
 public:
  constexpr CountryCode() = default;
  /// Two letters of any case; nothing where it is anything else. Whether a country has the code is is_country()'s to say.
  [[nodiscard]] static std::optional<CountryCode> parse(std::string_view text);
  /// "DE", or "".
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr bool is_known() const { return value_ != 0; }
  [[nodiscard]] constexpr std::uint16_t value() const { return value_; }
  constexpr auto operator<=>(const CountryCode&) const = default;

 private:
  std::uint16_t value_ = 0;  // the letters, the first one high
};

/// Whether the code is one of ISO 3166-1, or one that databases use beside it (XK Kosovo, EU and AP for regions; the code
/// elements AA, QM to QZ, XA to XZ and ZZ, which ISO leaves to users and no country will have, for tests and own data).
[[nodiscard]] bool is_country(CountryCode code);

/// What rules count by and match.
struct NetworkOrigin {
  CountryCode country;
  std::uint32_t as_number = 0;  ///< 0: not known
  bool operator==(const NetworkOrigin&) const = default;
};

/// What the database says of a network's kind. "drop": networks run by criminals, by their own list.
struct NetworkFlags {
  bool anonymous_proxy = false;
  bool satellite = false;
  bool anycast = false;
  bool drop = false;
  bool operator==(const NetworkFlags&) const = default;
};
/// "anonymous proxy", "satellite", "anycast", "drop": those that are set.
[[nodiscard]] std::vector<std::string_view> to_words(const NetworkFlags& flags);

/// What is known of an address's network.
struct NetworkFact {
  NetworkOrigin origin;
  std::string as_name;  ///< printable UTF-8 of at most 128 bytes; may be empty. A stranger chose it: text, not markup
  IpNetwork network;    ///< as the database has it; parts of it may be told of separately
  IpNetwork uniform;    ///< around the address, in `network`: all of it has this origin and these flags
  NetworkFlags flags;
  bool operator==(const NetworkFact&) const = default;
};

/// A database in use.
struct DatabaseInfo {
  std::string path;
  std::string name;    ///< "libloc, IPFire Project", "GeoLite2-Country": who made it, printable, at most 128 bytes
  Instant built{};     ///< its own date
  std::string notice;  ///< licence or source to be named with its facts; may be empty
};

/// Facts about networks. Belongs to one thread: look-ups keep pages of the file.
class NetworkFacts {
 public:
  virtual ~NetworkFacts() = default;
  /// Nothing: no database knows the address. A page that cannot be read, or makes no sense, is that too, and counted.
  [[nodiscard]] virtual std::optional<NetworkFact> find(IpAddress address) = 0;
  /// Country and AS alone, without an allocation: for rules. Both unknown: nothing was found.
  [[nodiscard]] virtual NetworkOrigin origin_of(IpAddress address) = 0;
  [[nodiscard]] virtual std::vector<DatabaseInfo> databases() const = 0;
  /// Look-ups that ended at a place of a file that makes no sense or could not be read.
  [[nodiscard]] virtual std::uint64_t broken() const = 0;
  /// Takes up files that were replaced since; looks at their dates only. True: one was. Errors: a new one cannot be used,
  /// told once; the old one stays in use.
  [[nodiscard]] virtual Result<bool> refresh() = 0;
};

/// Where libloc's database lies: what `location update` fetched, and what the package brought.
inline constexpr std::array kDatabasePlaces = {"/var/lib/location/database.db",
                                               "/usr/share/libloc-location/location.db"};
/// Databases of one NetworkFacts.
inline constexpr std::size_t kMostDatabases = 4;

/// Opens the files, each by what it begins or ends with; where several are given (a country file and an AS file) the
/// first that knows a thing says it. Empty: the newer of those of kDatabasePlaces that are there. Errors: not_found, with
/// the package to install; unavailable; corrupt; each names the file.
[[nodiscard]] Result<std::unique_ptr<NetworkFacts>> open_network_facts(const std::vector<std::string>& paths);

}  // namespace tipstaff
