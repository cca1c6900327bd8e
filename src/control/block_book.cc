#include "control/block_book.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"

namespace tipstaff {
namespace {

std::uint64_t hash_of_id(std::uint64_t id) { return mix(id); }

std::uint64_t hash_of_key(std::uint32_t source, std::uint64_t generation, std::uint64_t offset, std::uint32_t index) {
  return mix(offset + mix(generation + mix((std::uint64_t{source} << 32U) + index)));
}

}  // namespace

std::uint32_t TextPool::take(std::string_view text) {
  if (text.empty()) return 0;
  if (const auto known = numbers_.find(text); known != numbers_.end()) {
    ++texts_[known->second].count;
    return known->second;
  }
  std::uint32_t number = static_cast<std::uint32_t>(texts_.size());
  if (free_.empty()) {
    texts_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  const auto at = numbers_.emplace(text, number).first;
  texts_[number] = {&at->first, 1};
  return number;
}

void TextPool::drop(std::uint32_t number) {
  if (number == 0 || --texts_[number].count > 0) return;
  numbers_.erase(numbers_.find(*texts_[number].text));
  texts_[number].text = nullptr;
  free_.push_back(number);
}

std::optional<std::uint32_t> TextPool::find(std::string_view text) const {
  if (text.empty()) return 0;
  const auto known = numbers_.find(text);
  return known == numbers_.end() ? std::nullopt : std::optional(known->second);
}

std::uint32_t BlockBook::slot_of(std::uint64_t id) const {
  return by_id_.find(hash_of_id(id), [&](std::uint32_t slot) { return slots_[slot].id == id; });
}

const BlockBook::Block* BlockBook::find(std::uint64_t id) const {
  const std::uint32_t slot = slot_of(id);
  return slot == SlotTable::kNone ? nullptr : &slots_[slot];
}

BlockBook::Block* BlockBook::find(std::uint64_t id) { return const_cast<Block*>(std::as_const(*this).find(id)); }

std::optional<std::uint64_t> BlockBook::find(const VerdictRow& row) const {
  const auto rule = texts_.find(row.rule);
  const auto service = texts_.find(row.service);
  const auto host = texts_.find(row.host);
  if (!rule || !service || !host || !row.network) return std::nullopt;
  std::optional<std::uint64_t> id;
  each_of(*row.network, [&](const Block& block) {
    if (block.rule == *rule && block.service == *service && block.host == *host && block.at == row.at) id = block.id;
  });
  return id;
}

void BlockBook::link(std::uint32_t slot) {
  Block& block = slots_[slot];
  const auto hash_of_slot = [this](std::uint32_t one) { return std::hash<IpNetwork>()(slots_[one].network); };
  const std::uint64_t hash = std::hash<IpNetwork>()(block.network);
  if (const std::uint32_t head = head_of(block.network); head != SlotTable::kNone) {
    block.next = slots_[head].next;  // behind the first, so that the table need not change
    slots_[head].next = slot;
  } else {
    block.next = SlotTable::kNone;
    by_network_.add(hash, slot, hash_of_slot);
    const bool v4 = block.network.address().is_v4();
    ++(v4 ? widths4_[block.network.bits()] : widths6_[block.network.bits()]);
  }
}

void BlockBook::unlink(std::uint32_t slot) {
  const Block& block = slots_[slot];
  const auto hash_of_slot = [this](std::uint32_t one) { return std::hash<IpNetwork>()(slots_[one].network); };
  const std::uint64_t hash = std::hash<IpNetwork>()(block.network);
  const std::uint32_t head = head_of(block.network);
  if (head == slot && block.next == SlotTable::kNone) {
    by_network_.remove(hash, slot, hash_of_slot);
    const bool v4 = block.network.address().is_v4();
    --(v4 ? widths4_[block.network.bits()] : widths6_[block.network.bits()]);
  } else if (head == slot) {
    by_network_.replace(hash, slot, block.next);
  } else {
    std::uint32_t before = head;
    while (slots_[before].next != slot) before = slots_[before].next;
    slots_[before].next = block.next;
  }
}

bool BlockBook::is_current(const Ending& ending) const {
  const Block& block = slots_[ending.slot];
  return block.used && static_cast<std::uint32_t>(block.id) == ending.stamp && block.until == ending.until;
}

void BlockBook::note_end(std::uint32_t slot) {
  if (endings_.size() > 2 * count_ + 1'024) {  // mostly of what has changed
    endings_.clear();
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].used) endings_.push_back({slots_[i].until, i, static_cast<std::uint32_t>(slots_[i].id)});
    }
    std::ranges::make_heap(endings_, std::greater());
    return;
  }
  endings_.push_back({slots_[slot].until, slot, static_cast<std::uint32_t>(slots_[slot].id)});
  std::ranges::push_heap(endings_, std::greater());
}

