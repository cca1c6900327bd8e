// `tipstaff check`: whether rules, settings and detector files are right, and what they say, before anything uses them.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct CheckOptions {
  std::string rules;                   ///< check this file alone; empty: the layers
  std::vector<std::string> detectors;  ///< further detector files and folders
  bool json = false;
  bool keys = false;  ///< list all keys instead
};

/// Gives the exit code: kGood, or kUsage with every problem on standard error, each with file and line.
[[nodiscard]] int run_check(const CheckOptions& options);

}  // namespace tipstaff
