// IP addresses and networks in one canonical form: IPv4 is kept as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so an
// IPv4-mapped address and the IPv4 address are the same value. No names, no DNS: what is not an address is none.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tipstaff {

/// One IPv4 or IPv6 address. Ordered by value; IPv4 sorts before most of IPv6.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  constexpr IpAddress(std::uint64_t high, std::uint64_t low) : high_(high), low_(low) {}
  static constexpr IpAddress v4(std::uint32_t value) { return {0, kMappedPrefix | value}; }

  /// The whole text must be an address: dotted quad (leading zeros are decimal), RFC 4291 text, an IPv4-mapped
  /// address, each with an optional %zone, which is dropped (RFC 4007 section 11).
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] constexpr bool is_v4() const { return high_ == 0 && (low_ >> 32U) == (kMappedPrefix >> 32U); }
  [[nodiscard]] constexpr bool is_loopback() const {
    return is_v4() ? ((low_ >> 24U) & 0xffU) == 127 : high_ == 0 && low_ == 1;
  }
  [[nodiscard]] constexpr std::uint64_t high() const { return high_; }
  [[nodiscard]] constexpr std::uint64_t low() const { return low_; }

  /// Dotted quad, or RFC 5952 text.
  [[nodiscard]] std::string to_string() const;

  constexpr auto operator<=>(const IpAddress&) const = default;

 private:
  static constexpr std::uint64_t kMappedPrefix = 0x0000'ffff'0000'0000ULL;
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

/// Reads the address that `text` starts with, up to the first byte that cannot belong to it ("192.0.2.1: 11" gives
/// 192.0.2.1). Gives its length, or 0 where no address stands or where it runs on into a name (192.0.2.1.example.com).
[[nodiscard]] std::size_t read_address(std::string_view text, IpAddress& address);

/// An address with a prefix length: a network, or one host.
class IpNetwork {
 public:
  constexpr IpNetwork() = default;
  /// `bits` counts in the address's own family: 0..32 for IPv4, 0..128 for IPv6. Host bits are cleared.
  IpNetwork(IpAddress address, unsigned bits);

  /// "192.0.2.0/24", "2001:db8::/32" or a plain address.
  [[nodiscard]] static std::optional<IpNetwork> parse(std::string_view text);

  [[nodiscard]] bool contains(IpAddress address) const;
  [[nodiscard]] IpAddress address() const { return address_; }
  /// Prefix length in the address's own family.
  [[nodiscard]] unsigned bits() const { return address_.is_v4() && bits_ >= 96 ? bits_ - 96 : bits_; }
  [[nodiscard]] bool is_host() const { return bits_ == 128; }
  /// A host prints as its address, a network as address/bits.
  [[nodiscard]] std::string to_string() const;

  constexpr auto operator<=>(const IpNetwork&) const = default;

 private:
  IpAddress address_;
  unsigned bits_ = 128;  // of the 128-bit form
};

/// Mixes the address into 64 well-spread bits (splitmix64's finaliser).
[[nodiscard]] constexpr std::uint64_t hash_of(IpAddress address) {
  std::uint64_t x = address.low() ^ (address.high() * 0x9e3779b97f4a7c15ULL);
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

}  // namespace tipstaff

template <>
struct std::hash<tipstaff::IpAddress> {
  std::size_t operator()(tipstaff::IpAddress address) const { return tipstaff::hash_of(address); }
};

template <>
struct std::hash<tipstaff::IpNetwork> {
  std::size_t operator()(const tipstaff::IpNetwork& network) const {
    return tipstaff::hash_of(network.address()) ^ network.bits();
  }
};
