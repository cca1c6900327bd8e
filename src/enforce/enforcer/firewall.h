// The firewall as the enforcer sees it; nft_firewall.h is the kernel's, tests have one of their own. The kernel ends each
// block 60 s after its time, in case nobody else does. Every call is one that either happens wholly or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "enforce/block.h"
#include "enforce/enforcer/block_table.h"
#include "enforce/enforcer/network_set.h"

namespace tipstaff {

/// A block to set.
struct BlockChange {
  BlockKey key;
  Instant until{};
  bool exists = false;  ///< the firewall has it, with another end
};

/// How many packets a block has dropped.
struct DropCount {
  BlockKey key;
  std::uint64_t packets = 0;
};

class Firewall {
 public:
  virtual ~Firewall() = default;
  Firewall() = default;
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  using OnBlock = std::function<void(const BlockKey& key, Instant until)>;
  using OnCount = std::function<void(const BlockKey& key, std::uint64_t packets)>;

  /// All blocks that stand; none where there is no table.
  virtual Result<void> read_blocks(Instant now, const OnBlock& each) = 0;
  /// All counts, also of blocks that are over. Where a block never dropped anything there is none.
  virtual Result<void> read_counts(const OnCount& each) = 0;

  /// Takes over a table that an earlier enforcer left: blocks and counts stay as they are, rules and exemptions are made
  /// anew. Errors: not_found (no table), conflict (it is not what an enforcer leaves): rebuild() helps.
  virtual Result<void> adopt(const NetworkSet& exempt) = 0;
  /// Makes the table anew with all that is in `blocks`, counts too, whatever there was.
  virtual Result<void> rebuild(const BlockTable& blocks, const NetworkSet& exempt, Instant now) = 0;
  /// Sets blocks, and gives those that exist a new end; each key at most once.
  virtual Result<void> set(std::span<const BlockChange> changes, Instant now) = 0;
  /// Ends blocks; their counts stay. An error where one of them does not exist: then none is ended.
  virtual Result<void> remove(std::span<const BlockKey> keys) = 0;
  /// Reads the counts of these keys and takes them away; those that have none are left out.
  virtual Result<std::vector<DropCount>> take_counts(std::span<const BlockKey> keys) = 0;
  virtual Result<void> set_exempt(const NetworkSet& exempt) = 0;
  /// False: somebody changed tables, chains, rules or sets (elements are not looked at) since this object last did.
  virtual Result<bool> is_whole() = 0;
  /// Takes the table away with everything in it.
  virtual Result<void> clear() = 0;
};

}  // namespace tipstaff
