// Ranges are taken in the 128-bit space in which IPv4 is ::ffff:a.b.c.d. A wide IPv6 network such as ::/0 spans that
// corner but does not mean IPv4 (IpNetwork::contains says the same), so it is cut in two around it.
#include "decide/exemptions.h"

#include <algorithm>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::size_t kFew = 16;  // ranges that are looked through one by one
constexpr IpAddress kFirstV4 = IpAddress::v4(0);
constexpr IpAddress kLastV4 = IpAddress::v4(~0U);

IpAddress last_of(const IpNetwork& network) {
  const IpAddress first = network.address();
  const unsigned bits = first.is_v4() ? network.bits() + 96 : network.bits();
  const std::uint64_t high = bits >= 64 ? 0 : ~0ULL >> bits;
  const std::uint64_t low = bits <= 64 ? ~0ULL : bits == 128 ? 0 : ~0ULL >> (bits - 64);
  return {first.high() | high, first.low() | low};
}

}  // namespace

Exemptions::Exemptions(std::vector<Exemption> entries) : entries_(std::move(entries)) {
  std::vector<Range> all;
  for (const Exemption& entry : entries_) {
    const IpAddress first = entry.network.address();
    const IpAddress last = last_of(entry.network);
    if (!first.is_v4() && first < kFirstV4 && last > kLastV4) {
      all.push_back({first, {0, kFirstV4.low() - 1}});
      all.push_back({{0, kLastV4.low() + 1}, last});
    } else {
      all.push_back({first, last});
    }
  }
  std::ranges::sort(all, {}, &Range::first);
  for (const Range& range : all) {
    if (!ranges_.empty() && range.first <= ranges_.back().last) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

bool Exemptions::contains(IpAddress address) const {
  if (ranges_.size() > kFew) {
    const auto behind = std::ranges::upper_bound(ranges_, address, {}, &Range::first);
    return behind != ranges_.begin() && address <= std::prev(behind)->last;
  }
  for (const Range& range : ranges_) {
    if (address <= range.last) return address >= range.first;
  }
  return false;
}

const Exemption* Exemptions::find(IpAddress address) const {
  for (const Exemption& entry : entries_) {
    if (entry.network.contains(address)) return &entry;
  }
  return nullptr;
}

}  // namespace tipstaff
