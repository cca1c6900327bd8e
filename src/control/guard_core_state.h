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

// An attempt as rules have counted it. Some 65,000 of them are kept: what rules count by, of the rest nothing.
struct GuardCore::Recent {
  std::string_view source;   // of names_
  std::string_view service;  // of the detectors, or of names_
  std::uint64_t generation = 0, offset = 0;
  std::uint32_t index = 0;
  std::uint32_t rule = 0;
  std::uint32_t count = 1;
  bool has_address = false;
  IpAddress address;
  Instant window_time{};
  std::string account, host;

  [[nodiscard]] AttemptKey key() const { return {std::string(source), generation, offset, index}; }
  [[nodiscard]] bool is(const AttemptKey& other) const {
    return offset == other.offset && generation == other.generation && index == other.index && source == other.source;
  }
  [[nodiscard]] Attempt attempt() const {
    Attempt whole;
    if (has_address) whole.address = address;
    whole.account = account;
    whole.host = host;
    whole.service = service;
    whole.count = count;
    whole.window_time = window_time;
    return whole;
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
