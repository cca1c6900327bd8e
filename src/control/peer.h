// Who asks on the control socket, and what he may. The kernel names the user and the groups of the process at the other
// end (unix(7): SO_PEERCRED, SO_PEERGROUPS); the groups of the settings give the role. Names are looked up in the system's
// own files, never sent by the asker.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tipstaff {

/// What somebody may do; each may all that those before it may.
enum class Role : std::uint8_t {
  none,     ///< nothing
  view,     ///< look
  support,  ///< help one customer: end a block, exempt an address for a day
  admin,    ///< everything
};

[[nodiscard]] std::string_view to_text(Role role);

/// The process at the other end of a socket.
struct Peer {
  uid_t user = static_cast<uid_t>(-1);
  std::vector<gid_t> groups;  ///< its group and the further ones, at most kMostGroups
  std::string name;           ///< of the user; empty: he has none
  Role role = Role::none;

  /// "root", "uid 1000 (anna)", "uid 1000".
  [[nodiscard]] std::string to_text() const;
};

inline constexpr std::size_t kMostGroups = 1'024;

/// Names of the groups that give a role.
struct RoleGroups {
  std::string view = "tipstaff";
  std::string support = "tipstaff-support";
  std::string admin = "tipstaff-admin";
};

/// User and groups of the process that connected; the role is not filled in. Errors: unavailable.
[[nodiscard]] Result<Peer> peer_of(int socket);

/// The role by user and groups: root and `own_user`, whom the guard runs as, are admins. `group_number` gives a group's
/// number by its name, or -1.
[[nodiscard]] Role role_of(const Peer& peer, uid_t own_user, const RoleGroups& groups,
                           gid_t (*group_number)(const std::string& name));
/// The same by the system's groups.
[[nodiscard]] Role role_of(const Peer& peer, const RoleGroups& groups);

}  // namespace tipstaff
