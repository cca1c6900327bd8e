// What a program tells the service manager: ready, reloading, stopping, still alive (sd_notify(3), written by hand: it is
// one datagram).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tipstaff {

/// Sends datagrams to $NOTIFY_SOCKET; does nothing where that is not set. What cannot be sent is lost.
class ServiceNotify {
 public:
  /// `socket`: a path, or "@name" in the abstract namespace; empty: nobody listens.
  explicit ServiceNotify(std::string socket);
  /// From the environment.
  static ServiceNotify from_environment();

  void ready(std::string_view status) const;
  void reloading() const;
  void stopping() const;
  void alive() const;
  /// How often alive() is due, half of what the manager allows; none: it does not ask.
  [[nodiscard]] static std::optional<std::chrono::microseconds> watchdog_interval();

 private:
  void send(const std::string& state) const;
  std::string socket_;
};

}  // namespace tipstaff
