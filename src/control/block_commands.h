// `tipstaff block | unblock | blocks | exempt | exemptions | trial | confirm | reload`, and `explain` of an address: what is
// asked of the running guard over its socket, and what comes back, for people and for programs. The guard decides who
// may; `blocks`, `exemptions` and `explain` read the ledger where no guard runs, and say so.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct ControlOptions {
  std::string config;  ///< the file the guard was started with; empty: those of /etc/tipstaff
  bool json = false;
  std::vector<std::string> networks;  ///< block, exempt: one; blocks: one or none
  bool all = false;                   ///< unblock
  std::string length;                 ///< block, exempt, trial; empty: not said
  std::string service, rule, why;     ///< empty: not said
  std::string subject;                ///< explain
  std::string account;                ///< explain, where an account looks like an address
};

// All give the exit code: kGood; kFailed: refused, or no guard runs; kUsage: an argument is wrong.
[[nodiscard]] int run_block(const ControlOptions& options);
[[nodiscard]] int run_unblock(const ControlOptions& options);
[[nodiscard]] int run_blocks(const ControlOptions& options);
[[nodiscard]] int run_exempt(const ControlOptions& options);
[[nodiscard]] int run_exemptions(const ControlOptions& options);
[[nodiscard]] int run_trial(const ControlOptions& options);
[[nodiscard]] int run_confirm(const ControlOptions& options);
[[nodiscard]] int run_reload(const ControlOptions& options);
[[nodiscard]] int run_explain_subject(const ControlOptions& options);

}  // namespace tipstaff
