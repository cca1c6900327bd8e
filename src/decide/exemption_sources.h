// Exemptions that are found out while the guard runs: this machine's own addresses, its default gateways, where its
// administrators are logged in from, the addresses of the names on the allowlist, and what support has exempted for a time.
// The guard calls refresh() now and then; questions are asked on threads of their own, so it never waits, whatever DNS
// does. What comes out is one immutable set, made anew when anything in it has changed. What stands in [allowlist] as a
// network is not here but in Config.
//
// An answer that fails changes nothing: the last good one holds. A name's answer and the facts of this machine are bounded.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "decide/config.h"
#include "decide/exemptions.h"
#include "lookup/admin_sessions.h"
#include "lookup/background.h"
#include "lookup/gateways.h"
#include "lookup/own_addresses.h"

namespace tipstaff {

/// Whom to ask. Each function is called on a thread of its own and may wait; it must own what it uses.
struct ExemptionFacts {
  std::function<std::vector<OwnAddress>()> own;
  std::function<std::vector<Gateway>()> gateways;
  std::function<std::vector<AdminSession>()> sessions;
  std::function<Result<std::vector<IpAddress>>(const std::string& name)> resolve;

  [[nodiscard]] static ExemptionFacts of_this_machine();
};

/// A name of the allowlist and what is known of it.
struct NameStatus {
  std::string name;
  std::string where;                 ///< "file:line"
  std::vector<IpAddress> addresses;  ///< of the last good answer
  std::optional<Instant> resolved;   ///< when that came
  std::string problem;               ///< why the last answer was none; empty: it was good
};

/// "office.example.com (t.toml:3): 203.0.113.5, resolved 2026-11-05T08:00:00Z".
[[nodiscard]] std::string to_sentence(const NameStatus& name);

/// An exemption that ends by itself.
struct PassingExemption {
  IpNetwork network;
  Instant until{};
  std::string where;  ///< "exempt for a day by anna: reason"
};

/// Belongs to one thread.
class ExemptionSources {
 public:
  static constexpr std::chrono::seconds kSessionsEvery{5};
  static constexpr std::chrono::seconds kMachineEvery{15};
  static constexpr std::size_t kMostOwn = 65'536;
  static constexpr std::size_t kMostTimed = 10'000;

  ExemptionSources(AllowSettings settings, ExemptionFacts facts);

  /// Begins with what another one knew, for a guard that reads its configuration anew: facts, exemptions for a time, and the
  /// answers to names that are still asked for.
  void inherit(const ExemptionSources& before);
  /// What the machine knows of itself, before a line is judged: asks, and waits for it up to `longest`. Names are asked
  /// too, but not waited for.
  void begin(Instant now, std::chrono::milliseconds longest);
  /// Takes up answers that have come, lets go what is over, asks what is due. True: snapshot() is another one now.
  bool refresh(Instant now);
  /// Waits up to `longest` for the questions that are out; for a command that is asked once.
  void wait(Instant now, std::chrono::milliseconds longest);

  /// Never null.
  [[nodiscard]] const std::shared_ptr<const Exemptions>& snapshot() const { return snapshot_; }
  [[nodiscard]] std::vector<NameStatus> names() const;

  /// Adds one, or gives one of the same network a new end and reason. Takes effect with the next refresh(). Errors: invalid
  /// (over already), conflict (kMostTimed stand).
  [[nodiscard]] Result<void> exempt_until(PassingExemption exemption, Instant now);
  /// False: there is none of that network.
  bool end_exemption(const IpNetwork& network);
  [[nodiscard]] const std::vector<PassingExemption>& timed() const { return timed_; }

 private:
  struct Machine {
    std::vector<OwnAddress> own;
    std::vector<Gateway> gateways;
  };
  struct Name {
    NameStatus status;
    Background<Result<std::vector<IpAddress>>> asked;
    std::optional<Instant> next;  // none: at once
  };
  static bool is_due(std::optional<Instant>& next, Instant now, std::chrono::seconds every);
  void take_answers(Instant now);
  void ask(Instant now);
  bool make_snapshot();
  [[nodiscard]] bool is_waiting() const;

  AllowSettings settings_;
  ExemptionFacts facts_;
  Background<Machine> machine_asked_;
  Background<std::vector<AdminSession>> sessions_asked_;
  std::optional<Instant> machine_next_;
  std::optional<Instant> sessions_next_;
  Machine machine_;
  std::vector<AdminSession> sessions_;
  std::vector<std::unique_ptr<Name>> names_;
  std::vector<PassingExemption> timed_;
  std::shared_ptr<const Exemptions> snapshot_ = std::make_shared<const Exemptions>();
};

}  // namespace tipstaff
