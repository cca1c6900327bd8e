#include "ledger/recent.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace tipstaff {

std::size_t RecentKeys::Table::place_of(const Key& key) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = mix(key.place.offset * 0x9e3779b97f4a7c15ULL ^
                       mix(key.place.generation ^ std::uint64_t{key.index} << 32U) ^ key.source) &
                   mask;
  while (slots_[at].known.row != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return at;
}

const RecentKeys::Slot* RecentKeys::Table::find(const Key& key) const {
  if (size_ == 0) return nullptr;
  const Slot& slot = slots_[place_of(key)];
  return slot.known.row != 0 ? &slot : nullptr;
}

void RecentKeys::Table::put(const Key& key, Known known) {
  if (slots_.size() < 2 * (size_ + 1)) {
    std::vector<Slot> few = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(64, slots_.size() * 2)));
    for (const Slot& slot : few) {
      if (slot.known.row != 0) slots_[place_of(slot.key)] = slot;
    }
  }
  Slot& slot = slots_[place_of(key)];
  if (slot.known.row == 0) ++size_;
  slot = {key, known};
}

void RecentKeys::Table::clear() {
  std::ranges::fill(slots_, Slot{});
  size_ = 0;
}

std::uint32_t RecentKeys::number_of(std::string_view source) {
  const auto found = numbers_.find(source);
  if (found != numbers_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(sources_.size());
  numbers_.emplace(source, number);
  sources_.emplace_back();
  return number;
}

std::optional<RecentKeys::Known> RecentKeys::find(std::uint32_t source, LedgerPlace place, std::uint32_t index) const {
  const Key key{source, index, place};
  for (const Table* table : {&young_, &old_}) {
    if (const Slot* const slot = table->find(key)) return slot->known;
  }
  return std::nullopt;
}

void RecentKeys::add(std::uint32_t source, LedgerPlace place, std::uint32_t index, Known known) {
  if (young_.size() >= kHalf) {
    for (const Slot& slot : old_.slots()) {
      if (slot.known.row != 0) note_older(slot.key.source, slot.key.place);
    }
    std::swap(old_, young_);
    young_.clear();
  }
  young_.put({source, index, place}, known);  // stands before an older version in old_
  auto& farthest = sources_[source].farthest;
  farthest = std::max(farthest.value_or(place), place);
}

void RecentKeys::note_older(std::uint32_t source, LedgerPlace place) {
  Source& of = sources_[source];
  of.forgotten = of.any ? std::max(of.forgotten, place) : place;
  of.any = true;
  of.farthest = std::max(of.farthest.value_or(place), place);
}

std::optional<LedgerPlace> RecentKeys::farthest(std::uint32_t source) const { return sources_[source].farthest; }

void RecentKeys::clear() { *this = RecentKeys(); }

}  // namespace tipstaff
