// The command line of tipstaff-enforcer: a handful of options, no commands.
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace tipstaff {

struct EnforcerOptions {
  std::string socket = "/run/tipstaff-enforcer/enforcer.sock";
  std::string allowlist = "/etc/tipstaff/allowlist";
  std::string user = "tipstaff";
  bool is_user_given = false;
  std::string group = "tipstaff";
  bool is_group_given = false;
  bool keep_established = false;
  std::string print = {};  ///< not empty: print this and end (--help, --version)
};

/// Errors: invalid, with the option in question.
[[nodiscard]] Result<EnforcerOptions> parse_enforcer_options(std::span<char* const> arguments);

}  // namespace tipstaff
