// Stamps of a key are not sorted: usually they come in order, and then the ring is; where sources disagree a little,
// each stamp is compared by itself, which for the handful a rule keeps is as fast as any cleverness.
#include "decide/window_counter.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tipstaff {
namespace {

constexpr std::size_t kMostStampBytes = 64U << 20U;

std::size_t bounded(std::size_t cap, std::uint32_t needed) {
  return std::min(cap,
                  std::max<std::size_t>(kMostStampBytes / (needed * (sizeof(Instant) + sizeof(std::uint32_t))), 1));
}

}  // namespace

WindowCounter::WindowCounter(std::uint32_t needed, bool distinct, std::chrono::seconds window, std::size_t cap)
    : needed_(std::max(needed, 1U)), distinct_(distinct), window_(window), table_(bounded(cap, std::max(needed, 1U))) {}

std::uint32_t WindowCounter::take(TableKey key, Instant now) {
  return table_.take(key, now, [this](const Counter& lost) {
    if (lost.ring != kNoRing) free_rings_.push_back(lost.ring);
  });
}

void WindowCounter::give_ring(Counter& counter) {
  if (free_rings_.empty()) {
    counter.ring = static_cast<std::uint32_t>(stamps_.size() / needed_);
    stamps_.resize(stamps_.size() + needed_);
    if (distinct_) values_.resize(stamps_.size());
  } else {
    counter.ring = free_rings_.back();
    free_rings_.pop_back();
  }
  stamps_[std::size_t{counter.ring} * needed_] = counter.first;
  if (distinct_) values_[std::size_t{counter.ring} * needed_] = counter.first_value;
}

void WindowCounter::put(Counter& counter, Instant stamp, std::uint32_t value) {
  if (counter.ring == kNoRing) {
    if (counter.size == 0 || needed_ == 1) {
      counter.first = stamp;
      counter.first_value = value;
      counter.size = 1;
      return;
    }
    give_ring(counter);
  }
  const std::size_t base = std::size_t{counter.ring} * needed_;
  std::size_t at = counter.size;
  if (counter.size < needed_) {
    ++counter.size;
    counter.next = 0;
  } else if (distinct_) {
    const auto first = stamps_.begin() + static_cast<std::ptrdiff_t>(base);
    at = static_cast<std::size_t>(std::min_element(first, first + needed_) - first);
  } else {
    at = counter.next;
    counter.next = static_cast<std::uint16_t>(counter.next + 1U == needed_ ? 0 : counter.next + 1);
  }
  stamps_[base + at] = stamp;
  if (distinct_) values_[base + at] = value;
}

void WindowCounter::add(std::uint32_t handle, Instant now, std::uint32_t tries, std::uint32_t value) {
  Counter& counter = table_[handle];
  table_.keep_until(handle, now + window_);
  if (!distinct_) {
    for (std::uint32_t i = 0; i < std::min(tries, needed_); ++i) put(counter, now, value);
    return;
  }
  if (counter.ring == kNoRing) {
    if (counter.size == 1 && counter.first_value == value) {
      counter.first = now;
      return;
    }
  } else {
    const std::size_t base = std::size_t{counter.ring} * needed_;
    for (std::size_t i = base; i < base + counter.size; ++i) {
      if (values_[i] == value) {
        stamps_[i] = now;
        return;
      }
    }
  }
  put(counter, now, value);
}

void WindowCounter::take_back(std::uint32_t handle, Instant stamp, std::uint32_t tries) {
  Counter& counter = table_[handle];
  if (counter.ring == kNoRing) {
    if (counter.size == 1 && counter.first == stamp) counter.size = 0;
    return;
  }
  // what is left goes in anew, the oldest first, as the ring expects it
  const std::size_t base = std::size_t{counter.ring} * needed_;
  std::vector<std::pair<Instant, std::uint32_t>> left;
  for (std::size_t i = base; i < base + counter.size; ++i) {
    if (stamps_[i] == stamp && tries > 0) {
      --tries;
    } else {
      left.emplace_back(stamps_[i], distinct_ ? values_[i] : 0);
    }
  }
  std::ranges::sort(left);
  counter.size = counter.next = 0;
  for (const auto& [when, value] : left) put(counter, when, value);
}

std::uint32_t WindowCounter::count(std::uint32_t handle, Instant now) const {
  const Counter& counter = table_[handle];
  const auto counts = [this, now](Instant stamp) { return now - stamp < window_ && stamp - now < window_; };
  if (counter.ring == kNoRing) return counter.size == 1 && counts(counter.first) ? 1 : 0;
  const auto first = stamps_.begin() + static_cast<std::ptrdiff_t>(std::size_t{counter.ring} * needed_);
  return static_cast<std::uint32_t>(std::count_if(first, first + counter.size, counts));
}

bool WindowCounter::may_alert(std::uint32_t handle, Instant now) {
  Counter& counter = table_[handle];
  if (counter.marked != kNever && now - counter.marked < window_ && counter.marked - now < window_) return false;
  counter.marked = now;
  table_.keep_until(handle, now + window_);
  return true;
}

std::uint32_t WindowCounter::note_block(std::uint32_t handle, Instant now, std::chrono::seconds remember) {
  Counter& counter = table_[handle];
  if (counter.marked != kNever && now - counter.marked >= remember) counter.blocks = 0;
  counter.marked = now;
  table_.keep_until(handle, now + remember);
  return counter.blocks++;
}

}  // namespace tipstaff
