// What the guard tells the service manager: ready, reloading, stopping, still alive (sd_notify(3), written by hand: it is
// one datagram), and log lines with priorities where standard error goes to the journal (sd-daemon(3)).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "control/guard_core.h"

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

/// A sink that writes to standard error, each line whole, from any thread: "<4>text" where that is the journal, else
/// "tipstaff: text".
[[nodiscard]] LogSink log_to_standard_error();

}  // namespace tipstaff
