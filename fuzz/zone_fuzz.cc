// Files of the tz database. A damaged one is an error with a sentence; of a good one the stretches cover all of time.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/zone_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tipstaff;
  const auto zone = ZoneFile::parse({reinterpret_cast<const char*>(data), size});
  if (!zone) {
    if (zone.error().text.empty()) std::abort();
    return 0;
  }
  const auto& all = zone->stretches();
  if (all.empty()) std::abort();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].begin >= all[i].end || std::chrono::abs(all[i].offset) > std::chrono::hours(26)) std::abort();
    if (i > 0 && all[i].begin != all[i - 1].end) std::abort();
    if (zone->index_at(all[i].begin) != i || zone->index_at(all[i].end - std::chrono::seconds(1)) != i) std::abort();
  }
  return 0;
}
