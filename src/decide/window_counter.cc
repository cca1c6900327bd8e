// Stamps of a key are not sorted: usually they come in order, and then the ring is; where sources disagree a little,
// each stamp is compared by itself, which for the handful a rule keeps is as fast as any cleverness.
#include "decide/window_counter.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tipstaff {
namespace {

constexpr std::size_t kMostStampBytes = 64U << 20U;

}  // namespace

std::size_t WindowCounter::most_keys() const {
  return std::max<std::size_t>(kMostStampBytes / (needed_ * (sizeof(Instant) + sizeof(std::uint32_t))), 1);
}

void WindowCounter::forget(Counter& counter) {
  if (counter.has_ring_ != 0) free_rings_.push_back(counter.value_);
  counter = Counter();
}

void WindowCounter::give_ring(Counter& counter) {
  const std::uint32_t value = counter.value_;
  if (free_rings_.empty()) {
    counter.value_ = static_cast<std::uint32_t>(stamps_.size() / needed_);
    stamps_.resize(stamps_.size() + needed_);
    if (distinct_) values_.resize(stamps_.size());
  } else {
    counter.value_ = free_rings_.back();
    free_rings_.pop_back();
  }
  counter.has_ring_ = 1;
  stamps_[std::size_t{counter.value_} * needed_] = counter.first_;
  if (distinct_) values_[std::size_t{counter.value_} * needed_] = value;
}

void WindowCounter::put(Counter& counter, Instant stamp, std::uint32_t value) {
  if (counter.has_ring_ == 0) {
    if (counter.size_ == 0 || needed_ == 1) {
      counter.first_ = stamp;
      counter.value_ = value;
      counter.size_ = 1;
      return;
    }
    give_ring(counter);
  }
  const std::size_t base = std::size_t{counter.value_} * needed_;
  std::size_t at = counter.size_;
  if (counter.size_ < needed_) {
    ++counter.size_;
    counter.next_ = 0;
  } else if (distinct_) {
    const auto first = stamps_.begin() + static_cast<std::ptrdiff_t>(base);
    at = static_cast<std::size_t>(std::min_element(first, first + needed_) - first);
  } else {
    at = counter.next_;
    counter.next_ = counter.next_ + 1U == needed_ ? 0 : (counter.next_ + 1U) & kMostNeeded;
  }
  stamps_[base + at] = stamp;
  if (distinct_) values_[base + at] = value;
}

void WindowCounter::add(Counter& counter, Instant now, std::uint32_t tries, std::uint32_t value) {
  if (!distinct_) {
    for (std::uint32_t i = 0; i < std::min(tries, needed_); ++i) put(counter, now, value);
    return;
  }
  if (counter.has_ring_ == 0) {
    if (counter.size_ == 1 && counter.value_ == value) {
      counter.first_ = now;
      return;
    }
  } else {
    const std::size_t base = std::size_t{counter.value_} * needed_;
    for (std::size_t i = base; i < base + counter.size_; ++i) {
      if (values_[i] == value) {
        stamps_[i] = now;
        return;
      }
    }
  }
  put(counter, now, value);
}

void WindowCounter::take_back(Counter& counter, Instant stamp, std::uint32_t tries) {
  if (counter.has_ring_ == 0) {
    if (counter.size_ == 1 && counter.first_ == stamp) counter.size_ = 0;
    return;
  }
  // what is left goes in anew, the oldest first, as the ring expects it
  const std::size_t base = std::size_t{counter.value_} * needed_;
  std::vector<std::pair<Instant, std::uint32_t>> left;
  for (std::size_t i = base; i < base + counter.size_; ++i) {
    if (stamps_[i] == stamp && tries > 0) {
      --tries;
    } else {
      left.emplace_back(stamps_[i], distinct_ ? values_[i] : 0);
    }
  }
  std::ranges::sort(left);
  counter.size_ = counter.next_ = 0;
  for (const auto& [when, value] : left) put(counter, when, value);
}

bool WindowCounter::is_full(const Counter& counter, Instant now) const {
  if (counter.size_ < needed_) return false;
  const auto counts = [this, now](Instant stamp) { return now - stamp < window_ && stamp - now < window_; };
  if (counter.has_ring_ == 0) return counts(counter.first_);
  const auto first = stamps_.begin() + static_cast<std::ptrdiff_t>(std::size_t{counter.value_} * needed_);
  return std::all_of(first, first + counter.size_, counts);
}

bool WindowCounter::may_alert(Counter& counter, Instant now) const {
  if (counter.marked_ != Counter::kNever && now - counter.marked_ < window_ && counter.marked_ - now < window_)
    return false;
  counter.marked_ = now;
  return true;
}

std::uint32_t WindowCounter::note_block(Counter& counter, Instant now, std::chrono::seconds remember) {
  if (counter.marked_ != Counter::kNever && now - counter.marked_ >= remember) counter.blocks_ = 0;
  counter.marked_ = now;
  const std::uint32_t before = counter.blocks_;
  if (before < Counter::kMostBlocks) ++counter.blocks_;
  return before;
}

}  // namespace tipstaff
