// A port of this machine that a service listens on, as settings write it: "22/tcp". What a block of one service shuts.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tipstaff {

struct ServicePort {
  static constexpr std::uint8_t kTcp = 6;  ///< as IANA numbers protocols
  static constexpr std::uint8_t kUdp = 17;

  std::uint8_t protocol = kTcp;
  std::uint16_t port = 0;
  auto operator<=>(const ServicePort&) const = default;

  /// "22/tcp" or "1194/udp"; port 0 and anything else is none.
  [[nodiscard]] static std::optional<ServicePort> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
};

}  // namespace tipstaff
