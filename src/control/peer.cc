#include "control/peer.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tipstaff {
namespace {

constexpr std::size_t kMostRecord = std::size_t{1} << 20U;  // bytes of one line of /etc/group

std::string user_name(uid_t user) {
  std::vector<char> space(4'096);
  passwd record{};
  passwd* found = nullptr;
  while (::getpwuid_r(user, &record, space.data(), space.size(), &found) == ERANGE && space.size() < kMostRecord)
    space.resize(space.size() * 2);
  return found == nullptr ? std::string() : std::string(found->pw_name);
}

gid_t number_of_group(const std::string& name) {
  std::vector<char> space(4'096);
  group record{};
  group* found = nullptr;
  while (::getgrnam_r(name.c_str(), &record, space.data(), space.size(), &found) == ERANGE &&
         space.size() < kMostRecord)
    space.resize(space.size() * 2);
  return found == nullptr ? static_cast<gid_t>(-1) : found->gr_gid;
}

}  // namespace

std::string_view to_text(Role role) {
  switch (role) {
    case Role::view:
      return "view";
    case Role::support:
      return "support";
    case Role::admin:
      return "admin";
    case Role::none:
      break;
  }
  return "none";
}

std::string Peer::to_text() const {
  if (user == 0) return "root";
  return name.empty() ? fmt::format("uid {}", user) : fmt::format("uid {} ({})", user, name);
}

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return fail(ErrorKind::unavailable, fmt::format("the asker is not known: {}", std::strerror(errno)));
  Peer peer;
  peer.user = credentials.uid;
  peer.groups.resize(kMostGroups);
  size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
  // with more groups than fit (ERANGE) his own alone counts
  const bool listed = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0;
  peer.groups.resize(listed ? size / sizeof(gid_t) : 0);
  peer.groups.push_back(credentials.gid);
  peer.name = user_name(peer.user);
  return peer;
}

Role role_of(const Peer& peer, uid_t own_user, const RoleGroups& groups,
             gid_t (*group_number)(const std::string& name)) {
  if (peer.user == 0 || peer.user == own_user) return Role::admin;
  const auto is_in = [&](const std::string& name) {
    if (name.empty()) return false;
    const gid_t number = group_number(name);
    return number != static_cast<gid_t>(-1) && std::ranges::find(peer.groups, number) != peer.groups.end();
  };
  return is_in(groups.admin)     ? Role::admin
         : is_in(groups.support) ? Role::support
         : is_in(groups.view)    ? Role::view
                                 : Role::none;
}

Role role_of(const Peer& peer, const RoleGroups& groups) { return role_of(peer, ::geteuid(), groups, number_of_group); }

}  // namespace tipstaff
