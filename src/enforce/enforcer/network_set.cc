#include "enforce/enforcer/network_set.h"

#include <algorithm>

namespace tipstaff {

NetworkSet::NetworkSet(std::vector<IpNetwork> networks) : networks_(std::move(networks)) {
  std::ranges::sort(networks_);
  networks_.erase(std::ranges::unique(networks_).begin(), networks_.end());
  for (const IpNetwork& network : networks_) {
    lengths_.emplace_back(!network.address().is_v4(), static_cast<std::uint8_t>(network.bits()));
  }
  std::ranges::sort(lengths_);
  lengths_.erase(std::ranges::unique(lengths_).begin(), lengths_.end());
}

bool NetworkSet::covers(const IpNetwork& network) const {
  const bool v6 = !network.address().is_v4();
  return std::ranges::any_of(lengths_, [&](const auto& length) {
    return length.first == v6 && length.second <= network.bits() &&
           std::ranges::binary_search(networks_, IpNetwork(network.address(), length.second));
  });
}

std::vector<std::pair<IpAddress, IpAddress>> NetworkSet::ranges(bool v6) const {
  std::vector<std::pair<IpAddress, IpAddress>> all;
  for (const IpNetwork& network : networks_) {  // sorted by first address
    if (network.address().is_v4() == v6) continue;
    const IpAddress last = last_of(network);
    if (!all.empty()) {
      auto& before = all.back().second;
      if (network.address() <= before || network.address() == next_of(before)) {
        before = std::max(before, last);
        continue;
      }
    }
    all.emplace_back(network.address(), last);
  }
  return all;
}

IpAddress last_of(const IpNetwork& network) {
  const unsigned bits = network.bits() + (network.address().is_v4() ? 96 : 0);
  const std::uint64_t high = bits >= 64 ? 0 : ~std::uint64_t{0} >> bits;
  const std::uint64_t low = bits >= 128 ? 0 : bits <= 64 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> (bits - 64);
  return {network.address().high() | high, network.address().low() | low};
}

std::optional<IpAddress> next_of(IpAddress address) {
  const IpAddress next(address.high() + (address.low() == UINT64_MAX ? 1 : 0), address.low() + 1);
  if (next < address || next.is_v4() != address.is_v4()) return std::nullopt;
  return next;
}

}  // namespace tipstaff
