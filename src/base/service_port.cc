#include "base/service_port.h"

#include <charconv>

namespace tipstaff {

std::optional<ServicePort> ServicePort::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0) return std::nullopt;
  ServicePort one;
  const char* const end = text.data() + slash;
  const auto [stop, error] = std::from_chars(text.data(), end, one.port);
  if (error != std::errc() || stop != end || one.port == 0) return std::nullopt;
  const std::string_view protocol = text.substr(slash + 1);
  if (protocol != "tcp" && protocol != "udp") return std::nullopt;
  one.protocol = protocol == "tcp" ? kTcp : kUdp;
  return one;
}

std::string ServicePort::to_string() const {
  return std::to_string(port) + (protocol == kTcp   ? "/tcp"
                                 : protocol == kUdp ? "/udp"
                                                    : "/" + std::to_string(protocol));
}

}  // namespace tipstaff
