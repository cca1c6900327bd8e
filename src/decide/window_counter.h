// Counts, for each key of one rule, the tries (or the different values) of a sliding window: the stamps of the newest
// N, where N fills the rule. More need not be known: the rule is full when N of them lie within the window. The first
// stamp of a key lies in its entry; a ring of N is only given to keys that have a second, since most accounts and
// many addresses are seen once. Knows nothing of rules and verdicts.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "decide/keyed_table.h"

namespace tipstaff {

class WindowCounter {
 public:
  /// `needed`: stamps kept for each key, 1 to 65535; `distinct`: values are told apart, equal ones keep the newer
  /// stamp. At most `cap` keys, and at most 64 MiB of stamps.
  WindowCounter(std::uint32_t needed, bool distinct, std::chrono::seconds window, std::size_t cap);

  /// The key's counter. Handles hold until the next call.
  std::uint32_t take(TableKey key, Instant now);
  [[nodiscard]] std::uint32_t find(TableKey key) const { return table_.find(key); }

  /// Notes `tries` tries at `now`; with `distinct`, one of `value`.
  void add(std::uint32_t handle, Instant now, std::uint32_t tries, std::uint32_t value);
  /// Stamps within the window around `now`, at most `needed`. A stamp exactly one window away no longer counts, in
  /// either direction: logs that are read newest file first do not count as one moment.
  [[nodiscard]] std::uint32_t count(std::uint32_t handle, Instant now) const;
  void empty(std::uint32_t handle) { table_[handle].size = 0; }
  /// Takes away up to `tries` tries that were noted at `stamp`.
  void take_back(std::uint32_t handle, Instant stamp, std::uint32_t tries);

  /// True, and noted, unless this key alerted within the window.
  bool may_alert(std::uint32_t handle, Instant now);
  /// How many blocks the key has had before this one, no two further apart than `remember`; notes this one.
  std::uint32_t note_block(std::uint32_t handle, Instant now, std::chrono::seconds remember);
  /// The block noted last was none.
  void forget_block(std::uint32_t handle) { table_[handle].blocks -= std::min(table_[handle].blocks, 1U); }

  [[nodiscard]] std::size_t keys() const { return table_.size(); }
  [[nodiscard]] std::uint64_t evicted() const { return table_.evicted(); }

 private:
  static constexpr std::uint32_t kNoRing = ~0U;

  static constexpr Instant kNever = Instant::min();

  // Small, so that a key's counter is one or two cache lines.
  struct Counter {
    Instant first{};          // the stamp of a key without ring
    Instant marked = kNever;  // last alert or block
    std::uint32_t first_value = 0;
    std::uint32_t ring = kNoRing;  // stamps_[ring * needed_ ...]
    std::uint32_t blocks = 0;
    std::uint16_t size = 0;  // stamps held, up to needed_
    std::uint16_t next = 0;  // where the next one goes in a full ring
  };

  void put(Counter& counter, Instant stamp, std::uint32_t value);
  void give_ring(Counter& counter);

  std::uint32_t needed_;
  bool distinct_;
  std::chrono::microseconds window_;
  KeyedTable<Counter> table_;
  std::vector<Instant> stamps_;
  std::vector<std::uint32_t> values_;  // beside stamps_, if distinct_
  std::vector<std::uint32_t> free_rings_;
};

}  // namespace tipstaff