std::uint64_t BlockBook::add(const NewBlock& given) {
  const bool by_hand = given.rule.empty();
  std::uint32_t known = SlotTable::kNone;
  for (std::uint32_t slot = head_of(given.network); slot != SlotTable::kNone; slot = slots_[slot].next) {
    const Block& block = slots_[slot];
    if (block.until <= given.at) continue;  // over, though it has not been taken out
    if (text(block.rule) != given.rule || text(block.service) != given.service) continue;
    if (by_hand || (block.at == given.at && text(block.host) == given.host)) known = slot;
  }
  if (known != SlotTable::kNone) {
    Block& block = slots_[known];
    if (!by_hand) return block.id;
    block.at = given.at;
    block.until = given.until;
    block.enforced = given.enforced;
    block.exempt = block.ineffective = false;
    const std::uint32_t by = texts_.take(given.by);
    const std::uint32_t why = texts_.take(given.why);
    const std::uint32_t source = texts_.take(given.cause.source);
    texts_.drop(std::exchange(block.by, by));
    texts_.drop(std::exchange(block.why, why));
    texts_.drop(std::exchange(block.source, source));
    block.generation = given.cause.generation;
    block.offset = given.cause.offset;
    block.index = given.cause.index;
    note_end(known);
    return block.id;
  }
  auto slot = static_cast<std::uint32_t>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Block& block = slots_[slot];
  block = {};
  block.network = given.network;
  block.at = given.at;
  block.until = given.until;
  block.in_force = Instant::max();
  block.id = ++last_id_;
  block.generation = given.cause.generation;
  block.offset = given.cause.offset;
  block.index = given.cause.index;
  block.source = texts_.take(given.cause.source);
  block.service = texts_.take(given.service);
  block.host = texts_.take(given.host);
  block.rule = texts_.take(given.rule);
  block.by = texts_.take(given.by);
  block.why = texts_.take(given.why);
  block.enforced = given.enforced;
  // The firewall counts for what is shut; what it had counted is not this block's.
  each_of(given.network, [&](const Block& other) {
    if (other.service == block.service) block.counter = std::max(block.counter, other.counter);
  });
  block.used = true;
  ++count_;
  link(slot);
  by_id_.add(hash_of_id(block.id), slot, [this](std::uint32_t one) { return hash_of_id(slots_[one].id); });
  note_end(slot);
  keep_keys(block.id, given);
  return block.id;
}

std::optional<StandingBlock> BlockBook::remove(std::uint64_t id) {
  const std::uint32_t slot = slot_of(id);
  if (slot == SlotTable::kNone) return std::nullopt;
  Block& block = slots_[slot];
  StandingBlock was = standing(block);
  unlink(slot);
  by_id_.remove(hash_of_id(id), slot, [this](std::uint32_t one) { return hash_of_id(slots_[one].id); });
  for (const std::uint32_t text : {block.source, block.service, block.host, block.rule, block.by, block.why})
    texts_.drop(text);
  block.used = false;
  free_.push_back(slot);
  --count_;
  return was;
}

void BlockBook::set_until(std::uint64_t id, Instant until) {
  const std::uint32_t slot = slot_of(id);
  if (slot == SlotTable::kNone) return;
  slots_[slot].until = until;
  note_end(slot);
}

