// Copies of the ledger: taken while the guard runs, put back where there is none. A copy is a ledger of its own that every
// command can read. head.key is not in it: who has the key can sign, and copies travel.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace tipstaff {

/// Copies state.db and the months into `to`, which is made (0750) and must be empty. Gives the files' names.
/// Errors: conflict (something is there), not_found, denied, unavailable.
[[nodiscard]] Result<std::vector<std::string>> back_up_ledger(const std::string& folder, const std::string& to);

/// Copies a backup into `folder`, which must hold no month yet; a head.key there is kept. The backup is verified first, and
/// one that is broken is refused. Errors: conflict, corrupt, not_found, denied, unavailable.
[[nodiscard]] Result<std::vector<std::string>> restore_ledger(const std::string& from, const std::string& folder);

}  // namespace tipstaff
