// The routers that this machine's default routes lead through. Whoever shuts out his own gateway is cut off, also where
// the try came from somebody whom the gateway translated. Read from the kernel's tables in /proc/net; routes of other
// tables than the main one, and of several next hops all but the first (IPv4), are not seen.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace tipstaff {

struct Gateway {
  IpAddress address;
  std::string interface;
};

inline constexpr std::size_t kMostGateways = 64;

/// From /proc/net/route and /proc/net/ipv6_route; empty where they cannot be read.
[[nodiscard]] std::vector<Gateway> default_gateways();

/// The same from the text of the two files.
[[nodiscard]] std::vector<Gateway> gateways_of_ipv4(std::string_view table);
[[nodiscard]] std::vector<Gateway> gateways_of_ipv6(std::string_view table);

}  // namespace tipstaff
