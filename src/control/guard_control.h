// What an administrator or support may change in a running guard, and ask it about blocks. The guard implements it; the
// control socket and its commands call it, after they have asked whether the caller may. `by` names who did it, for the
// ledger: "root", "uid 1000 (anna)". All calls are made on the guard's loop and answer at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "control/block_book.h"

namespace tipstaff {

/// A block by hand.
struct BlockRequest {
  IpNetwork network;
  std::optional<std::chrono::seconds> lockout;  ///< none: for ever
  std::string service;                          ///< what is shut; empty: the whole host
  std::string why;
  std::string by;
};

/// What a change by hand came to, beside what it changed.
struct ChangeAnswer {
  bool recorded = true;     ///< false: it holds, but the ledger could not take it, so a restart forgets it
  bool watch_only = false;  ///< nothing is shut or opened: the guard only watches
  std::string note;         ///< a sentence on either, and on what else one should know; empty: nothing to say
};

struct BlockAnswer : ChangeAnswer {
  StandingBlock block;
};

struct UnblockAnswer : ChangeAnswer {
  std::vector<StandingBlock> ended;  ///< the first kMostEndedListed of them, in no order
  std::size_t count = 0;             ///< of all that ended
};

inline constexpr std::size_t kMostEndedListed = 1'000;

class GuardControl {
 public:
  virtual ~GuardControl() = default;

  /// Blocks by hand. A second block by hand of the same network and service takes the place of the first; those of rules
  /// stand beside it. The change is in the ledger when this returns. Errors: denied (exempt: says by which entry, with
  /// file and line), invalid (a service without known ports, a network that shuts out all).
  [[nodiscard]] virtual Result<BlockAnswer> block(const BlockRequest& request) = 0;

  /// Ends every block that overlaps the network, so that whoever is in it can come in again: those of the network itself,
  /// of networks and hosts within it, and of networks that cover it, these as a whole. Without a network: all blocks.
  /// What rules had counted is not forgotten. Error: not_found (nothing of it is blocked).
  [[nodiscard]] virtual Result<UnblockAnswer> unblock(std::optional<IpNetwork> network, const std::string& why,
                                                      const std::string& by) = 0;

  /// Ends the blocks that rules have made since then, as if they never had been; those by hand and older ones stay,
  /// whatever they overlap. Gives how many.
  virtual std::size_t take_back_since(Instant begun, const std::string& why, const std::string& by) = 0;

  /// Exempts a network for a time: blocks within it end, a block that covers it goes on for the others. Its attempts are
  /// recorded, but count for nothing. A second exemption of the same network takes the place of the first; one whose
  /// end has come ends it. Error: invalid (a network that exempts all).
  [[nodiscard]] virtual Result<ChangeAnswer> exempt(const TimedExemption& exemption) = 0;

  /// All blocks that stand, oldest first.
  virtual void each_block(const std::function<void(const StandingBlock&)>& use) const = 0;
  /// Those that shut out the address, the narrowest last.
  [[nodiscard]] virtual std::vector<StandingBlock> blocks_of(IpAddress address) const = 0;
  /// By its number, while it stands.
  [[nodiscard]] virtual std::optional<StandingBlock> block_of(std::uint64_t id) const = 0;
  [[nodiscard]] virtual std::vector<TimedExemption> exemptions() const = 0;
};

}  // namespace tipstaff
