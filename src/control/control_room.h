// The guard's side of control: the socket, the commands behind it, the configuration on trial, the answers of `explain`. It is
// told how to look into the guard and how to put another configuration in force; what a guard is made of it does not know.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "control/control_commands.h"
#include "control/guard_control.h"
#include "control/guard_core.h"
#include "control/guard_status.h"
#include "control/setup.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

/// Into the guard. All are called on its loop.
struct RoomDoors {
  LogSink log;
  std::function<GuardControl&()> blocks;
  std::function<bool()> watch_only;
  std::function<GuardStatus()> status;
  /// All who are exempt but for those exempt for a time.
  std::function<std::vector<Exemption>()> exempt;
  /// Puts it in force. Error: the old one stays.
  std::function<Result<void>(const GuardSetup&)> take_over;
  /// What was seen so far is in the ledger, or a short time has passed.
  std::function<void()> settle;
  std::function<void(EventRow)> write;
};

class ControlRoom {
 public:
  /// `live`: where the guard reads its configuration.
  ControlRoom(boost::asio::io_context& loop, ConfigPlaces live, RoomDoors doors);
  ~ControlRoom();
  ControlRoom(const ControlRoom&) = delete;
  ControlRoom& operator=(const ControlRoom&) = delete;

  /// What belongs in force at a start: what is on disk, unless that was tried and nobody confirmed it. It is in force from
  /// now on. Errors: as setup_guard().
  [[nodiscard]] Result<GuardSetup> first_setup();
  /// Errors: as ControlSocket::open().
  [[nodiscard]] Result<void> open_socket();
  /// The guard has begun: blocks left by a trial that a restart ended are ended.
  void begun();
  /// Puts what is on disk in force. Gives a sentence. Errors: invalid (something in it is wrong), conflict (a trial runs).
  [[nodiscard]] Result<std::string> reload();
  /// Of the trial; empty: none.
  [[nodiscard]] std::string sentence() const;
  /// Closes the socket.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
