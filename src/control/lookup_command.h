// `tipstaff lookup ADDRESS`: what the database on this machine knows of an address's network. Nothing is asked of anybody.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct LookupCommandOptions {
  std::vector<std::string> addresses;
  std::vector<std::string> databases;  ///< instead of those of [lookups]
  std::string config;                  ///< file in the place of those of /etc/tipstaff; empty: these
  bool json = false;
};

/// kGood; kFailed: no database can be used; kUsage: what was given is no address.
[[nodiscard]] int run_lookup(const LookupCommandOptions& options);

}  // namespace tipstaff
