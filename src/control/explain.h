// `tipstaff explain --line`: what each stage makes of one log line, and why.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tipstaff {

struct ExplainOptions {
  std::string line;
  std::string service;
  std::string rules;
  std::vector<std::string> detectors;
  std::optional<int> year;
  std::string timezone;
  bool json = false;
};

/// Gives the exit code.
[[nodiscard]] int run_explain(const ExplainOptions& options);

}  // namespace tipstaff
