// Ties the book of blocks to the firewall: what is put into the book goes to the firewall at once, what ends is opened, and
// after each connection the two are compared, since either may have lived on without the other. Knows no thread, socket or
// clock of its own, so tests drive it by hand with a firewall of theirs. Without a firewall (watch-only) it keeps the book
// alone.
//
// The firewall ends blocks itself at their time. A block that is over stays in the book, unlisted, for some seconds more:
// until the firewall has told its last count, which is written down.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/service_port.h"
#include "control/block_book.h"
#include "control/guard_status.h"
#include "control/log_sink.h"
#include "decide/exemptions.h"
#include "detect/attempt.h"
#include "enforce/backend.h"

namespace tipstaff {

/// The ports of a service; empty: they are not known.
using ServicePorts = std::function<std::vector<ServicePort>(std::string_view service)>;

struct EnforcementOptions {
  bool enforcing = false;
  std::string backend = "enforcer";  ///< what shuts, in words
  ServicePorts ports;
  Exemptions exempt;  ///< of the configuration
  /// The book was brought back from the ledger, so a block in the firewall that it does not know is left over.
  bool restored = true;
};

/// Where it says what happened. Rows and events are for the ledger.
struct EnforcementSinks {
  LogSink log;
  std::function<void(VerdictRow)> row;
  std::function<void(EventRow)> event;
  std::function<Instant()> clock;
};

class Enforcement {
 public:
  /// After a connection, until strange blocks are taken out: what a restart re-reads has been judged by then.
  static constexpr std::chrono::seconds kStrangers{1};
  /// An over block's last count is waited for so long.
  static constexpr std::chrono::seconds kLastCount{3};
  /// A connection may have been open before the block and try so long after: sshd's LoginGraceTime, and some more.
  static constexpr std::chrono::seconds kOpenBefore{130};
  static constexpr std::chrono::seconds kAskCounts{60};
  static constexpr std::chrono::seconds kWriteCounts{300};
  static constexpr std::size_t kRowsAtOnce = 2'000;

  explicit Enforcement(EnforcementSinks sinks);
  Enforcement(const Enforcement&) = delete;
  Enforcement& operator=(const Enforcement&) = delete;

  /// What is in force from now on.
  void configure(EnforcementOptions options);
  /// Exempt beside the configuration, from now on; null: nothing. What stands and is exempt now ends.
  void set_live_exemptions(std::shared_ptr<const Exemptions> live);
  /// Ends the blocks that are exempt by now, and writes that down.
  void end_exempt();
  /// For the firewall that use() is then given.
  [[nodiscard]] BackendHandlers handlers();
  /// Starts it. nullptr: none any more.
  void use(std::unique_ptr<BlockBackend> firewall);

  [[nodiscard]] bool enforcing() const { return options_.enforcing; }
  /// The entry, of the configuration or found out, that exempts all of the network; nullptr: none does.
  [[nodiscard]] const Exemption* exempting(const IpNetwork& network) const;
  /// How many exempt networks lie within it, those for a time too.
  [[nodiscard]] std::size_t exempt_within(const IpNetwork& network) const;
  [[nodiscard]] const BlockBook& book() const { return book_; }
  [[nodiscard]] std::vector<ServicePort> ports_of(std::string_view service) const;
  /// Whether a block of this service (empty: the host) is enforced here. Says so loudly where its ports are not known.
  [[nodiscard]] bool shuts(std::string_view service);

  /// Into the book and the firewall; `enforced` must come from shuts(). Gives its number.
  std::uint64_t add(const NewBlock& block);
  /// Ends it. Gives what it was; none: it does not stand.
  std::optional<StandingBlock> end(std::uint64_t id);
  /// All that overlap the network; none: all.
  [[nodiscard]] std::vector<std::uint64_t> overlapping(const std::optional<IpNetwork>& network) const;
  /// The block by hand of this network and service, and the exemption of this network that stand, whose place others would
  /// take.
  [[nodiscard]] std::optional<StandingBlock> by_hand(const IpNetwork& network, std::string_view service) const;
  [[nodiscard]] std::optional<TimedExemption> exemption(const IpNetwork& network) const;
  /// Exempts, or ends an exemption whose `until` has come. Gives the blocks that ended. Error: unavailable (too many).
  [[nodiscard]] Result<std::vector<StandingBlock>> exempt(const TimedExemption& exemption);
  /// A row of the ledger, in the order in which they were recorded, before a firewall is used. Blocks that were only
  /// watched are not shut afterwards: an enforcing guard passes them over.
  void restore(const VerdictRow& row, Instant now);
  /// How many watched blocks restore() has passed over.
  [[nodiscard]] std::size_t passed_over() const { return passed_over_; }

  /// Somebody tried. Where a block should have kept him out, that is said, once for each block.
  void note_attempt(const Attempt& attempt);
  /// Once a second or so.
  void pass();
  /// The guard ends: counts that are not written down yet are. Nothing is opened.
  void stop();

  /// A row that says of blocks within a network that they have ended, the last of which would have at `until`.
  [[nodiscard]] VerdictRow ended_within(const IpNetwork& network, Instant until);
  /// A key for a row that no attempt has brought about.
  [[nodiscard]] AttemptKey next_key();
  [[nodiscard]] bool stands(const BlockBook::Block& block) const { return block.until() > sinks_.clock(); }
  [[nodiscard]] EnforcementStatus status() const;
  /// Sentences for the status.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  void connected(std::vector<FirewallBlock> standing);
  void lost(const Error& error);
  void in_force(std::span<const BlockKey> keys);
  void refused(std::span<const Entry> entries);
  void ended(std::span<const Entry> entries);
  void repaired(const std::string& what);
  [[nodiscard]] std::vector<BlockKey> keys_of(const IpNetwork& network, std::string_view service) const;
  [[nodiscard]] bool covers(const BlockBook::Block& block, const BlockKey& key) const;
  [[nodiscard]] std::optional<Instant> wanted(const BlockKey& key, Instant now) const;
  void refresh(const IpNetwork& network, std::string_view service);
  void send_allowed();
  void take_counts(std::vector<FirewallBlock> standing);
  static void take_count(BlockBook::Block& block, std::uint64_t count);
  void remove_strangers(Instant now);
  void remove_over(Instant now);
  void write_counts(Instant now);
  void write_count(const BlockBook::Block& block, Instant until);
  void say(Priority priority, const std::string& text) const { sinks_.log(priority, text); }

  EnforcementSinks sinks_;
  EnforcementOptions options_;
  std::shared_ptr<const Exemptions> live_;
  BlockBook book_;
  std::unique_ptr<BlockBackend> firewall_;
  std::optional<Error> lost_;
  std::vector<BlockKey> strangers_;
  std::optional<Instant> strangers_due_;
  std::optional<Instant> counts_asked_, counts_written_;
  std::uint64_t counts_at_ = 0;                     // write_counts() goes on behind this number
  std::uint64_t generation_ = 0, last_offset_ = 0;  // of next_key()
  std::set<std::string, std::less<>> without_ports_;
  std::uint64_t made_room_ = 0;
  std::size_t left_alone_ = 0;  // blocks in the firewall that nobody knows
  std::size_t passed_over_ = 0;
  std::uint64_t taken_out_ = 0;           // ended by the firewall before their time
  std::uint64_t failed_ = 0;              // entries that the kernel refused, or for which there was no room
  std::vector<std::string> ineffective_;  // sentences, the last few
  std::uint64_t ineffective_count_ = 0;
};

}  // namespace tipstaff
