// Judges attempts: feeds each to the rules and says who is to be shut out until when, and what is worth an alert.
// Time is the attempts' own (`window_time`), never the clock's, so a replay gives the same verdicts. Everything is
// counted per host. Knows no firewall: a block stands here from the moment it is judged, also where nobody enforces
// it, and what arrives behind it counts for nothing. What rules mostly count by is kept together, one entry for each
// address of a host with all that is known of it. Bounded in memory, without allocation once its tables have grown.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "decide/config.h"
#include "decide/keyed_table.h"
#include "decide/window_counter.h"
#include "detect/attempt.h"

namespace tipstaff {

/// Where a block shuts less than its rule says, so that nobody else is hit.
struct Narrowing {
  bool to_address = false;  ///< the address alone: somebody in its network is exempt
  bool to_service = false;  ///< the service alone: what tries looks like a customer with an old password
  bool operator==(const Narrowing&) const = default;
};

/// What a rule says about an attempt.
struct Verdict {
  enum class Kind : std::uint8_t { block, alert };

  Kind kind = Kind::block;
  const Rule* rule = nullptr;  ///< lives as long as the engine's Config
  bool has_network = false;    ///< always true for a block; an account may be tried without a known address
  IpNetwork network;           ///< block: what is shut; alert: what was counted, or the last address
  bool has_account = false;    ///< the account of the attempt that filled the rule
  std::string account;
  std::string service;        ///< of blocks with scope "service": what is shut
  std::string host;           ///< the host that is attacked; may be empty
  Instant at{};               ///< window time of the attempt that filled the rule
  Instant until{};            ///< end of the block; the block stands in [at, until). Alerts: the same as `at`
  NetworkOrigin origin;       ///< of alerts counted by country or AS: which one
  std::uint32_t counted = 0;  ///< tries, values or failures that filled it (not more than the rule asks for)
  Narrowing narrowed;         ///< of blocks
  bool stale_client = false;  ///< an existing account keeps failing where others log in ([protect] stale_factor)

  /// What it is told by: the rule's name, or "Stale client" for the alert that no rule of the files asks for.
  [[nodiscard]] std::string_view name() const {
    return stale_client && kind == Kind::alert ? std::string_view("Stale client") : std::string_view(rule->name);
  }
};

/// Not thread-safe: one engine belongs to one thread.
class RuleEngine {
 public:
  struct Counters {
    std::uint64_t exempt = 0;        ///< tries of exempt addresses
    std::uint64_t behind_block = 0;  ///< tries that arrived while their address was shut out
    std::uint64_t forgiven = 0;      ///< tries not counted because of a recent success ([protect])
    std::uint64_t stale = 0;         ///< tries counted against the higher threshold of stale clients ([protect])
    std::uint64_t evicted = 0;       ///< keys dropped at the cap ([limits])
  };

  explicit RuleEngine(std::shared_ptr<const Config> config);

  /// Exempt beside what Config says, from now on; null: nothing.
  void set_live_exemptions(std::shared_ptr<const Exemptions> live) { live_ = std::move(live); }
  /// Whether judge() passes the address over.
  [[nodiscard]] bool exempts(IpAddress address) const {
    return config_->exempt.contains(address) || (live_ && live_->contains(address)) ||
           (!config_->exempt_origins.empty() && find_origin_exemption(*config_, address) != nullptr);
  }

  /// Appends what the rules say: blocks and alerts, mostly nothing. Attempts of one host should come in the order of
  /// their window time; small disorder is borne.
  void judge(const Attempt& attempt, std::vector<Verdict>& out);

  // For a guard that judges at once and goes on after a restart. Of the attempt its address, account, host, service and
  // window time are used; `rule` is one of config().

  /// The block that the rule put on the attempt's address at its window time stands until `until`, whether or not this
  /// engine judged so itself; what the rule had counted for it is used up.
  void restore(const Rule& rule, const Attempt& cause, Instant until, Narrowing narrowed = {});
  /// That block never was, as the rule has it or narrowed.
  void lift(const Rule& rule, const Attempt& cause);
  /// The attempt counts for the rule, without a verdict; or does not any more.
  void count_again(const Rule& rule, const Attempt& attempt);
  void take_back(const Rule& rule, const Attempt& attempt);

  [[nodiscard]] Counters counters() const;
  /// Verdicts of each rule, in the order of config().rules.
  [[nodiscard]] std::vector<std::uint64_t> hits() const;
  [[nodiscard]] const Config& config() const { return *config_; }

