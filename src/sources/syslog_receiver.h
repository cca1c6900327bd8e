// Receives syslog, RFC 3164 or 5424, from the network or a Unix socket: one listener, each message a record, its priority
// included. Whoever may send here can write whatever line he likes, so senders are few by default (this machine), and
// what comes by UDP, where even the sender's address can be made up, is marked untrusted.
//
// Nothing can be read again: a message's place is a number that rises with the clock, over restarts too. What is sent
// while the guard is down or overrun is the sender's to keep (TCP, TLS, Unix) or lost (UDP; the kernel counts it).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sources/source.h"
#include "sources/syslog_options.h"

namespace tipstaff {

/// How often each limit was met since start().
struct SyslogCounters {
  std::uint64_t not_allowed = 0;       ///< messages (UDP) or connections of senders that `allow` does not name
  std::uint64_t over_rate = 0;         ///< UDP messages above the rate of one sender
  std::uint64_t kernel_dropped = 0;    ///< UDP messages that found the socket's buffer full
  std::uint64_t refused = 0;           ///< connections above the most at once, or above what the system allows
  std::uint64_t idle = 0;              ///< connections closed for silence
  std::uint64_t broken = 0;            ///< connections closed since no message can be found in what they send
  std::uint64_t handshake_late = 0;    ///< TLS handshakes not over in time
  std::uint64_t handshake_failed = 0;  ///< TLS handshakes that failed
};

class SyslogReceiver final : public Source {
 public:
  SyslogReceiver(SyslogOptions options, std::optional<SavedPlace> saved);
  ~SyslogReceiver() override;

  /// "syslog:udp:127.0.0.1:514".
  [[nodiscard]] const std::string& name() const override;
  /// A listener that cannot be opened (port taken, no right, no certificate) is tried again every half minute; health()
  /// says why. Errors: invalid (a TLS listener without certificate or key).
  [[nodiscard]] Result<void> start(boost::asio::io_context& loop, RecordSink sink) override;
  [[nodiscard]] Place position() const override;
  [[nodiscard]] std::string checkpoint(Place place) const override;
  void pause(bool on) override;
  [[nodiscard]] SourceHealth health() const override;

  [[nodiscard]] const SyslogCounters& counters() const;
  [[nodiscard]] std::size_t connections() const;
  /// The port it listens at, which matters where options say 0; 0: none.
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace tipstaff
