// What the guard's core holds, for the files that it is made of: guard_core.cc (judging, rows), guard_core_restore.cc (what
// the rules knew before a restart) and guard_core_status.cc. Nobody else includes it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "control/guard_core.h"

namespace tipstaff {

/// The extra of attempts that count for nothing.
inline constexpr std::string_view kUnsure = "may be forged";

/// As much of the attempt that caused a block as the rules need to find it again. `service` must live on.
inline Attempt cause_of(const IpNetwork& network, const std::string& host, std::string_view service, Instant at) {
  Attempt attempt;
  attempt.address = network.address();
  attempt.host = host;
  attempt.service = service;
  attempt.window_time = at;
  return attempt;
}

/// Where a block that is written down shuts less than its rule says.
inline Narrowing narrowing_of(const IpNetwork& network, std::string_view service, const Rule& rule) {
  return {network.is_host() && !rule.network_of(network.address()).is_host(),
          !service.empty() && rule.scope == Rule::Scope::host};
}

struct GuardCore::SourceState {
  std::string name;
  std::unique_ptr<GuardPipeline> pipeline;
  ReadMark saved;  // with the last batch
  std::optional<Place> saved_resume;
  std::optional<Instant> last;
};

// An attempt as rules have counted it, in 64 bytes: what they count by, of the rest nothing. Texts are those of
// recent_texts_.
struct GuardCore::Recent {
  static constexpr std::size_t kRules = 64;  // an attempt that further ones look at has an entry for each so many
  IpAddress address;
  Instant window_time{};
  std::uint64_t place = 0;  // packed
  std::uint64_t rules = 0;  // a bit for each, from `first_rule` on
  std::uint32_t source = 0, service = 0, account = 0, host = 0;
  std::uint32_t count = 1;
  std::uint16_t first_rule = 0;
  bool has_address = false;

  [[nodiscard]] bool counts_for(std::size_t rule) const {
    return rule >= first_rule && rule - first_rule < kRules && (rules >> (rule - first_rule) & 1U) != 0;
  }
};

// A block as a rule said it, as short as 100,000 of them need.
struct GuardCore::Past {
  struct Cause {
    std::uint32_t source = 0, index = 0;
    std::uint64_t generation = 0, offset = 0;
    auto operator<=>(const Cause&) const = default;
  };
  Cause cause;
  IpNetwork network;
  Instant at{}, until{};  // the same: it is taken back
  std::uint32_t rule = 0, service = 0, host = 0;
  std::uint64_t id = 0;  // of its row
  [[nodiscard]] auto block() const { return std::tuple(rule, network, service, host, at); }
};

// What was done by hand.
struct GuardCore::PastChange {
  std::uint64_t id = 0;
  bool exempts = false;              // else it unblocks
  bool within = false;               // unblocks what lies within alone
  std::optional<IpNetwork> network;  // none: all
  Instant at{}, until{};
};

}  // namespace tipstaff
