#include "lookup/resolver.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

namespace tipstaff {
namespace {

std::uint64_t big_endian(const std::uint8_t* bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8U | bytes[i];
  return value;
}

}  // namespace

bool is_dns_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253 || IpAddress::parse(name)) return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (;;) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    for (const char c : label) {
      if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !is_digit(c) && c != '-' && c != '_') return false;
    }
    if (label.size() == name.size()) return !std::ranges::all_of(label, is_digit);
    name.remove_prefix(label.size() + 1);
  }
}

std::optional<std::string> dns_server_of(std::string_view text) {
  std::string_view host = text;
  std::string_view port = "53";
  const std::size_t colon = text.rfind(':');
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') return std::nullopt;
      port = text.substr(end + 2);
    }
  } else if (colon != std::string_view::npos && text.find(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  const auto address = IpAddress::parse(host);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (!address || error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535)
    return std::nullopt;
  return fmt::format(fmt::runtime(address->is_v4() ? "{}:{}" : "[{}]:{}"), address->to_string(), number);
}

Result<std::vector<IpAddress>> resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    const bool none = code == EAI_NONAME || code == EAI_NODATA;
    const std::string why = code == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(code);
    return fail(none ? ErrorKind::not_found : ErrorKind::unavailable, why, name);
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<IpAddress> all;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, one->ai_addr, sizeof address);
      all.push_back(IpAddress::v4(ntohl(address.sin_addr.s_addr)));
    } else if (one->ai_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, one->ai_addr, sizeof address);
      all.emplace_back(big_endian(address.sin6_addr.s6_addr), big_endian(address.sin6_addr.s6_addr + 8));
    }
  }
  std::ranges::sort(all);
  const auto doubled = std::ranges::unique(all);
  all.erase(doubled.begin(), doubled.end());
  if (all.size() > kMostAddressesOfName) all.resize(kMostAddressesOfName);
  if (all.empty()) return fail(ErrorKind::not_found, "the name has no address", name);
  return all;
}

}  // namespace tipstaff
