// `tipstaff report`: who tried what and when, from the ledger. For an address, network or account it is the access
// report, row by row; without one it lists the busiest attackers. It only reads, beside a running guard or without one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tipstaff {

struct ReportOptions {
  enum class Format : std::uint8_t { table, csv, json };

  std::string subject;  ///< address or network; empty: none
  std::string account;
  bool has_account = false;  ///< an empty account may be meant
  std::string since, until;  ///< as parse_moment() reads them; empty: none. `until` itself is outside
  Format format = Format::table;
  bool raw = false;              ///< with the lines that told of each attempt
  std::string ledger;            ///< folder; empty: that of the settings
  std::string timezone = "UTC";  ///< of the dates in table and CSV, and of since and until
  std::size_t limit = 0;         ///< newest rows, or addresses; 0: all rows, 20 addresses
};

/// Prints the report. kUsage: an option was wrong; kFailed: the ledger, or a part of it, could not be read.
[[nodiscard]] int run_report(const ReportOptions& options);

}  // namespace tipstaff
