// One set of commands for command line, socket and page: who may give which, and what it answers. The doors to the guard
// are handed in, so tests open them to nothing. Every answer is one JSON object (docs/formats/control.md); every change,
// done or refused by the guard, is told to `journal` with who, what and why.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "control/control_ask.h"
#include "control/guard_control.h"
#include "control/guard_status.h"
#include "control/peer.h"
#include "decide/config.h"

namespace tipstaff {

/// What support may do.
inline constexpr std::chrono::seconds kLongestSupportExemption = std::chrono::days(1);
/// What `trial` may last.
inline constexpr std::chrono::seconds kShortestTrial{1};
inline constexpr std::chrono::seconds kLongestTrial = std::chrono::days(1);

/// A change that somebody asked for, for ledger and log.
struct ControlChange {
  Instant at{};
  std::string by;  ///< "root", "uid 1000 (anna)"
  Role role = Role::none;
  std::string what;      ///< "unblock 198.51.100.7"
  std::string why;       ///< as he said; may be empty
  std::string result;    ///< what came of it
  bool done = true;      ///< false: it was refused, nothing was changed
  bool written = false;  ///< GuardControl has logged and recorded it already
  /// One sentence: "uid 1000 (anna), support: unblock 198.51.100.7 (moved office): 1 block ended".
  [[nodiscard]] std::string to_text() const;
  /// Who and as what, for rows of the ledger: "root", "uid 1000 (anna), support".
  [[nodiscard]] std::string signature() const;
};

/// Into the guard.
struct ControlDoors {
  std::function<Instant()> now;
  std::function<GuardControl&()> blocks;
  std::function<std::shared_ptr<const Config>()> config;
  std::function<bool()> watch_only;
  std::function<GuardStatus()> status;
  /// Gives the members of the answer, as `"explanation":{...},"text":"..."`.
  std::function<Result<std::string>(const ControlAsk& ask)> explain;
  // These give a sentence about what was done.
  std::function<Result<std::string>(std::chrono::seconds length, const std::string& by)> trial;
  std::function<Result<std::string>(const std::string& by)> confirm;
  std::function<Result<std::string>(const std::string& by)> reload;
  std::function<void(const ControlChange& change)> journal;
};

class ControlCommands {
 public:
  explicit ControlCommands(ControlDoors doors, RoleGroups groups);

  /// The answer to one line: one JSON object without line feed, with "ok".
  [[nodiscard]] std::string answer(const Peer& peer, std::string_view line) const;

 private:
  [[nodiscard]] Result<std::string> run(const Peer& peer, const ControlAsk& ask, ControlChange& change) const;
  [[nodiscard]] Result<std::string> blocks(const ControlAsk& ask) const;
  [[nodiscard]] Result<std::string> exemptions() const;
  [[nodiscard]] Result<std::string> block(const ControlAsk& ask, ControlChange& change) const;
  [[nodiscard]] Result<std::string> unblock(const Peer& peer, const ControlAsk& ask, ControlChange& change) const;
  [[nodiscard]] Result<std::string> exempt(const Peer& peer, const ControlAsk& ask, ControlChange& change) const;
  [[nodiscard]] Error no_right(const Peer& peer, Role least, std::string_view what) const;
  [[nodiscard]] Result<const Rule*> rule_of(const Config& config, const std::string& name) const;

  ControlDoors doors_;
  RoleGroups groups_;
};

/// A block as one JSON object.
[[nodiscard]] std::string to_json(const StandingBlock& block);
/// "2 h left", "ends now", "for ever".
[[nodiscard]] std::string time_left(Instant until, Instant now);

}  // namespace tipstaff
