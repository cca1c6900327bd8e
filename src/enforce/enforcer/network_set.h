// Networks that are never shut, and the one question about them: does a network lie wholly inside one of them? Held sorted;
// a question costs one search for each prefix length in use.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/address.h"

namespace tipstaff {

class NetworkSet {
 public:
  NetworkSet() = default;
  /// In any order, also doubled.
  explicit NetworkSet(std::vector<IpNetwork> networks);

  [[nodiscard]] const std::vector<IpNetwork>& networks() const { return networks_; }
  [[nodiscard]] bool covers(const IpNetwork& network) const;
  /// The addresses of one family as ranges, first and last, that neither overlap nor touch, in their order.
  [[nodiscard]] std::vector<std::pair<IpAddress, IpAddress>> ranges(bool v6) const;
  bool operator==(const NetworkSet&) const = default;

 private:
  std::vector<IpNetwork> networks_;
  std::vector<std::pair<bool, std::uint8_t>> lengths_;  // v6, bits
};

/// The last address of a network.
[[nodiscard]] IpAddress last_of(const IpNetwork& network);
/// The address after it, none where it is the family's last.
[[nodiscard]] std::optional<IpAddress> next_of(IpAddress address);

}  // namespace tipstaff
