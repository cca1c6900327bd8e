// What tipstaff-enforcer does once, while it still has its rights: accounts, the socket, signals, the way to the journal.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "enforce/enforcer/enforcer.h"

namespace tipstaff {

/// Writes to standard error: "<4>text" where that is the journal, else "tipstaff-enforcer: text".
[[nodiscard]] EnforcerLog enforcer_log();

/// The number of an account, by name or number. None: there is no such account and it `must` not be. Errors: invalid.
[[nodiscard]] Result<std::optional<uid_t>> find_user(const std::string& name, bool must);
[[nodiscard]] Result<std::optional<gid_t>> find_group(const std::string& name, bool must);

/// A listening socket at this path, mode 0660; a socket that nobody listens at any more is replaced, its folder is made where
/// there is none. Errors: conflict (another enforcer listens there), unavailable.
[[nodiscard]] Result<int> listen_for_peers(const std::string& path, std::optional<gid_t> group);

/// A descriptor that tells of SIGHUP, SIGTERM and SIGINT, which do nothing else from now on.
[[nodiscard]] Result<int> catch_signals();

}  // namespace tipstaff
