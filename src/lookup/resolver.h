// Addresses of a DNS name, as the system's resolver knows them (hosts file, DNS, whatever nsswitch says). Forward only:
// nobody's own word about his name is believed. Waits for the answer, for half a minute if need be, so it is called on
// threads that may wait.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace tipstaff {

/// Addresses kept of one name; further ones are dropped.
inline constexpr std::size_t kMostAddressesOfName = 64;

/// A host name as RFC 952 and RFC 1123 2.1 have it, and underscores: at most 253 bytes, labels of 1 to 63 letters, digits,
/// hyphens (neither first nor last) and underscores, the last one not of digits alone; a dot may follow. No address.
[[nodiscard]] bool is_dns_name(std::string_view name);

/// DNS servers that may be named.
inline constexpr std::size_t kMostDnsServers = 4;
/// "192.0.2.53:53" or "[2001:db8::53]:53" of an address with or without a port; nothing where it is none.
[[nodiscard]] std::optional<std::string> dns_server_of(std::string_view text);

/// Sorted, each once. Errors: not_found (there is no such name, or it has no address), unavailable (nobody could say).
[[nodiscard]] Result<std::vector<IpAddress>> resolve(const std::string& name);

}  // namespace tipstaff
