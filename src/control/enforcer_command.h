// `tipstaff enforcer status | clear`: asks the enforcer itself, past the guard, over its own socket. It is what is left when
// the guard is gone or wrong and somebody is locked out. The enforcer decides who may.
#pragma once

#include <string>

namespace tipstaff {

inline constexpr const char* kEnforcerSocket = "/run/tipstaff-enforcer/enforcer.sock";

struct EnforcerCommandOptions {
  std::string socket = kEnforcerSocket;
  bool json = false;
  bool sure = false;  ///< clear: do not ask
};

// kFailed: refused, or no enforcer runs; kUsage: clear without --yes, and nobody to be asked.
[[nodiscard]] int run_enforcer_status(const EnforcerCommandOptions& options);
[[nodiscard]] int run_enforcer_clear(const EnforcerCommandOptions& options);

}  // namespace tipstaff
