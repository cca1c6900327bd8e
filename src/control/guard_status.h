// What the guard says about itself: sources, rules, recording. One model, made by the guard, sent as JSON over the control
// socket, read back by `tipstaff status` and shown as the tree that users of fail2ban know. Without a guard the same model
// is filled from the ledger (status.cc). Counting is done elsewhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

struct SourceStatus {
  std::string name;   ///< "file:/var/log/auth.log"
  std::string state;  ///< "following", "missing" ...
  std::string sentence;
  std::uint64_t lines = 0;
  std::uint64_t known_program = 0;
  std::uint64_t understood = 0;
  std::uint64_t implausible = 0;  ///< lines whose stamp did not count
  std::uint64_t unsure = 0;       ///< lines that tell of tries, but may be forged
  std::uint64_t lost = 0;         ///< lines known to be lost
  std::uint64_t behind = 0;       ///< bytes or entries not read yet
  bool catching_up = false;
  std::optional<Instant> last;       ///< arrival of the last line
  std::optional<std::int64_t> skew;  ///< seconds by which stamps are behind arrival; negative: ahead
  std::vector<std::string> alarms;   ///< what is no longer understood
};

struct BlockStatus {
  std::string network, service, host;
  Instant at{}, until{};
};

struct RuleStatus {
  std::string name;
  std::string sentence;                ///< what the rule does
  bool blocks = true;                  ///< else it alerts
  std::uint64_t currently_failed = 0;  ///< tries within the window
  std::uint64_t total_failed = 0;
  std::uint64_t total_verdicts = 0;  ///< blocks or alerts
  std::uint64_t currently_blocked = 0;
  std::vector<BlockStatus> blocked;  ///< newest first, at most kMostBlocksListed
};

inline constexpr std::size_t kMostBlocksListed = 1'000;

/// Who is never counted and never blocked.
struct ExemptStatus {
  struct Name {
    std::string name, where;
    std::vector<std::string> addresses;  ///< of the last good answer
    std::optional<Instant> resolved;     ///< when that came
    std::string problem;                 ///< why the last answer was none
  };
  std::uint64_t networks = 0;
  std::uint64_t tries = 0;  ///< of these addresses
  std::vector<Name> names;
};

/// Where facts about addresses come from, and what may be asked of others.
struct LookupStatus {
  bool dns = false;                    ///< [lookups] dns
  std::vector<std::string> databases;  ///< in use by the rules: "libloc, IPFire Project of 2022-10-29 (PATH)"
};

/// What becomes of blocks.
struct EnforcementStatus {
  bool enforcing = false;
  std::string backend;     ///< what shuts: "enforcer", "command /usr/local/bin/block"; empty: nothing does
  bool connected = false;  ///< it is there
  std::string problem;     ///< why it is not
  std::uint64_t standing = 0, by_hand = 0;
  std::uint64_t in_force = 0;       ///< of those standing: the firewall has said so
  std::uint64_t exempt = 0;         ///< observed only, since the enforcer exempts them
  std::uint64_t not_effective = 0;  ///< attempts came through, since the guard began
  std::uint64_t dropped = 0;        ///< packets, by the blocks that stand
  std::uint64_t exemptions = 0;     ///< for a time
};

struct GuardStatus {
  bool running = true;  ///< false: read from the ledger, which does not know everything (docs/formats/status.md)
  bool watch_only = true;
  EnforcementStatus enforcement;
  Instant now{};
  std::optional<Instant> since;  ///< start of the guard; totals count from here. From the ledger: its first attempt
  std::string ledger;            ///< its folder
  bool recording = true;
  std::string problem;         ///< why it does not record
  std::uint64_t recorded = 0;  ///< attempts and verdicts written
  std::uint64_t dropped = 0;   ///< not written, for a full disk
  std::uint64_t failures = 0, successes = 0, probes = 0;
  ExemptStatus exempt;
  LookupStatus lookups;
  std::string trial;                  ///< a sentence where a configuration is on trial, or was taken back
  std::vector<std::string> problems;  ///< sentences: what was left out of the configuration, months that cannot be read
  std::vector<SourceStatus> sources;
  std::vector<RuleStatus> rules;
};

/// One line of JSON without line feed (docs/formats/status.md).
[[nodiscard]] std::string to_json(const GuardStatus& status);
/// Reads it back. Errors: invalid.
[[nodiscard]] Result<GuardStatus> parse_status(std::string_view json);
/// The tree for people. With `rule`, that rule alone; error not_found names the rules there are.
[[nodiscard]] Result<std::string> to_tree(const GuardStatus& status, const std::string& rule);

}  // namespace tipstaff
