// The addresses of this machine's own interfaces, which no rule may ever shut out.
#pragma once

#include <vector>

#include "base/address.h"

namespace tipstaff {

/// All addresses of all interfaces that are up, as hosts, and the loopback networks. Empty but for the latter where the
/// system does not tell.
[[nodiscard]] std::vector<IpNetwork> own_addresses();

}  // namespace tipstaff
