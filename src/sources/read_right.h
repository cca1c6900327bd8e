// Says how the right to read a log is got, in the words of the system's own tools: on Debian one joins the group adm,
// for the journal systemd-journal. It changes nothing.
#pragma once

#include <string>

namespace tipstaff {

/// The sentence for a path that may not be read by this process: which directory on the way is closed, or which group
/// to join, or, where no group may read it either, what to do instead.
[[nodiscard]] std::string why_denied(const std::string& path);

}  // namespace tipstaff
