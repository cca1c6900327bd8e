// Where the administrators who are logged in on this machine sit, so that nobody shuts himself out while he works.
//
// What counts: the login records in utmp, which only root and setgid programs write; of these the peer's address as sshd
// or login put it there (ut_addr_v6; the host's name is whatever a user's terminal program claims), the session's
// process still alive and older than the record, and its user root or a member of an administrators' group by the
// system's own user database. An unprivileged account gives nothing. What is lost with the session is the exemption.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

struct AdminSession {
  IpAddress address;
  std::string user;
  Instant since{};
};

/// Of members of these groups sessions count, and of root.
inline constexpr const char* kAdminGroups[] = {"sudo", "adm", "wheel", "admin"};
/// Sessions told at most.
inline constexpr std::size_t kMostSessions = 256;

/// Root or of one of kAdminGroups, by the system's user database (which may ask a directory over the net).
[[nodiscard]] bool is_administrator(const std::string& user);

struct SessionPlaces {
  std::string utmp = "/run/utmp";
  std::string processes = "/proc";
  std::function<bool(const std::string& user)> is_administrator = tipstaff::is_administrator;
};

/// By address and user, each once, the oldest of several.
[[nodiscard]] std::vector<AdminSession> admin_sessions(const SessionPlaces& places = {});

/// The peer of the ssh session that this process was started from, out of SSH_CONNECTION, as long as the process that
/// started it lives. To be made once, early.
class StartingSession {
 public:
  StartingSession();
  /// With the variable's text; `parent` 0: none that could end.
  StartingSession(const char* ssh_connection, int parent, Instant now);
  /// None, or one session.
  [[nodiscard]] std::vector<AdminSession> look() const;

 private:
  std::vector<AdminSession> session_;
  int parent_ = 0;
};

}  // namespace tipstaff
