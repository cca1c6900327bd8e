// Networks that are exempt: the allowlist, this machine's own addresses, a rule's `exempt`, and what is found out while the
// guard runs (exemption_sources.h). Asked for every attempt, so the networks are merged into sorted ranges once; the list
// as written is kept to say which entry it was, and who says so. How names and sessions become networks is not known here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace tipstaff {

/// Why a network is exempt.
enum class ExemptionKind : std::uint8_t { listed, name, proxy, own, gateway, session, support };

/// "trusted proxy", "own address": a word for people.
[[nodiscard]] std::string_view to_text(ExemptionKind kind);

/// One exempt network and who says so ("file:line", or words).
struct Exemption {
  IpNetwork network;
  std::string where;
  ExemptionKind kind = ExemptionKind::listed;
  bool operator==(const Exemption&) const = default;
};

/// An immutable set of networks; shared by pointer where it is replaced while the program runs.
class Exemptions {
 public:
  Exemptions() = default;
  explicit Exemptions(std::vector<Exemption> entries);

  [[nodiscard]] bool contains(IpAddress address) const;
  /// Whether any address of the network is exempt.
  [[nodiscard]] bool overlaps(const IpNetwork& network) const;
  /// The first entry that holds the address; nullptr if none does. Linear: for explanations.
  [[nodiscard]] const Exemption* find(IpAddress address) const;
  /// The first entry that has an address in common with the network. Linear.
  [[nodiscard]] const Exemption* find(const IpNetwork& network) const;
  [[nodiscard]] const std::vector<Exemption>& entries() const { return entries_; }

 private:
  struct Range {
    IpAddress first;
    IpAddress last;
  };
  static void add_ranges(const IpNetwork& network, std::vector<Range>& ranges);
  std::vector<Exemption> entries_;
  std::vector<Range> ranges_;  // sorted, apart
};

/// The networks of all of them, sorted, without those that lie within another: for who enforces.
[[nodiscard]] std::vector<IpNetwork> networks_of(const std::vector<const Exemptions*>& sets);

}  // namespace tipstaff
