// A file that claims to be a database of networks. Whatever is in it, opening and looking up end, and what comes out is
// within its bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "lookup/network_database.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  auto database = open_network_database(DatabaseFile::of_bytes({reinterpret_cast<const char*>(data), size}));
  if (!database) return 0;
  const auto info = (*database)->info();
  if (info.name.size() > 4 * kMostDatabaseText || info.notice.size() > 4 * kMostDatabaseText) std::abort();
  for (const IpAddress address : {IpAddress::v4(0), IpAddress::v4(0xc0000201U), IpAddress::v4(0xcb00714dU),
                                  IpAddress::v4(~0U), IpAddress(0x20010db800770000ULL, 5), IpAddress(~0ULL, ~0ULL)}) {
    const auto fact = (*database)->find(address, true);
    if (!fact) continue;
    if (!fact->network.contains(address) || !fact->uniform.contains(address)) std::abort();
    if (fact->uniform.bits() < fact->network.bits() || fact->as_name.size() > 4 * kMostDatabaseText) std::abort();
  }
  return 0;
}
