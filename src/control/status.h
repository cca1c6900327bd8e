// `tipstaff status`: what the guard is doing, asked over its socket; where none runs, what the ledger holds, and it says so.
#pragma once

#include <string>

namespace tipstaff {

struct StatusOptions {
  std::string rule;    ///< this rule alone; empty: all
  std::string config;  ///< the guard's --config
  bool json = false;
};

/// Gives the exit code: kGood; kUsage where the rule does not exist; kFailed where nobody answers and there is no ledger.
[[nodiscard]] int run_status(const StatusOptions& options);

}  // namespace tipstaff
