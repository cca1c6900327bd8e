#include "ledger/recent.h"

#include <algorithm>
#include <utility>

namespace tipstaff {

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
    const auto found = table->find(key);
    if (found != table->end()) return found->second;
  }
  return std::nullopt;
}

void RecentKeys::add(std::uint32_t source, LedgerPlace place, std::uint32_t index, Known known) {
  if (young_.size() >= kHalf) {
    for (const auto& [key, value] : old_) note_older(key.source, key.place);
    old_ = std::exchange(young_, {});
    young_.reserve(kHalf);
  }
  young_.insert_or_assign(Key{source, index, place}, known);  // shadows an older version in old_
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
