// What a syslog listener is made of: where it listens, who may send, what it bears. Written by the administrator as one
// word: "unix:/run/tipstaff/log", "udp:127.0.0.1:514", "tcp:[::1]:601", "tls:192.0.2.1:6514".
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

enum class SyslogTransport : std::uint8_t {
  unix_datagram,  ///< "unix:/path", what syslog(3) writes to
  unix_stream,    ///< "unix-stream:/path"
  udp,            ///< RFC 5426; anybody on the network can write it
  tcp,            ///< RFC 6587
  tls,            ///< RFC 5425
};

struct SyslogOptions {
  SyslogTransport transport = SyslogTransport::udp;
  std::string path;         ///< of a Unix socket
  IpAddress address;        ///< of the others
  std::uint16_t port = 0;   ///< 0: any that is free
  std::string certificate;  ///< tls: PEM files: the server's certificate with its chain
  std::string key;          ///< its private key, not encrypted
  std::string client_ca;    ///< who must have signed a sender's certificate; empty: senders show none
  /// Who may send by udp, tcp and tls; for Unix sockets the rights of the file decide.
  std::vector<IpNetwork> allow{IpNetwork(IpAddress::v4(0x7f000000), 8), IpNetwork(IpAddress(0, 1), 128)};

  std::size_t most_connections = 256;
  std::chrono::milliseconds handshake{10'000};  ///< a TLS handshake must be over by then
  /// A connection that was silent for so long is closed. Long, since a plain TCP sender loses what it sends next.
  std::chrono::milliseconds idle{std::chrono::hours(24)};
  std::chrono::milliseconds retry{30'000};  ///< until a listener that could not be opened is tried again
  std::uint32_t udp_rate =
      1000;                      ///< messages a second from one sender (IPv6: from one /64); five times so many at once
  std::function<Instant()> now;  ///< the guard's clock; empty: the system's

  [[nodiscard]] bool is_unix() const {
    return transport == SyslogTransport::unix_datagram || transport == SyslogTransport::unix_stream;
  }
  [[nodiscard]] bool is_datagram() const {
    return transport == SyslogTransport::unix_datagram || transport == SyslogTransport::udp;
  }
  /// "127.0.0.1:514", "[::1]:601" or the path.
  [[nodiscard]] std::string place() const;
  /// "udp:127.0.0.1:514"; gives the same again when it is parsed.
  [[nodiscard]] std::string to_string() const;
};

/// Errors: invalid. All but transport and place have their defaults.
[[nodiscard]] Result<SyslogOptions> parse_syslog_listener(std::string_view text);

}  // namespace tipstaff