 private:
  // What a key or a block shuts, as far as a look-up has to know.
  struct Shape {
    unsigned ipv4_prefix = 32;
    unsigned ipv6_prefix = 128;
    Rule::Scope scope = Rule::Scope::host;
    bool operator==(const Shape&) const = default;
  };
  // Where attempts come from, as customers have it: an IPv4 address or an IPv6 /64, of one attacked host.
  static constexpr Shape kPlace{32, 64, Rule::Scope::host};
  static constexpr Instant kNever = Instant::min();
  struct BlockSpan {
    Instant from = kNever;
    Instant until = kNever;
  };
  using Counter = WindowCounter::Counter;
  // The counters of the rules that count by place lie in place_counters_.
  struct Place {
    BlockSpan block;
    Instant last_failure = kNever;
    std::uint8_t failed = 0;  // tries that followed each other within kGuessing; up to kGuesses
    bool logged_in = false;   // somebody did: known_ and logins_ may tell more
  };
  // What is kept of a rule beside its numbers.
  struct State {
    explicit State(const Rule& rule);
    // As Rule::fit(), without asking a rule that wants nothing but an outcome.
    [[nodiscard]] Fit fit(const Rule& rule, const Attempt& attempt, NetworkFacts* facts) const {
      const Fit fit = by_outcome[static_cast<std::size_t>(attempt.outcome)];
      return fit == Fit::outcome || (plain && attempt.address && attempt.has_account) ? fit : rule.fit(attempt, facts);
    }

    std::array<Fit, 3> by_outcome{};  // of an attempt with address and account, if nothing else is asked for
    bool plain = false;               // nothing else is
    WindowCounter window;
    Shape shape;
    std::optional<std::uint32_t> slot;         // among the counters of a place, if its keys may be places
    std::unique_ptr<KeyedTable<Counter>> own;  // keys that are none, and their counters
    std::uint64_t hits = 0;
  };
  // An account that logged in at a place.
  struct KnownLogin {
    Instant success = kNever;
    Instant window_from = kNever;
    std::uint32_t forgiven = 0;    // tries since window_from
    std::uint32_t noted_hour = 0;  // in which its place and account were last noted beside it
  };
  // Which accounts last logged in at a place, and which keep failing there though they exist.
  struct AccountAt {
    std::uint64_t account = 0;
    Instant at = kNever;
  };
  struct Logins {
    std::array<AccountAt, 4> successes;
    std::array<AccountAt, 2> stale;
  };
  struct StaleCount {  // of one account at a place, for one rule
    Instant window_from = kNever;
    Instant alerted = kNever;
    std::uint32_t tries = 0;
  };
  struct Facts;  // of the attempt in hand, each computed when first asked for

  static Shape shape_of(const Rule& rule, Narrowing narrowed = {});
  [[nodiscard]] std::size_t index_of(const Rule& rule) const {
    return static_cast<std::size_t>(&rule - config_->rules.data());
  }
  static std::uint32_t value_of(const Rule& rule, Facts& facts);
  Place* find_place(Facts& facts);
  Place& take_place(Facts& facts);
  void note_shape(const Shape& shape);
  [[nodiscard]] TableKey key_of(std::size_t index, Facts& facts) const;
  [[nodiscard]] NetworkOrigin counted_origin(const Rule& rule, const Attempt& attempt) const;
  static bool is_at_place(const Shape& shape, const Facts& facts);
  [[nodiscard]] bool counts_at_place(std::size_t index, const Facts& facts) const;
  Counter* find_counter(std::size_t index, Facts& facts);
  Counter& take_counter(std::size_t index, Facts& facts, std::chrono::seconds kept);
  BlockSpan* find_block(const Shape& shape, Facts& facts);
  bool is_shut(Facts& facts);
  bool is_forgiven(const Rule& rule, Facts& facts);
  bool is_stale(Facts& facts);
  bool fill_stale(std::size_t index, Facts& facts, std::vector<Verdict>& out);
  void note_success(Facts& facts, bool behind_block);
  void note_logins(Facts& facts);
  void note_failure(Place& place, const Facts& facts);
  bool has_exempt_neighbour(const Rule& rule, const IpNetwork& network) const;
  Verdict& say(std::size_t index, Verdict::Kind kind, std::uint32_t counted, Facts& facts, std::vector<Verdict>& out);
  void note_block(const Rule& rule, Narrowing narrowed, Facts& facts, Instant until);
  bool fill(std::size_t index, bool feeds, Facts& facts, std::vector<Verdict>& out);
  void block(std::size_t index, Counter& counter, Facts& facts, Verdict& verdict);

  std::shared_ptr<const Config> config_;
  std::vector<State> states_;     // one for each rule
  std::vector<Shape> shapes_;     // of blocks, each once, beside kPlace
  KeyedTable<BlockSpan> blocks_;  // of these shapes
  KeyedTable<Place> places_;
  std::vector<Counter> place_counters_;  // slots_ for each place
  std::uint32_t slots_ = 0;
  KeyedTable<KnownLogin> known_;  // by place and account
  KeyedTable<Logins> logins_;     // by place
  KeyedTable<Instant> accounts_;  // those that exist, with their last success anywhere on the host
  KeyedTable<StaleCount> stale_;
  std::shared_ptr<const Exemptions> live_;
  Counters counters_;
};

}  // namespace tipstaff
