// A bounded table from keys that attackers choose to small values. Open addressing over 8-byte cells; the entries lie
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

  explicit KeyedTable(std::size_t cap) : cap_(std::max<std::size_t>(cap, 1)), cells_(kFewestCells) {}

  /// Index of the key's entry, or kNone. Indices hold until the next `take`.
  [[nodiscard]] std::uint32_t find(TableKey key) const { return find(key, hash_key(key)); }

  /// Index of the key's entry; a new key gets a fresh `Value`, if need be in the place of another. `recycled` is told
  /// the index of the one that is lost, before it goes.
  template <class Recycled>
  std::uint32_t take(TableKey key, Instant now, Recycled&& recycled) {
    const std::uint32_t hash = hash_key(key);
    std::uint32_t index = find(key, hash);
    if (index != kNone) return index;
    index = reusable(now);
    if (index == kNone) {
      index = static_cast<std::uint32_t>(entries_.size());
      entries_.emplace_back();
      if (entries_.size() * 2 > cells_.size()) double_cells();
    } else {
      recycled(index);
      unlink(index);
    }
    entries_[index] = {key, now, Value()};
    link(index, hash);
    return index;
  }
  std::uint32_t take(TableKey key, Instant now) {
    return take(key, now, [](std::uint32_t) {});
  }

  [[nodiscard]] Value& operator[](std::uint32_t index) { return entries_[index].value; }
  [[nodiscard]] const Value& operator[](std::uint32_t index) const { return entries_[index].value; }
  /// The entry is of use before `until`, at least.
  void keep_until(std::uint32_t index, Instant until) {
    entries_[index].until = std::max(entries_[index].until, until);
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  /// Entries dropped while still of use, because of the cap.
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  static constexpr std::size_t kFewestCells = 64;
  static constexpr std::size_t kSwept = 4;    // entries looked at for one that has run out, for each new key
  static constexpr std::size_t kProbed = 16;  // entries among which the one to drop is chosen

  struct Cell {
    std::uint32_t hash = 0;
    std::uint32_t entry = 0;  // index + 1; 0: empty
  };
  struct alignas(sizeof(TableKey) + sizeof(Instant) + sizeof(Value) == 64 ? 64 : alignof(Instant)) Entry {
    TableKey key;
    Instant until{};
    Value value;
  };

  static std::uint32_t hash_key(TableKey key) {
    return static_cast<std::uint32_t>(mix(key.a + 0x9e3779b97f4a7c15ULL * key.b));
  }
  [[nodiscard]] std::size_t mask() const { return cells_.size() - 1; }

  // An entry to give to a new key: one that has run out, or at the cap the one that would first.
  std::uint32_t reusable(Instant now) {
    const bool full = entries_.size() >= cap_;
    const std::size_t looks = std::min(full ? kProbed : kSwept, entries_.size());
    std::size_t best = kNone;
    for (std::size_t i = 0; i < looks; ++i) {
      if (++hand_ >= entries_.size()) hand_ = 0;
      if (entries_[hand_].until <= now) return static_cast<std::uint32_t>(hand_);
      if (full && (best == kNone || entries_[hand_].until < entries_[best].until)) best = hand_;
    }
    if (full) ++evicted_;
    return static_cast<std::uint32_t>(best);
  }

  [[nodiscard]] std::uint32_t find(TableKey key, std::uint32_t hash) const {
    for (std::size_t at = hash & mask(); cells_[at].entry != 0; at = (at + 1) & mask()) {
      if (cells_[at].hash == hash && entries_[cells_[at].entry - 1].key == key) return cells_[at].entry - 1;
    }
    return kNone;
  }

  void link(std::uint32_t index, std::uint32_t hash) {
    std::size_t at = hash & mask();
    while (cells_[at].entry != 0) at = (at + 1) & mask();
    cells_[at] = {hash, index + 1};
  }

  // Takes the cell out and moves later ones of its run up, so that no run has a hole.
  void unlink(std::uint32_t index) {
    std::size_t hole = hash_key(entries_[index].key) & mask();
    while (cells_[hole].entry != index + 1) hole = (hole + 1) & mask();
    for (std::size_t at = (hole + 1) & mask(); cells_[at].entry != 0; at = (at + 1) & mask()) {
      const std::size_t home = cells_[at].hash & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = {};
  }

  void double_cells() {
    std::vector<Cell> old(cells_.size() * 2);
    old.swap(cells_);
    for (const Cell& cell : old) {
      if (cell.entry == 0) continue;
      std::size_t at = cell.hash & mask();
      while (cells_[at].entry != 0) at = (at + 1) & mask();
      cells_[at] = cell;
    }
  }

  std::size_t cap_;
  std::vector<Cell> cells_;  // a power of two, at most half of them used
  std::vector<Entry> entries_;
  std::size_t hand_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace tipstaff
