// Gathers what is known of an address, a network, an account or a block, for `tipstaff explain`. The guard calls it with what
// it holds; without one the command calls it with what the ledger holds. How many tries count for a rule is told from the
// ledger by the rules' own words, so it is what a person can check, and does not follow every turn of the engine
// (`[protect]`, a try taken back).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/block_book.h"
#include "control/explanation.h"
#include "decide/config.h"
#include "ledger/reader.h"

namespace tipstaff {

/// Whom somebody asks about.
struct Subject {
  std::optional<IpNetwork> network;
  std::optional<std::uint64_t> block;  ///< its number
  std::string account;                 ///< where neither of them is given
};

/// "192.0.2.1", "2001:db8::/64", "#17", else an account.
[[nodiscard]] Subject parse_subject(std::string_view text);

struct ExplainInputs {
  const Config* config = nullptr;
  std::vector<Exemption> exempt;  ///< all that are in force, those for a time apart
  std::vector<TimedExemption> timed;
  std::function<void(const std::function<void(const StandingBlock&)>&)> each_block;
  LedgerReader* ledger = nullptr;  ///< nullptr: it cannot be read, and `problem` says why
  std::string problem;
  bool running = true;
  bool watch_only = true;
  Instant now{};
};

/// Error: not_found (no block has that number).
[[nodiscard]] Result<Explanation> explain_subject(const Subject& subject, const ExplainInputs& inputs);

}  // namespace tipstaff
