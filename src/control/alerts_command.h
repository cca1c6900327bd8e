// `tipstaff alerts`: the messages that tipstaff-desk made, and what became of each; and `tipstaff desk`, which hands over to
// that program. Reads the desk's own file beside the ledger, so it works whether or not the desk runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tipstaff {

struct AlertsOptions {
  std::string config;  ///< --config: its [ledger] says where
  std::string ledger;  ///< --ledger: the folder itself
  std::uint64_t id = 0;
  bool all = false;
  bool json = false;
  std::size_t most = 50;
};

/// Exit codes: 0 good, 1 cannot be read, 2 there is no such message.
[[nodiscard]] int run_alerts_list(const AlertsOptions& options);
[[nodiscard]] int run_alerts_show(const AlertsOptions& options);
[[nodiscard]] int run_alerts_retry(const AlertsOptions& options);

/// Becomes tipstaff-desk with these arguments: the one beside this program, else the one in PATH. Comes back, with 1, only
/// where there is none.
[[nodiscard]] int run_desk_program(const std::vector<std::string>& arguments);

}  // namespace tipstaff
