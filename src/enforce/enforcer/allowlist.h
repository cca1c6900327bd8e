// The enforcer's own allowlist: one address or network a line, # begins a comment. What stands there is never shut, whoever
// asks. So it counts only where nobody but root could have written it: the file, and every folder above it.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"

namespace tipstaff {

/// Networks that the file may name.
inline constexpr std::size_t kMostAllowlist = 65'536;

/// `path`: absolute. No file: empty. Errors: denied (somebody else could have written it: says which path, and whose it is),
/// invalid (file:line), unavailable (it cannot be read).
[[nodiscard]] Result<std::vector<IpNetwork>> read_allowlist(const std::string& path);
/// The lines of such a file. `name` for errors.
[[nodiscard]] Result<std::vector<IpNetwork>> parse_allowlist(std::string_view text, const std::string& name);

}  // namespace tipstaff
