// The table `inet tipstaff` as messages to the kernel: its chains, rules and sets (NOTES.md of enforce/ draws it). libnftnl
// writes them. Only layout: the sets' elements are written in nft_elements.h.
#pragma once

#include <cstdint>
#include <string>

#include "enforce/enforcer/block_table.h"
#include "enforce/enforcer/netlink.h"

namespace tipstaff::nft {

inline constexpr const char* kTable = "tipstaff";
inline constexpr const char* kAllow4 = "allow4";
inline constexpr const char* kAllow6 = "allow6";
/// Elements of a set of counts at most; where one is full, packets are dropped without being counted.
inline constexpr std::uint32_t kMostCounts = 131'072;

/// "block4_32", "service6_64".
[[nodiscard]] std::string set_name(const BlockShape& shape);
/// "dropped4_32", "service_dropped6_64".
[[nodiscard]] std::string count_name(const BlockShape& shape);
/// Bytes of an element's key: the address, and where it is a service protocol and port in four bytes each.
[[nodiscard]] std::uint32_t key_size(const BlockShape& shape);

/// An empty table, whatever there was before.
void put_new_table(NetlinkMessages& batch);
/// Takes the table away, if there is one.
void put_no_table(NetlinkMessages& batch);
/// Base chains, and empty chains for what they jump to, in a table without chains.
void put_chains(NetlinkMessages& batch);
/// The sets of exemptions, which must not exist.
void put_allow_sets(NetlinkMessages& batch);
/// All rules that do not belong to one shape, in chains without rules.
void put_rules(NetlinkMessages& batch, bool keep_established);
/// Takes all rules of the table away; sets stay.
void put_no_rules(NetlinkMessages& batch);
/// Takes a chain away that has no rules and that none jumps to.
void put_no_chain(NetlinkMessages& batch, const std::string& chain);
/// The sets of a shape, which must not exist.
void put_shape_sets(NetlinkMessages& batch, const BlockShape& shape);
/// The chain of a shape with its rules, and the rule that leads to it.
void put_shape_rules(NetlinkMessages& batch, const BlockShape& shape);

}  // namespace tipstaff::nft
