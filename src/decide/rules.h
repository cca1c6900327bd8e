// A rule: which attempts it looks at, what it counts them by, when it is full and what it then asks for. Rules are
// values without state; the engine counts. Each says in one sentence what it does and where it stands. Whether a rule
// looks at an attempt is decided here once, for the engine and for `tipstaff explain` alike.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decide/exemptions.h"
#include "decide/origins.h"
#include "detect/attempt.h"

namespace tipstaff {

/// A text to compare with: bytes, `*` for any run of them and `?` for one.
class Glob {
 public:
  explicit Glob(std::string pattern);
  [[nodiscard]] bool fits(std::string_view text) const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }

 private:
  std::string pattern_;
  bool plain_;  // no wildcard: compared as it is
};

/// What an attempt must be for a rule to look at it. An empty list asks for nothing.
struct Match {
  bool failure = true;
  bool success = false;
  bool probe = false;
  std::vector<Glob> service;
  std::vector<Glob> account;
  std::vector<Glob> host;
  std::vector<Glob> origin;
  std::vector<Glob> detector;
  OriginMatch origins;  ///< country and AS

  [[nodiscard]] bool wants(Outcome outcome) const {
    return outcome == Outcome::failure ? failure : outcome == Outcome::success ? success : probe;
  }
};

/// Whether a rule looks at an attempt, or the first reason why not. `feeds`: a failure that a rule with
/// `after_failures` notes for the success it waits for.
enum class Fit : std::uint8_t {
  yes,
  feeds,
  outcome,
  service,
  account,
  host,
  origin,
  detector,
  no_address,
  no_account,
  exempt,
  unknown_origin,  ///< no database knows the country or AS that the rule asks for
  country,
  as_number
};

/// One rule, complete and checked.
struct Rule {
  enum class CountBy : std::uint8_t { address, prefix, account, country, as };
  enum class Distinct : std::uint8_t { none, account, address };
  enum class Scope : std::uint8_t { host, service };
  enum class Action : std::uint8_t { block, alert };

  std::string name;
  std::string where;  ///< "file:line"
  std::chrono::seconds trigger_window{};
  std::uint32_t occurrences = 1;     ///< tries (or distinct values) within the window that fill it
  std::uint32_t after_failures = 0;  ///< not 0: fires at a success that had so many failures before it
  std::chrono::seconds lockout{};    ///< of the first block; zero for alerts
  CountBy count_by = CountBy::address;
  unsigned ipv4_prefix = 24;  ///< used by CountBy::prefix
  unsigned ipv6_prefix = 64;
  Distinct distinct = Distinct::none;
  Scope scope = Scope::host;
  Action action = Action::block;
  Match match;
  Exemptions exempt;
  std::vector<std::chrono::seconds> escalate;  ///< lockouts of the first, second ... block; empty: always `lockout`
  std::chrono::seconds remember = std::chrono::days(30);
  bool look_on = false;  ///< `continue = true`: the next rule may look at the attempt too

  /// Events the rule keeps for each key.
  [[nodiscard]] std::uint32_t needed() const { return after_failures > 0 ? after_failures : occurrences; }
  /// The network a try of `address` counts for and that a block shuts.
  [[nodiscard]] IpNetwork network_of(IpAddress address) const;
  /// `facts`: where countries and ASs come from; may be null.
  [[nodiscard]] Fit fit(const Attempt& attempt, NetworkFacts* facts = nullptr) const;
  [[nodiscard]] bool counts_by_origin() const { return count_by == CountBy::country || count_by == CountBy::as; }
  /// Whether it asks for the country or AS of an address.
  [[nodiscard]] bool asks_origin() const {
    return counts_by_origin() || match.origins.asks_country() || match.origins.asks_as();
  }
  /// "5 failures of one address within 30m shut it out of the host for 2h."
  [[nodiscard]] std::string explain() const;

 private:
  [[nodiscard]] Fit fit_origin(const Attempt& attempt, NetworkFacts* facts) const;
};

}  // namespace tipstaff
