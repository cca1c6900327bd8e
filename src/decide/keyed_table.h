// A bounded table from keys that attackers choose to small values. Open addressing over 4-byte cells; the entries lie
// densely behind them, so an empty table costs half a kilobyte and a full one little more than its entries. Each
// entry says until when it is of use: those past it are taken over by new keys without ado. When the stated cap is
// reached and nothing has run out, the entry that would run out first among a few is dropped and counted. Nothing is
// ever refused, no operation walks the whole table except the doubling of the cells.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/hash.h"
#include "base/time.h"

namespace tipstaff {

/// What is counted by, in 16 bytes. Of addresses within one scope (host, service) no two share a key; scopes and
/// texts enter as hashes.
struct TableKey {
  std::uint64_t a = 0;
  std::uint64_t b = 0;

  static constexpr TableKey of(IpAddress address, std::uint64_t scope) {
    return {address.high() ^ scope, address.low() ^ mix(scope + 0x9e3779b97f4a7c15ULL)};
  }
  bool operator==(const TableKey&) const = default;
};

template <class Value>
class KeyedTable {
 public:
  static constexpr std::uint32_t kNone = ~0U;

  explicit KeyedTable(std::size_t cap) : cap_(std::clamp<std::size_t>(cap, 1, kIndex - 1)), cells_(kFewestCells) {}

  /// Index of the key's entry, or kNone. Indices hold until the next `take`.
  [[nodiscard]] std::uint32_t find(TableKey key) const { return find(key, hash_key(key)); }

  /// Index of the key's entry; a new key gets a fresh `Value`, if need be in the place of another. `recycled` is told
  /// the index of the one that is lost, before it goes.
  template <class Recycled>
  std::uint32_t take(TableKey key, Instant now, Recycled&& recycled) {
    const std::uint64_t hash = hash_key(key);
    std::uint32_t index = find(key, hash);
    if (index != kNone) return index;
    index = reusable(now);
    if (index == kNone) {
      index = static_cast<std::uint32_t>(entries_.size());
      if ((entries_.size() + 1) * 5 > cells_.size() * 4) double_cells();
      entries_.emplace_back();
    } else {
      recycled(index);
      unlink(index);
    }
    Entry& entry = entries_[index];
    entry.key = key;
    entry.value = Value();
    entry.until = rounded_down(now);
    link(index, hash);
    return index;
  }
  std::uint32_t take(TableKey key, Instant now) {
    return take(key, now, [](std::uint32_t) {});
  }

  [[nodiscard]] Value& operator[](std::uint32_t index) { return entries_[index].value; }
  [[nodiscard]] const Value& operator[](std::uint32_t index) const { return entries_[index].value; }
  /// The entry is of use before `until`, at least; up to a second longer.
  void keep_until(std::uint32_t index, Instant until) {
    entries_[index].until = std::max(entries_[index].until, rounded_up(until));
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Entries dropped while still of use, because of the cap.
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  static constexpr std::size_t kFewestCells = 64;
  static constexpr std::size_t kSwept = 4;    // entries looked at for one that has run out, for each new key
  static constexpr std::size_t kProbed = 16;  // entries among which the one to drop is chosen

  static constexpr std::uint32_t kIndex = (1U << 24U) - 1;  // of a cell; the other 8 bits are of the hash
  struct Entry {
    TableKey key;
    [[no_unique_address]] Value value;
    std::uint32_t until = 0;  // second; behind the value, so that it may lie in its padding
  };

  static std::uint64_t hash_key(TableKey key) { return mix(key.a + 0x9e3779b97f4a7c15ULL * key.b); }
  // An index and 8 bits of the hash that do not say where it lies; 0: empty.
  static std::uint32_t cell_of(std::uint32_t index, std::uint64_t hash) {
    return (index + 1) | static_cast<std::uint32_t>(hash >> 56U) << 24U;
  }
  static std::uint32_t rounded_down(Instant time) {
    return second(std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()));
  }
  static std::uint32_t rounded_up(Instant time) {
    return second(std::chrono::ceil<std::chrono::seconds>(time.time_since_epoch()));
  }
  static std::uint32_t second(std::chrono::seconds time) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, UINT32_MAX));
  }
  [[nodiscard]] std::size_t mask() const { return cells_.size() - 1; }

  // An entry to give to a new key: one that has run out, or at the cap the one that would first.
  std::uint32_t reusable(Instant now) {
    const bool full = entries_.size() >= cap_;
    const std::size_t looks = std::min(full ? kProbed : kSwept, entries_.size());
    const std::uint32_t this_second = rounded_down(now);
    std::size_t best = kNone;
    for (std::size_t i = 0; i < looks; ++i) {
      if (++hand_ >= entries_.size()) hand_ = 0;
      if (entries_[hand_].until <= this_second) return static_cast<std::uint32_t>(hand_);
      if (full && (best == kNone || entries_[hand_].until < entries_[best].until)) best = hand_;
    }
    if (full) ++evicted_;
    return static_cast<std::uint32_t>(best);
  }

  [[nodiscard]] std::uint32_t index_at(std::size_t at) const { return (cells_[at] & kIndex) - 1; }

  [[nodiscard]] std::uint32_t find(TableKey key, std::uint64_t hash) const {
    for (std::size_t at = hash & mask(); cells_[at] != 0; at = (at + 1) & mask()) {
      if (cells_[at] >> 24U == hash >> 56U && entries_[index_at(at)].key == key) return index_at(at);
    }
    return kNone;
  }

  void link(std::uint32_t index, std::uint64_t hash) {
    std::size_t at = hash & mask();
    while (cells_[at] != 0) at = (at + 1) & mask();
    cells_[at] = cell_of(index, hash);
  }

  // Takes the cell out and moves later ones of its run up, so that no run has a hole.
  void unlink(std::uint32_t index) {
    std::size_t hole = hash_key(entries_[index].key) & mask();
    while (index_at(hole) != index) hole = (hole + 1) & mask();
    for (std::size_t at = (hole + 1) & mask(); cells_[at] != 0; at = (at + 1) & mask()) {
      const std::size_t home = hash_key(entries_[index_at(at)].key) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = 0;
  }

  void double_cells() {
    std::vector<std::uint32_t>(cells_.size() * 2).swap(cells_);
    for (std::uint32_t index = 0; index < entries_.size(); ++index) link(index, hash_key(entries_[index].key));
  }

  std::size_t cap_;
  std::vector<std::uint32_t> cells_;  // a power of two, at most four of five used
  std::vector<Entry> entries_;
  std::size_t hand_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace tipstaff
