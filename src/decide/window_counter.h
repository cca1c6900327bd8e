// Counts the tries (or the different values) of a sliding window: the stamps of the newest N, where N fills the rule.
// More need not be known: the rule is full when N of them lie within the window. The first stamp of a key lies in its
// counter; a ring of N is only given to keys that have a second, since most accounts and many addresses are seen once.
// One object counts for one rule; the counters lie with the keys, wherever these are kept. Knows nothing of verdicts.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace tipstaff {

class WindowCounter {
 public:
  /// What is counted of one key; as new: nothing.
  class Counter {
    friend class WindowCounter;
    static constexpr std::uint32_t kMostBlocks = 511;
    static constexpr Instant kNever = Instant::min();

    Instant first_{};              // the stamp of a key without ring
    Instant marked_ = kNever;      // last alert or block
    std::uint32_t value_ = 0;      // of that stamp; or the number of its ring: stamps_[value_ * needed_ ...]
    std::uint32_t size_ : 11 = 0;  // stamps held, up to needed_
    std::uint32_t next_ : 11 = 0;  // where the next one goes in a full ring
    std::uint32_t has_ring_ : 1 = 0;
    std::uint32_t blocks_ : 9 = 0;  // up to kMostBlocks
  };

  static constexpr std::uint32_t kMostNeeded = 2'047;

  /// `needed`: stamps kept for each key, 1 to kMostNeeded; `distinct`: values are told apart, equal ones keep the newer stamp.
  WindowCounter(std::uint32_t needed, bool distinct, std::chrono::seconds window)
      : needed_(std::clamp(needed, 1U, kMostNeeded)), distinct_(distinct), window_(window) {}

  /// Keys that may be counted at most, so that stamps take no more than 64 MiB.
  [[nodiscard]] std::size_t most_keys() const;

  /// Notes `tries` tries at `now`; with `distinct`, one of `value`.
  void add(Counter& counter, Instant now, std::uint32_t tries, std::uint32_t value);
  /// Whether all stamps that are needed lie within the window around `now`. A stamp exactly one window away no longer
  /// counts, in either direction: logs that are read newest file first do not count as one moment.
  [[nodiscard]] bool is_full(const Counter& counter, Instant now) const;
  static void empty(Counter& counter) { counter.size_ = 0; }
  /// Takes away up to `tries` tries that were noted at `stamp`.
  void take_back(Counter& counter, Instant stamp, std::uint32_t tries);
  /// Must be told before a counter goes.
  void forget(Counter& counter);

  /// True, and noted, unless this key alerted within the window.
  [[nodiscard]] bool may_alert(Counter& counter, Instant now) const;
  /// How many blocks the key has had before this one, no two further apart than `remember`; notes this one.
  static std::uint32_t note_block(Counter& counter, Instant now, std::chrono::seconds remember);
  /// The block noted last was none.
  static void forget_block(Counter& counter) {
    if (counter.blocks_ > 0) --counter.blocks_;
  }

 private:
  void put(Counter& counter, Instant stamp, std::uint32_t value);
  void give_ring(Counter& counter);

  std::uint32_t needed_;
  bool distinct_;
  std::chrono::microseconds window_;
  std::vector<Instant> stamps_;
  std::vector<std::uint32_t> values_;  // beside stamps_, if distinct_
  std::vector<std::uint32_t> free_rings_;
};

}  // namespace tipstaff
