// Who asks: what the kernel says of the other end, and which role the groups give.
#include "control/peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace tipstaff {
namespace {

gid_t numbers(const std::string& name) {
  return name == "look" ? 101 : name == "help" ? 102 : name == "rule" ? 103 : static_cast<gid_t>(-1);
}

Role role(uid_t user, std::vector<gid_t> groups, const RoleGroups& names = {"look", "help", "rule"}) {
  return role_of({user, std::move(groups), "", Role::none}, 500, names, numbers);
}

TEST(Peer, TheHighestGroupGivesTheRole) {
  EXPECT_EQ(role(1'000, {}), Role::none);
  EXPECT_EQ(role(1'000, {100, 104}), Role::none);
  EXPECT_EQ(role(1'000, {100, 101}), Role::view);
  EXPECT_EQ(role(1'000, {102}), Role::support);
  EXPECT_EQ(role(1'000, {103, 101}), Role::admin);
  EXPECT_EQ(role(1'000, {101, 102}), Role::support);
}

TEST(Peer, RootAndTheGuardItselfAreAdmins) {
  EXPECT_EQ(role(0, {}), Role::admin);
  EXPECT_EQ(role(500, {}), Role::admin);
}

TEST(Peer, AGroupThatDoesNotExistGivesNothing) {
  EXPECT_EQ(role(1'000, {static_cast<gid_t>(-1)}, {"none", "", "neither"}), Role::none);
}

TEST(Peer, TheKernelSaysWhoItIs) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto peer = peer_of(ends[0]);
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->user, ::geteuid());
  EXPECT_NE(std::ranges::find(peer->groups, ::getegid()), peer->groups.end());
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_FALSE(peer_of(ends[0]).has_value());
}

TEST(Peer, InWords) {
  EXPECT_EQ(Peer({0, {}, "root", Role::admin}).to_text(), "root");
  EXPECT_EQ(Peer({1'000, {}, "anna", Role::view}).to_text(), "uid 1000 (anna)");
  EXPECT_EQ(Peer({1'000, {}, "", Role::view}).to_text(), "uid 1000");
}

}  // namespace
}  // namespace tipstaff
