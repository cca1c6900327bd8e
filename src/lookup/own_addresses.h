// The addresses of this machine's own interfaces, which no rule may ever shut out.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"

namespace tipstaff {

struct OwnAddress {
  IpNetwork network;
  std::string interface;
};

/// All addresses of all interfaces that are up, as hosts, and the loopback networks. Empty but for the latter where the
/// system does not tell.
[[nodiscard]] std::vector<OwnAddress> own_addresses_by_interface();
/// The same without names.
[[nodiscard]] std::vector<IpNetwork> own_addresses();

}  // namespace tipstaff
