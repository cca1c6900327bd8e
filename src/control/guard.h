// `tipstaff guard`: follows the logs of this machine, keeps every attempt in the ledger and has those shut out whom the
// rules block; watch-only, which is the default, it only says whom it would block. This file wires sources, core, ledger,
// enforcement, control and service manager to one loop and looks after their ends; what is done with a line is the core's
// business.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct GuardOptions {
  std::string config;                  ///< file in the place of those of /etc/tipstaff; empty: these
  std::vector<std::string> detectors;  ///< further detector files and folders
  bool enforce = false;                ///< also where the settings do not ask for it
};

/// Runs until SIGTERM or SIGINT and gives the exit code: kGood, or kFailed where the guard could not begin.
[[nodiscard]] int run_guard(const GuardOptions& options);

}  // namespace tipstaff
