// Networks that are exempt: the allowlist, this machine's own addresses, a rule's `exempt`. Asked for every attempt, so
// the networks are merged into sorted ranges once; the list as written is kept to say which entry it was, and where
// it stands. DNS names, countries and the like are not known here.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"

namespace tipstaff {

/// One exempt network and who says so ("file:line", or words).
struct Exemption {
  IpNetwork network;
  std::string where;
};

/// An immutable set of networks.
class Exemptions {
 public:
  Exemptions() = default;
  explicit Exemptions(std::vector<Exemption> entries);

  [[nodiscard]] bool contains(IpAddress address) const;
  /// The first entry that holds the address; nullptr if none does. Linear: for explanations.
  [[nodiscard]] const Exemption* find(IpAddress address) const;
  [[nodiscard]] const std::vector<Exemption>& entries() const { return entries_; }

 private:
  struct Range {
    IpAddress first;
    IpAddress last;
  };
  std::vector<Exemption> entries_;
  std::vector<Range> ranges_;  // sorted, apart
};

}  // namespace tipstaff
