// The elements of the enforcer's sets, as attributes of netlink messages: blocks with their end, counts, ranges of
// exemptions. The end stands twice in a block's element: as the kernel's timeout, 60 s later, and exactly, as user data,
// since a timeout is cut to the kernel's ticks and stands still while the machine sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enforce/enforcer/block_table.h"
#include "enforce/enforcer/netlink.h"
#include "enforce/enforcer/network_set.h"

namespace tipstaff::nft {

/// How long after its end the kernel takes a block away by itself.
inline constexpr std::chrono::seconds kNet{60};

/// Writes elements of one set into as many messages as they need; its life is theirs.
class ElementWriter {
 public:
  /// `type`: NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM or NFT_MSG_GETSETELEM.
  ElementWriter(NetlinkMessages& messages, std::uint16_t type, std::string set);
  ~ElementWriter();
  ElementWriter(const ElementWriter&) = delete;
  ElementWriter& operator=(const ElementWriter&) = delete;

  /// The bare key.
  void key(const BlockKey& key);
  void block(const BlockKey& key, Instant until, Instant now);
  void count(const BlockKey& key, std::uint64_t packets);
  void range(IpAddress first, IpAddress last);

 private:
  nlattr* begin();
  void end(nlattr* element);
  void put_key(const BlockKey& key);
  void put_bound(IpAddress address, bool v6, bool is_end);
  void close();

  NetlinkMessages& messages_;
  std::uint16_t type_;
  std::string set_;
  nlmsghdr* message_ = nullptr;
  nlattr* list_ = nullptr;
};

/// Takes all elements of a set away.
void put_no_elements(NetlinkMessages& messages, const std::string& set);
/// Asks for all elements of a set.
void put_dump(NetlinkMessages& messages, const std::string& set);

/// One element as it was read.
struct Element {
  BlockKey key;
  std::optional<Instant> until;                   ///< as the user data says it
  std::optional<std::chrono::milliseconds> left;  ///< until the kernel takes it away
  std::uint64_t packets = 0;
};

/// Hands on the elements of a message; those that no enforcer has written are left out and false comes back.
bool read_elements(const nlmsghdr& message, const BlockShape& shape, const std::function<void(const Element&)>& each);

}  // namespace tipstaff::nft
