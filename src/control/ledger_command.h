// `tipstaff ledger verify|info|forget|about|backup|restore|hold|release|head`: looking after the ledger by hand. What only
// reads works beside a running guard and without one.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct LedgerCommandOptions {
  std::string folder = "/var/lib/tipstaff";
  bool json = false;
  std::vector<std::string> heads;  ///< verify: copies of heads, or files with one a line
  std::string address;             ///< forget, about, hold, release
  std::string account;             ///< forget, about
  bool has_account = false;        ///< an empty account may be meant
  std::string before;              ///< forget: "90d", or a day as 2026-01-31
  std::string reason;              ///< forget, hold
  bool sure = false;               ///< forget
  std::string path;                ///< backup, restore
};

/// kFailed where something was changed.
[[nodiscard]] int run_ledger_verify(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_info(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_forget(const LedgerCommandOptions& options);
/// All that is stored about an address or account.
[[nodiscard]] int run_ledger_about(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_backup(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_restore(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_hold(const LedgerCommandOptions& options);
[[nodiscard]] int run_ledger_release(const LedgerCommandOptions& options);
/// Signs and prints the chain's head.
[[nodiscard]] int run_ledger_head(const LedgerCommandOptions& options);

}  // namespace tipstaff
