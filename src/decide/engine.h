// Judges attempts: feeds each to the rules and says who is to be shut out until when, and what is worth an alert.
// Time is the attempts' own (`window_time`), never the clock's, so a replay gives the same verdicts. Everything is
// counted per host. Knows no firewall: a block stands here from the moment it is judged, also where nobody enforces
// it, and what arrives behind it counts for nothing. Bounded in memory, without allocation once its tables have
// grown.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "decide/config.h"
#include "decide/keyed_table.h"
#include "decide/window_counter.h"
#include "detect/attempt.h"

namespace tipstaff {

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
  std::uint32_t counted = 0;  ///< tries, values or failures that filled it (not more than the rule asks for)
};

/// Not thread-safe: one engine belongs to one thread.
class RuleEngine {
 public:
  struct Counters {
    std::uint64_t exempt = 0;        ///< tries of exempt addresses
    std::uint64_t behind_block = 0;  ///< tries that arrived while their address was shut out
    std::uint64_t forgiven = 0;      ///< tries not counted because of a recent success ([protect])
    std::uint64_t evicted = 0;       ///< keys dropped at the cap ([limits])
  };

  explicit RuleEngine(std::shared_ptr<const Config> config);

  /// Appends what the rules say: blocks and alerts, mostly nothing. Attempts of one host should come in the order of
  /// their window time; small disorder is borne.
  void judge(const Attempt& attempt, std::vector<Verdict>& out);

  // For a guard that judges at once and goes on after a restart. Of the attempt its address, account, host, service and
  // window time are used; `rule` is one of config().

  /// The block that the rule put on the attempt's address at its window time stands until `until`, whether or not this
  /// engine judged so itself; what the rule had counted for it is used up.
  void restore(const Rule& rule, const Attempt& cause, Instant until);
  /// That block never was.
  void lift(const Rule& rule, const Attempt& cause);
  /// The attempt counts for the rule, without a verdict; or does not any more.
  void count_again(const Rule& rule, const Attempt& attempt);
  void take_back(const Rule& rule, const Attempt& attempt);

  [[nodiscard]] Counters counters() const;
  /// Verdicts of each rule, in the order of config().rules.
  [[nodiscard]] const std::vector<std::uint64_t>& hits() const { return hits_; }
  [[nodiscard]] const Config& config() const { return *config_; }

 private:
  // What a block shuts, as far as a look-up has to know: one probe into blocks_ for each shape that the rules use.
  struct Shape {
    unsigned ipv4_prefix = 32;
    unsigned ipv6_prefix = 128;
    Rule::Scope scope = Rule::Scope::host;
    bool operator==(const Shape&) const = default;
  };
  struct BlockSpan {
    Instant from{};
    Instant until{};
  };
  struct KnownLogin {
    Instant success{};
    Instant window_from{};
    std::uint32_t forgiven = 0;  // tries since window_from
  };
  struct Facts;  // of the attempt in hand, each computed when first asked for

  static Shape shape_of(const Rule& rule);
  static TableKey key_of(const Rule& rule, Facts& facts);
  static std::uint32_t value_of(const Rule& rule, Facts& facts);
  WindowCounter& window_of(const Rule& rule) {
    return windows_[static_cast<std::size_t>(&rule - config_->rules.data())];
  }
  bool is_shut(Facts& facts) const;
  bool is_forgiven(const Rule& rule, Facts& facts);
  void note_success(Facts& facts);
  bool fill(std::size_t index, bool feeds, Facts& facts, std::vector<Verdict>& out);
  void block(std::size_t index, std::uint32_t handle, Facts& facts, Verdict& verdict);

  std::shared_ptr<const Config> config_;
  std::vector<WindowCounter> windows_;  // one for each rule
  std::vector<std::uint64_t> hits_;
  std::vector<Shape> shapes_;
  KeyedTable<BlockSpan> blocks_;
  KeyedTable<KnownLogin> known_;
  Counters counters_;
};

}  // namespace tipstaff
