// A row of verdicts in words, for reports and what the ledger knows of an address: what a rule did or would have done,
// and what was done by hand, by whom and why.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ledger/rows.h"

namespace tipstaff {

/// "block", "alert", "unblock", "exempt", "drops".
[[nodiscard]] std::string_view kind_name(VerdictKind kind);
/// "blocked 192.0.2.1 until TIME, rule "x" on host-a", "would block ...", "unblocked 192.0.2.1 by root: a customer". Safe
/// for a terminal. `clock` prints times.
[[nodiscard]] std::string action_text(const VerdictRow& verdict, const std::function<std::string(Instant)>& clock);

}  // namespace tipstaff
