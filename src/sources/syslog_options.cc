#include "sources/syslog_options.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <array>
#include <charconv>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::array<std::pair<std::string_view, SyslogTransport>, 5> kTransports{{
    {"unix", SyslogTransport::unix_datagram},
    {"unix-stream", SyslogTransport::unix_stream},
    {"udp", SyslogTransport::udp},
    {"tcp", SyslogTransport::tcp},
    {"tls", SyslogTransport::tls},
}};

// "ADDRESS:PORT" or "[ADDRESS]:PORT".
bool read_endpoint(std::string_view text, SyslogOptions& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view port = text.substr(colon + 1);
  std::string_view address = text.substr(0, colon);
  const bool bracketed = address.starts_with('[') && address.ends_with(']');
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (bracketed != address.contains(':')) return false;
  const auto parsed = IpAddress::parse(address);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  if (!parsed || error != std::errc() || end != port.data() + port.size()) return false;
  options.address = *parsed;
  return true;
}

}  // namespace

std::string SyslogOptions::place() const {
  if (is_unix()) return path;
  if (address.is_v4()) return fmt::format("{}:{}", address.to_string(), port);
  return fmt::format("[{}]:{}", address.to_string(), port);
}

std::string SyslogOptions::to_string() const {
  std::string_view word;
  for (const auto& [name, one] : kTransports) {
    if (one == transport) word = name;
  }
  return fmt::format("{}:{}", word, place());
}

Result<SyslogOptions> parse_syslog_listener(std::string_view text) {
  SyslogOptions options;
  const std::size_t colon = text.find(':');
  bool known = false;
  for (const auto& [name, transport] : kTransports) {
    if (colon == std::string_view::npos || text.substr(0, colon) != name) continue;
    known = true;
    options.transport = transport;
  }
  if (!known) {
    return fail(ErrorKind::invalid,
                fmt::format("a syslog listener begins with unix:, unix-stream:, udp:, tcp: or tls:, "
                            "and \"{}\" does not; write for example udp:127.0.0.1:514",
                            text));
  }
  const std::string_view place = text.substr(colon + 1);
  if (options.is_unix()) {
    constexpr std::size_t kMostPath = sizeof(sockaddr_un::sun_path) - 1;
    if (!place.starts_with('/') || place.size() > kMostPath || place.contains('\0')) {
      return fail(ErrorKind::invalid, fmt::format("the path of a socket begins with / and has at most {} bytes; \"{}\" "
                                                  "does not fit",
                                                  kMostPath, place));
    }
    options.path = place;
  } else if (!read_endpoint(place, options)) {
    return fail(ErrorKind::invalid,
                fmt::format("\"{}\" is no address with a port; write 127.0.0.1:514, or [::1]:514 for IPv6", place));
  }
  return options;
}

}  // namespace tipstaff
