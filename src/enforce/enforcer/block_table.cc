#include "enforce/enforcer/block_table.h"

#include <algorithm>

#include "base/hash.h"

namespace tipstaff {
namespace {

std::size_t hash_of(const BlockKey& key) { return mix(std::hash<BlockKey>()(key)); }

}  // namespace

bool BlockTable::is_at(std::uint32_t slot, const BlockKey& key) const {
  const Slot& held = slots_[slot];
  return held.address_ == key.network.address() && held.bits_ == key.network.bits() && held.port_ == key.port &&
         held.protocol_ == key.protocol;
}

std::size_t BlockTable::place_of(const BlockKey& key) const {
  const std::size_t mask = index_.size() - 1;
  std::size_t place = hash_of(key) & mask;
  while (index_[place] != kNone && !is_at(index_[place], key)) place = (place + 1) & mask;
  return place;
}

void BlockTable::grow_index() {
  index_.assign(std::max<std::size_t>(64, index_.size() * 2), kNone);
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) index_[place_of(slots_[slot].key())] = slot;
}

// Those behind move up, so that no search ends too early at the hole (Knuth 6.4, algorithm R).
void BlockTable::free_place(std::size_t place) {
  const std::size_t mask = index_.size() - 1;
  for (std::size_t next = (place + 1) & mask; index_[next] != kNone; next = (next + 1) & mask) {
    const std::size_t home = hash_of(slots_[index_[next]].key()) & mask;
    if (((next - home) & mask) < ((next - place) & mask)) continue;
    index_[place] = index_[next];
    place = next;
  }
  index_[place] = kNone;
}

void BlockTable::put_in_heap(std::size_t at, std::uint32_t slot) {
  heap_[at] = slot;
  slots_[slot].heap_at_ = static_cast<std::uint32_t>(at);
}

// Moves the slot at this place of the heap up or down to where its end belongs.
void BlockTable::sift(std::size_t at) {
  const std::uint32_t slot = heap_[at];
  while (at > 0 && is_before(slot, heap_[(at - 1) / 2])) {
    put_in_heap(at, heap_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && is_before(heap_[child + 1], heap_[child])) ++child;
    if (!is_before(heap_[child], slot)) break;
    put_in_heap(at, heap_[child]);
    at = child;
  }
  put_in_heap(at, slot);
}

std::optional<FirewallBlock> BlockTable::find(const BlockKey& key) const {
  if (index_.empty()) return std::nullopt;
  const std::uint32_t slot = index_[place_of(key)];
  if (slot == kNone) return std::nullopt;
  return slots_[slot].block();
}

void BlockTable::set(const BlockKey& key, Instant until) {
  if ((slots_.size() + 1) * 2 > index_.size()) grow_index();
  const std::size_t place = place_of(key);
  if (const std::uint32_t slot = index_[place]; slot != kNone) {
    slots_[slot].until_ = until;
    sift(slots_[slot].heap_at_);
    return;
  }
  const auto slot = static_cast<std::uint32_t>(slots_.size());
  Slot& made = slots_.emplace_back();
  made.address_ = key.network.address();
  made.bits_ = static_cast<std::uint8_t>(key.network.bits());
  made.protocol_ = key.protocol;
  made.port_ = key.port;
  made.until_ = until;
  index_[place] = slot;
  heap_.push_back(slot);
  sift(heap_.size() - 1);
  ++shapes_[shape_of(key)];
}

bool BlockTable::set_dropped(const BlockKey& key, std::uint64_t dropped) {
  if (index_.empty()) return false;
  const std::uint32_t slot = index_[place_of(key)];
  if (slot == kNone) return false;
  slots_[slot].dropped_ = dropped;
  return true;
}

std::optional<FirewallBlock> BlockTable::erase(const BlockKey& key) {
  if (index_.empty()) return std::nullopt;
  const std::size_t place = place_of(key);
  const std::uint32_t slot = index_[place];
  if (slot == kNone) return std::nullopt;
  const FirewallBlock erased = slots_[slot].block();
  free_place(place);
  const std::size_t heap_at = slots_[slot].heap_at_;
  const std::uint32_t last_in_heap = heap_.back();
  heap_.pop_back();
  if (heap_at < heap_.size()) {
    heap_[heap_at] = last_in_heap;
    sift(heap_at);
  }
  // the last slot fills the hole
  if (const auto last = static_cast<std::uint32_t>(slots_.size() - 1); slot != last) {
    index_[place_of(slots_[last].key())] = slot;
    heap_[slots_[last].heap_at_] = slot;
    slots_[slot] = slots_[last];
  }
  slots_.pop_back();
  const auto shape = shapes_.find(shape_of(key));
  if (--shape->second == 0) shapes_.erase(shape);
  return erased;
}

std::optional<FirewallBlock> BlockTable::earliest() const {
  if (heap_.empty() || slots_[heap_.front()].until_ == kForever) return std::nullopt;
  return slots_[heap_.front()].block();
}

void BlockTable::clear() { *this = BlockTable(); }

std::size_t BlockTable::memory() const {
  return slots_.capacity() * sizeof(Slot) + (index_.capacity() + heap_.capacity()) * sizeof(std::uint32_t);
}

}  // namespace tipstaff
