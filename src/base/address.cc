#include "base/address.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>

namespace tipstaff {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

// Four decimal numbers of up to three digits. Gives the length, 0 for none.
std::size_t read_quad(std::string_view text, std::uint32_t& value) {
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digit = [end](const char* from) {  // above 9: none stands there
    return from == end ? ~0U : static_cast<std::uint32_t>(static_cast<unsigned char>(*from)) - '0';
  };
  std::uint32_t all = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at == end || *at++ != '.')) return 0;
    std::uint32_t number = digit(at);
    if (number > 9) return 0;
    if (const std::uint32_t second = digit(++at); second <= 9) {
      number = number * 10 + second;
      if (const std::uint32_t third = digit(++at); third <= 9) {
        number = number * 10 + third;
        ++at;
      }
    }
    if (number > 255) return 0;
    all = all << 8U | number;
  }
  value = all;
  return static_cast<std::size_t>(at - text.data());
}

// RFC 4291 2.2: groups of hexadecimal digits, one "::", a dotted quad as the last 32 bits. Longest reading, but a single
// colon that ends it belongs to the text ("2001:db8::1: 11"). Gives the length, 0 for none.
std::size_t read_v6(std::string_view text, IpAddress& address) {
  std::array<std::uint16_t, 8> groups{};
  int count = 0;
  int gap = -1;
  std::size_t at = 0;
  std::size_t end = 0;  // behind the last complete piece
  if (text.size() < 2) return 0;
  if (text[0] == ':') {
    if (text[1] != ':') return 0;
    gap = 0;
    at = end = 2;
  }
  while (count < 8) {
    const std::size_t start = at;
    std::uint32_t value = 0;
    while (at < text.size() && at - start < 4 && hex_value(text[at]) >= 0)
      value = value << 4U | static_cast<std::uint32_t>(hex_value(text[at++]));
    if (at == start) break;
    if (at < text.size() && text[at] == '.' && count <= 6 && (gap >= 0 || count == 6)) {
      std::uint32_t quad = 0;
      const std::size_t length = read_quad(text.substr(start), quad);
      if (length == 0) return 0;
      groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(quad >> 16U);
      groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(quad);
      at = end = start + length;
      break;
    }
    groups[static_cast<std::size_t>(count++)] = static_cast<std::uint16_t>(value);
    end = at;
    if (at >= text.size() || text[at] != ':') break;
    ++at;
    if (at < text.size() && text[at] == ':') {
      if (gap >= 0) return 0;
      gap = count;
      end = ++at;
    }
  }
  if (gap < 0 ? count != 8 : count > 7) return 0;
  std::array<std::uint16_t, 8> full{};
  const int behind = gap < 0 ? 0 : count - gap;
  const int ahead = gap < 0 ? count : gap;
  for (int i = 0; i < ahead; ++i) full[static_cast<std::size_t>(i)] = groups[static_cast<std::size_t>(i)];
  for (int i = 0; i < behind; ++i)
    full[static_cast<std::size_t>(8 - behind + i)] = groups[static_cast<std::size_t>(gap + i)];
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    high = high << 16U | full[i];
    low = low << 16U | full[i + 4];
  }
  address = IpAddress(high, low);
  return end;
}

}  // namespace

std::size_t read_address(std::string_view text, IpAddress& address) {
  std::uint32_t quad = 0;
  std::size_t length = read_quad(text, quad);
  if (length != 0) {
    address = IpAddress::v4(quad);
  } else {
    length = read_v6(text, address);
    if (length == 0) return 0;
    if (length < text.size() && text[length] == '%') {  // zone: dropped
      std::size_t zone = length + 1;
      while (zone < text.size() && (is_name_byte(text[zone]) || text[zone] == '.')) ++zone;
      if (zone > length + 1) length = zone;
    }
  }
  if (length < text.size()) {
    const char next = text[length];
    if (is_name_byte(next)) return 0;
    if (next == '.' && length + 1 < text.size() && is_name_byte(text[length + 1])) return 0;
  }
  return length;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  IpAddress address;
  if (text.empty() || read_address(text, address) != text.size()) return std::nullopt;
  return address;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  std::array<unsigned char, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(high_ >> (56 - 8 * i));
    bytes[i + 8] = static_cast<unsigned char>(low_ >> (56 - 8 * i));
  }
  const bool four = is_v4();
  const char* done =
      inet_ntop(four ? AF_INET : AF_INET6, four ? bytes.data() + 12 : bytes.data(), buffer.data(), buffer.size());
  return done == nullptr ? std::string() : std::string(done);
}

IpNetwork::IpNetwork(IpAddress address, unsigned bits) : bits_(address.is_v4() ? bits + 96 : bits) {
  if (bits_ > 128) bits_ = 128;
  const std::uint64_t high_mask = bits_ == 0 ? 0 : bits_ >= 64 ? ~0ULL : ~0ULL << (64 - bits_);
  const std::uint64_t low_mask = bits_ <= 64 ? 0 : bits_ == 128 ? ~0ULL : ~0ULL << (128 - bits_);
  address_ = IpAddress(address.high() & high_mask, address.low() & low_mask);
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned most = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return IpNetwork(*address, most);
  const std::string_view tail = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(tail.data(), tail.data() + tail.size(), bits);
  if (error != std::errc{} || end != tail.data() + tail.size() || bits > most) return std::nullopt;
  return IpNetwork(*address, bits);
}

bool IpNetwork::contains(IpAddress address) const {
  const bool four = bits_ >= 96 && address_.is_v4();
  if (four != address.is_v4()) return false;
  return IpNetwork(address, bits()).address_ == address_;
}

std::string IpNetwork::to_string() const {
  return is_host() ? address_.to_string() : address_.to_string() + "/" + std::to_string(bits());
}

}  // namespace tipstaff
