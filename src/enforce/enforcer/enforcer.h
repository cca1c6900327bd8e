// What the enforcer knows and decides: which blocks stand until when, what is exempt, when each ends, and that the firewall
// holds just that. It has no clock, no file and no socket: the time comes with each call, the firewall is an interface. What
// its own memory and the firewall disagree on is put right from memory, in one transaction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "enforce/enforcer/firewall.h"
#include "enforce/message.h"

namespace tipstaff {

/// For the journal; `bad`: somebody should look.
using EnforcerLog = std::function<void(bool bad, const std::string& text)>;

class Enforcer {
 public:
  /// Networks that allow() takes at most.
  static constexpr std::size_t kMostAllowed = 65'536;

  /// What happened without being asked for; all are called from within the calls below.
  struct Events {
    std::function<void(std::vector<Entry> entries)> ended;
    std::function<void(const std::string& what)> repaired;
  };
  struct Figures {
    std::uint64_t set = 0;       ///< blocks set or given a new end, since the start
    std::uint64_t ended = 0;     ///< blocks that ended
    std::uint64_t refused = 0;   ///< entries refused as exempt or allowed
    std::uint64_t failed = 0;    ///< entries that the kernel refused
    std::uint64_t repaired = 0;  ///< times that the table was put right
    std::optional<Instant> last_repair = std::nullopt;
    bool broken = false;  ///< the firewall does not hold what it should; tried again at each check()
  };

  Enforcer(Firewall& firewall, Events events, EnforcerLog log);

  /// Takes over what an earlier enforcer left in the firewall, or makes the table. `own`: as for set_own().
  Result<void> start(std::vector<IpNetwork> own, Instant now);

  /// Sets blocks; gives back the entries that were not taken, with why.
  std::vector<Entry> block(std::span<const Entry> entries, Instant now);
  /// Ends blocks; gives back those ended, with their counts, and those unknown.
  std::vector<Entry> unblock(std::span<const Entry> entries, Instant now);
  /// The guard's exemptions, in one or several calls; gives back those beyond kMostAllowed.
  std::vector<Entry> allow(std::span<const Entry> entries, bool first, Instant now);
  /// The enforcer's own exemptions: allowlist, own addresses, gateways. Loopback is always exempt.
  void set_own(std::vector<IpNetwork> networks, Instant now);

  /// Writes exemptions into the firewall that allow() has only noted, since more were to come.
  void apply_exemptions(Instant now);

  /// Ends what is due, at most 10,000 blocks; next_end() tells whether there is more. Call it then or soon after.
  void end_due(Instant now);
  [[nodiscard]] std::optional<Instant> next_end() const;
  /// Looks whether the firewall still has the layout it should have, and puts it right; cheap. `why`: what made you look.
  void check(Instant now, const std::string& why);
  /// Compares all blocks and reads all counts, and puts right what is wrong. Some 100 ms for 100,000 blocks.
  void audit(Instant now, const std::string& why);
  /// Makes the table anew from memory; the caller knows that somebody touched it.
  void repair(Instant now, const std::string& why);
  /// Reads the counts of all blocks.
  Result<void> refresh_counts();
  /// Ends everything and takes the table away; it is made again when something is to be blocked.
  Result<void> clear();

  [[nodiscard]] const BlockTable& blocks() const { return blocks_; }
  [[nodiscard]] const Figures& figures() const { return figures_; }
  [[nodiscard]] std::size_t own_count() const { return own_.networks().size(); }
  [[nodiscard]] std::size_t allowed_count() const { return allowed_.networks().size(); }
  /// Counts up whenever a block is set or ends.
  [[nodiscard]] std::uint64_t version() const { return version_; }

 private:
  Result<void> read_standing(Instant now);
  [[nodiscard]] EntryResult judge(const BlockKey& key, Instant until, Instant now) const;
  [[nodiscard]] NetworkSet exempt() const;
  std::vector<Entry> end_blocks(std::span<const BlockKey> keys, Instant now);
  void tell_ended(std::vector<Entry> ended);
  void end_exempt(Instant now);
  bool rebuild(Instant now);
  void keep_counts();
  void say(bool bad, const std::string& text) const;

  Firewall& firewall_;
  Events events_;
  EnforcerLog log_;
  BlockTable blocks_;
  NetworkSet own_;
  NetworkSet allowed_;
  Figures figures_;
  std::uint64_t version_ = 0;
  bool is_exempt_stale_ = false;  // the firewall does not know the exemptions yet
  bool is_cleared_ = false;       // there is no table, by will
};

}  // namespace tipstaff
