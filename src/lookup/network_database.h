// One database file of network_facts.h, in either format. Both are a binary tree over the bits of an address whose nodes
// lead to a record; how nodes and records are written is theirs.
//   libloc: https://git.ipfire.org (location/libloc), struct layouts of format version 1
//   MaxMind DB: https://maxmind.github.io/MaxMind-DB/, format version 2
// Nothing in a file is trusted: offsets are checked, depths and numbers of steps are bounded, texts are cut and made
// printable. A record that makes no sense is no record, and is counted.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lookup/database_file.h"
#include "lookup/network_facts.h"

namespace tipstaff {

class NetworkDatabase {
 public:
  virtual ~NetworkDatabase() = default;
  /// `with_name`: also the AS's name, which costs as much again.
  [[nodiscard]] virtual std::optional<NetworkFact> find(IpAddress address, bool with_name) = 0;
  /// Without the path.
  [[nodiscard]] virtual const DatabaseInfo& info() const = 0;
  [[nodiscard]] virtual const DatabaseFile& file() const = 0;
  [[nodiscard]] virtual std::uint64_t broken() const = 0;
};

/// Errors: invalid (it is not of this format), corrupt (it is, and makes no sense).
[[nodiscard]] Result<std::unique_ptr<NetworkDatabase>> open_libloc(DatabaseFile file);
[[nodiscard]] Result<std::unique_ptr<NetworkDatabase>> open_mmdb(DatabaseFile file);
/// By what it begins with, else by what it ends with.
[[nodiscard]] Result<std::unique_ptr<NetworkDatabase>> open_network_database(DatabaseFile file);

/// A database's text, cut to kMostDatabaseText bytes and made printable.
inline constexpr std::size_t kMostDatabaseText = 128;
[[nodiscard]] std::string database_text(std::string text);
/// Bit `i` of the address, 0 the highest of the 128.
[[nodiscard]] constexpr unsigned bit_of(IpAddress address, unsigned i) {
  return static_cast<unsigned>((i < 64 ? address.high() >> (63 - i) : address.low() >> (127 - i)) & 1U);
}
/// The network of the address's first `bits` of 128; of IPv4 those behind ::ffff:0:0/96, at least none.
[[nodiscard]] IpNetwork network_of_bits(IpAddress address, unsigned bits);

}  // namespace tipstaff
