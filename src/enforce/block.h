// What the firewall shuts, as plain values: the words between guard and enforcer. A block of one service is one value for
// each of its ports. Nothing here knows a rule or an attempt.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

/// What is shut for whom.
struct BlockKey {
  IpNetwork network;          ///< who
  std::uint8_t protocol = 0;  ///< 0: everything; else 6 (TCP) or 17 (UDP), as IANA numbers them, with a port
  std::uint16_t port = 0;     ///< of this machine; 0: everything
  [[nodiscard]] bool is_service() const { return port != 0; }
  auto operator<=>(const BlockKey&) const = default;
};

/// A block that nobody ends but a person.
inline constexpr Instant kForever = Instant::max();

/// A block as the firewall has it.
struct FirewallBlock {
  BlockKey key;
  Instant until{};            ///< it stands before this time; kForever
  std::uint64_t dropped = 0;  ///< packets dropped that would have opened a connection, since the block was first set
};

}  // namespace tipstaff

template <>
struct std::hash<tipstaff::BlockKey> {
  std::size_t operator()(const tipstaff::BlockKey& key) const {
    return std::hash<tipstaff::IpNetwork>()(key.network) ^
           ((std::size_t{key.protocol} << 16U | key.port) * 0x9e3779b97f4a7c15ULL);
  }
};