std::optional<std::uint64_t> BlockBook::next_over(Instant time) {
  while (!endings_.empty() && endings_.front().until <= time) {
    const Ending next = endings_.front();
    std::ranges::pop_heap(endings_, std::greater());
    endings_.pop_back();
    if (is_current(next)) return slots_[next.slot].id;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> BlockBook::least_when_full() {
  return count_ < kMost ? std::nullopt : next_over(Instant::max());
}

StandingBlock BlockBook::standing(const Block& block) const {
  StandingBlock one;
  one.id = block.id;
  one.network = block.network;
  one.service = text(block.service);
  one.host = text(block.host);
  one.rule = text(block.rule);
  one.by = text(block.by);
  one.why = text(block.why);
  one.at = block.at;
  one.until = block.until;
  one.enforced = block.enforced;
  one.exempt = block.exempt;
  one.in_force = block.in_force != Instant::max();
  one.effective = !block.ineffective;
  one.dropped = block.dropped;
  one.cause = {text(block.source), block.generation, block.offset, block.index};
  return one;
}

// --- what blocks rest on ----------------------------------------------------------------------------------------------

void BlockBook::keep_keys(std::uint64_t id, const NewBlock& block) {
  if (block.attempts.empty()) return;
  Resting resting{id, block.at, {}};
  resting.keys.reserve(block.attempts.size());
  for (const AttemptKey& key : block.attempts) {
    const Key kept{texts_.take(key.source), key.index, key.generation, key.offset};
    by_key_.emplace(hash_of_key(kept.source, kept.generation, kept.offset, kept.index), id);
    resting.keys.push_back(kept);
  }
  keys_ += resting.keys.size();
  resting_.push_back(std::move(resting));
  while (keys_ > kMostKeys) forget_oldest_keys();
}

void BlockBook::forget_oldest_keys() {
  const Resting& oldest = resting_.front();
  for (const Key& key : oldest.keys) {
    auto [at, end] = by_key_.equal_range(hash_of_key(key.source, key.generation, key.offset, key.index));
    while (at != end && at->second != oldest.id) ++at;
    if (at != end) by_key_.erase(at);
    texts_.drop(key.source);
  }
  keys_ -= oldest.keys.size();
  resting_.pop_front();
}

std::vector<std::uint64_t> BlockBook::resting_on(const AttemptKey& key) const {
  std::vector<std::uint64_t> ids;
  const auto source = texts_.find(key.source);
  if (!source) return ids;
  const auto [begin, end] = by_key_.equal_range(hash_of_key(*source, key.generation, key.offset, key.index));
  for (auto at = begin; at != end; ++at) {
    if (find(at->second) != nullptr && std::ranges::find(ids, at->second) == ids.end()) ids.push_back(at->second);
  }
  std::erase_if(ids, [&](std::uint64_t id) {  // hashes may be alike
    const auto keys = attempts_of(id);
    return std::ranges::find(keys, key) == keys.end();
  });
  std::ranges::sort(ids);
  return ids;
}

std::vector<AttemptKey> BlockBook::attempts_of(std::uint64_t id) const {
  std::vector<AttemptKey> keys;
  for (const Resting& resting : resting_) {
    if (resting.id != id) continue;
    for (const Key& key : resting.keys) keys.push_back({text(key.source), key.generation, key.offset, key.index});
  }
  return keys;
}

// --- exemptions -------------------------------------------------------------------------------------------------------

bool BlockBook::exempt(const TimedExemption& exemption, Instant now) {
  const auto known = std::ranges::find(exemptions_, exemption.network, &TimedExemption::network);
  const bool over = exemption.until <= now;
  if (known != exemptions_.end()) exemptions_.erase(known);
  const bool fits = !over && exemptions_.size() < kMostExemptions;
  if (fits) exemptions_.push_back(exemption);
  merge_exemptions();
  return fits;
}

void BlockBook::merge_exemptions() {
  std::vector<Exemption> entries;
  for (const TimedExemption& one : exemptions_) entries.push_back({one.network, "exempt by " + one.by});
  exempt_ = Exemptions(std::move(entries));
}

bool BlockBook::pass(Instant now) {
  while (!resting_.empty() && resting_.front().at < now - kKeepKeys) forget_oldest_keys();
  const bool changed = std::erase_if(exemptions_, [now](const TimedExemption& one) { return one.until <= now; }) > 0;
  if (changed) merge_exemptions();
  return changed;
}

}  // namespace tipstaff
