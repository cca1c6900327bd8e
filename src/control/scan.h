// `tipstaff scan`: reads log files and says who tried what, and whom the rules would have shut out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tipstaff {

/// Exit codes of all commands.
constexpr int kGood = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;  ///< wrong usage or input

struct ScanOptions {
  enum class Format : std::uint8_t { text, json, none };

  std::vector<std::string> files;  ///< "-": standard input
  std::string service;             ///< empty: every detector that fits the line
  Format format = Format::text;
  bool json_summary = false;           ///< with Format::none
  std::string rules;                   ///< file that replaces all rules and settings; empty: the layers
  std::vector<std::string> detectors;  ///< further detector files and folders
  std::optional<int> year;
  std::string timezone;  ///< empty: this machine's
  unsigned jobs = 0;     ///< 0: one for each core
  bool quiet = false;    ///< no progress
};

/// Runs the scan and gives the exit code: kGood, or kUsage where an option, a file, a rule or a detector was wrong.
[[nodiscard]] int run_scan(const ScanOptions& options);

}  // namespace tipstaff
