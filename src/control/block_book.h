// The blocks that stand, as the guard knows them: those of rules, watch-only or enforced, and those set by hand; the
// exemptions that support gave for a time. Keyed by what is shut, held compactly (100,000 blocks in some 15 MB), without a
// clock, a file or a firewall. What the firewall should hold follows from it; the ledger brings it back after a restart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "ledger/rows.h"

namespace tipstaff {

/// One block that stands. Two rules may have shut the same; then it is shown once for each.
struct StandingBlock {
  std::uint64_t id = 0;  ///< counts up while this guard runs; `explain` takes it as "#17"
  IpNetwork network;
  std::string service;  ///< what is shut; empty: the whole host
  std::string host;     ///< the host that was attacked; empty by hand
  std::string rule;     ///< empty: by hand
  std::string by;       ///< who set it by hand: "root", "uid 1000 (anna)"
  std::string why;      ///< by hand
  Instant at{};
  Instant until{};            ///< kForever
  bool enforced = false;      ///< false: would block
  bool exempt = false;        ///< observed only: the enforcer refused it, since it is on its own allowlist
  bool in_force = false;      ///< the enforcer has said so
  bool effective = true;      ///< false: an attempt got through although it is in force
  std::uint64_t dropped = 0;  ///< packets that would have opened a connection, as last heard from the enforcer
  AttemptKey cause;
};

/// An exemption for a time, given with a reason.
struct TimedExemption {
  IpNetwork network;
  Instant until{};
  std::string by;
  std::string why;
};

}  // namespace tipstaff
