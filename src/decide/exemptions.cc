// Ranges are taken in the 128-bit space in which IPv4 is ::ffff:a.b.c.d. A wide IPv6 network such as ::/0 spans that
// corner but does not mean IPv4 (IpNetwork::contains says the same), so it is cut in two around it.
#include "decide/exemptions.h"

#include <algorithm>
#include <tuple>
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

// Networks nest or lie apart.
bool have_common(const IpNetwork& a, const IpNetwork& b) { return a.contains(b.address()) || b.contains(a.address()); }

}  // namespace

std::string_view to_text(ExemptionKind kind) {
  switch (kind) {
    case ExemptionKind::listed:
      return "allowlist";
    case ExemptionKind::name:
      return "name on the allowlist";
    case ExemptionKind::proxy:
      return "trusted proxy";
    case ExemptionKind::own:
      return "own address";
    case ExemptionKind::gateway:
      return "default gateway";
    case ExemptionKind::session:
      return "administrator's session";
    case ExemptionKind::support:
      break;
  }
  return "exempt for a time";
}

void Exemptions::add_ranges(const IpNetwork& network, std::vector<Range>& ranges) {
  const IpAddress first = network.address();
  const IpAddress last = last_of(network);
  if (!first.is_v4() && first < kFirstV4 && last > kLastV4) {
    ranges.push_back({first, {0, kFirstV4.low() - 1}});
    ranges.push_back({{0, kLastV4.low() + 1}, last});
  } else {
    ranges.push_back({first, last});
  }
}

Exemptions::Exemptions(std::vector<Exemption> entries) : entries_(std::move(entries)) {
  std::vector<Range> all;
  for (const Exemption& entry : entries_) add_ranges(entry.network, all);
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

bool Exemptions::overlaps(const IpNetwork& network) const {
  if (ranges_.empty()) return false;
  std::vector<Range> asked;
  add_ranges(network, asked);
  return std::ranges::any_of(asked, [this](const Range& range) {
    const auto first = std::ranges::lower_bound(ranges_, range.first, {}, &Range::last);  // the first not before it
    return first != ranges_.end() && first->first <= range.last;
  });
}

const Exemption* Exemptions::find(IpAddress address) const {
  for (const Exemption& entry : entries_) {
    if (entry.network.contains(address)) return &entry;
  }
  return nullptr;
}

const Exemption* Exemptions::find(const IpNetwork& network) const {
  for (const Exemption& entry : entries_) {
    if (have_common(entry.network, network)) return &entry;
  }
  return nullptr;
}

std::vector<IpNetwork> networks_of(const std::vector<const Exemptions*>& sets) {
  std::vector<IpNetwork> all;
  for (const Exemptions* set : sets) {
    if (set == nullptr) continue;
    for (const Exemption& entry : set->entries()) all.push_back(entry.network);
  }
  // By family: IPv4 lies in the midst of the IPv6 networks by value, and in none of them.
  const auto order = [](const IpNetwork& one) { return std::tuple(!one.address().is_v4(), one.address(), one.bits()); };
  std::ranges::sort(all, {}, order);
  std::vector<IpNetwork> outer;
  for (const IpNetwork& one : all) {
    if (outer.empty() || !outer.back().contains(one.address())) outer.push_back(one);
  }
  return outer;
}

}  // namespace tipstaff
