#include "control/block_book.h"

#include <algorithm>
#include <utility>

#include "enforce/block.h"

namespace tipstaff {
namespace {

// Room for so many that are not used any more is not worth moving the others.
constexpr std::size_t kFewFree = 64;

// How long a block lasts, as it is held: a part of a second at its end falls away.
std::int32_t seconds_between(Instant at, Instant until) {
  std::int64_t micros = 0;
  if (until == kForever ||
      __builtin_sub_overflow(until.time_since_epoch().count(), at.time_since_epoch().count(), &micros))
    return BlockBook::Block::kEver;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::microseconds(micros)).count();
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(seconds, INT32_MIN, BlockBook::Block::kEver));
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

// --- slots ------------------------------------------------------------------------------------------------------------

void BlockBook::Block::set_in_force(Instant since) {
  const auto after = std::chrono::ceil<std::chrono::seconds>(since - at).count();
  forced = static_cast<std::int32_t>(std::clamp<std::int64_t>(after, INT32_MIN, kEver - 1));
}

std::uint32_t BlockBook::second_of(Instant time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, UINT32_MAX));
}

std::uint32_t BlockBook::slot_of(std::uint64_t id) const {
  const auto found = std::ranges::lower_bound(slots_, id, {}, &Block::id);
  return found == slots_.end() || found->id != id || !found->used ? SlotTable::kNone
                                                                  : static_cast<std::uint32_t>(found - slots_.begin());
}

const BlockBook::Block* BlockBook::find(std::uint64_t id) const {
  const std::uint32_t slot = slot_of(id);
  return slot == SlotTable::kNone ? nullptr : &slots_[slot];
}

BlockBook::Block* BlockBook::find(std::uint64_t id) { return const_cast<Block*>(std::as_const(*this).find(id)); }

std::optional<std::uint64_t> BlockBook::find(const IpNetwork& network, std::string_view rule, std::string_view service,
                                             std::string_view host, Instant at) const {
  std::optional<std::uint64_t> id;
  each_of(network, [&](const Block& block) {
    const BlockWords& of = words(block);
    if (block.at == at && of.rule == rule && of.service == service && of.host == host) id = block.id;
  });
  return id;
}

// Takes out what is not used any more, where that is a good part; else the vector grows.
void BlockBook::make_room() {
  if (slots_.size() < slots_.capacity() || slots_.size() - count_ < std::max(kFewFree, slots_.size() / 4)) return;
  std::erase_if(slots_, [](const Block& block) { return !block.used; });
  by_network_.clear();
  widths4_ = {};
  widths6_ = {};
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) link(slot);
  note_ends_anew();
}

void BlockBook::link(std::uint32_t slot) {
  Block& block = slots_[slot];
  const auto hash_of_slot = [this](std::uint32_t one) { return std::hash<IpNetwork>()(slots_[one].network()); };
  const IpNetwork network = block.network();
  if (const std::uint32_t head = head_of(network); head != SlotTable::kNone) {
    block.next = slots_[head].next;  // behind the first, so that the table need not change
    slots_[head].next = slot;
  } else {
    block.next = SlotTable::kNone;
    by_network_.add(std::hash<IpNetwork>()(network), slot, hash_of_slot);
    ++(block.address.is_v4() ? widths4_[block.bits] : widths6_[block.bits]);
  }
}

void BlockBook::unlink(std::uint32_t slot) {
  const Block& block = slots_[slot];
  const auto hash_of_slot = [this](std::uint32_t one) { return std::hash<IpNetwork>()(slots_[one].network()); };
  const std::uint64_t hash = hash_of_slot(slot);
  const std::uint32_t head = head_of(block.network());
  if (head == slot && block.next == SlotTable::kNone) {
    by_network_.remove(hash, slot, hash_of_slot);
    --(block.address.is_v4() ? widths4_[block.bits] : widths6_[block.bits]);
  } else if (head == slot) {
    by_network_.replace(hash, slot, block.next);
  } else {
    std::uint32_t before = head;
    while (slots_[before].next != slot) before = slots_[before].next;
    slots_[before].next = block.next;
  }
}

void BlockBook::note_ends_anew() {
  endings_.clear();
  for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].used) endings_.push_back({second_of(slots_[slot].until()), slot});
  }
  std::ranges::make_heap(endings_, std::greater());
}

void BlockBook::note_end(std::uint32_t slot) {
  if (endings_.size() > 2 * count_ + 1'024) return note_ends_anew();  // mostly of what has changed
  endings_.push_back({second_of(slots_[slot].until()), slot});
  std::ranges::push_heap(endings_, std::greater());
}

std::uint32_t BlockBook::take_words(BlockWords words) {
  const auto [known, is_new] = word_numbers_.try_emplace(std::move(words), 0);
  if (is_new) {
    known->second = static_cast<std::uint32_t>(words_.size());
    if (free_words_.empty()) {
      words_.emplace_back();
    } else {
      known->second = free_words_.back();
      free_words_.pop_back();
    }
    words_[known->second].words = &known->first;
  }
  ++words_[known->second].count;
  return known->second;
}

void BlockBook::drop_words(std::uint32_t number) {
  HeldWords& held = words_[number];
  if (--held.count > 0) return;
  word_numbers_.erase(word_numbers_.find(*held.words));
  held.words = nullptr;
  free_words_.push_back(number);
}

std::uint64_t BlockBook::add(const NewBlock& given) {
  const bool by_hand = given.rule.empty();
  Block* known = nullptr;
  each_of(given.network, [&](Block& block) {
    if (block.until() <= given.at) return;  // over, though it has not been taken out
    const BlockWords& of = words(block);
    if (of.rule != given.rule || of.service != given.service) return;
    if (by_hand || (block.at == given.at && of.host == given.host)) known = &block;
  });
  if (known != nullptr && !by_hand) return known->id;
  const std::uint32_t words =
      take_words({.service = std::string(given.service),
                  .host = std::string(known == nullptr ? given.host : std::string_view(this->words(*known).host)),
                  .rule = std::string(given.rule),
                  .by = std::string(given.by),
                  .why = std::string(given.why)});
  if (known != nullptr) {
    const std::optional<Instant> in_force = known->is_in_force() ? std::optional(known->in_force()) : std::nullopt;
    known->at = given.at;
    if (in_force) known->set_in_force(*in_force);
    known->lasts = seconds_between(given.at, given.until);
    known->enforced = given.enforced;
    known->exempt = known->ineffective = false;
    drop_words(std::exchange(known->words, words));
    note_end(static_cast<std::uint32_t>(known - slots_.data()));
    return known->id;
  }
  make_room();
  const auto slot = static_cast<std::uint32_t>(slots_.size());
  Block& block = slots_.emplace_back();
  block.address = given.network.address();
  block.bits = static_cast<std::uint8_t>(given.network.bits());
  block.at = given.at;
  block.lasts = seconds_between(given.at, given.until);
  block.id = ++last_id_;
  block.words = words;
  block.enforced = given.enforced;
  // The firewall counts for what is shut; what it had counted is not this block's.
  each_of(given.network, [&](const Block& other) {
    if (this->words(other).service == given.service)
      block.set_counter(std::max<std::uint64_t>(block.counter, other.counter));
  });
  block.used = true;
  ++count_;
  link(slot);
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
  drop_words(block.words);
  block.used = false;
  --count_;
  return was;
}

void BlockBook::set_until(std::uint64_t id, Instant until) {
  const std::uint32_t slot = slot_of(id);
  if (slot == SlotTable::kNone) return;
  slots_[slot].lasts = seconds_between(slots_[slot].at, until);
  note_end(slot);
}

std::optional<std::uint64_t> BlockBook::next_over(Instant time) {
  while (!endings_.empty() && endings_.front().second <= second_of(time)) {
    const Ending next = endings_.front();
    const Block& block = slots_[next.slot];
    const bool is_current = block.used && second_of(block.until()) == next.second;
    if (is_current && block.until() > time) return std::nullopt;  // within this second
    std::ranges::pop_heap(endings_, std::greater());
    endings_.pop_back();
    if (is_current) return block.id;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> BlockBook::least_when_full() {
  return count_ < kMost ? std::nullopt : next_over(Instant::max());
}

StandingBlock BlockBook::standing(const Block& block) const {
  StandingBlock one;
  tell(block, one);
  return one;
}

void BlockBook::tell(const Block& block, StandingBlock& one) const {
  const BlockWords& of = words(block);
  one.id = block.id;
  one.network = block.network();
  one.service = of.service;
  one.host = of.host;
  one.rule = of.rule;
  one.by = of.by;
  one.why = of.why;
  one.at = block.at;
  one.until = block.until();
  one.enforced = block.enforced;
  one.exempt = block.exempt;
  one.in_force = block.is_in_force();
  one.effective = !block.ineffective;
  one.dropped = block.dropped;
}

// --- what blocks rest on ----------------------------------------------------------------------------------------------

void BlockBook::keep_keys(std::uint64_t id, const NewBlock& block) {
  for (const AttemptKey& key : block.attempts)
    resting_.push_back({id, key.generation, key.offset, sources_.take(key.source), key.index});
  while (resting_.size() > kMostKeys) forget_oldest_keys();
}

// Those of one block.
void BlockBook::forget_oldest_keys() {
  const std::uint64_t id = resting_.front().id;
  while (!resting_.empty() && resting_.front().id == id) {
    sources_.drop(resting_.front().source);
    resting_.pop_front();
  }
}

std::vector<std::uint64_t> BlockBook::resting_on(const AttemptKey& key) const {
  std::vector<std::uint64_t> ids;
  const auto source = sources_.find(key.source);
  if (!source) return ids;
  for (const Resting& one : resting_) {
    if (one.offset == key.offset && one.generation == key.generation && one.source == *source &&
        one.index == key.index && (ids.empty() || ids.back() != one.id) && find(one.id) != nullptr)
      ids.push_back(one.id);
  }
  return ids;
}

std::vector<AttemptKey> BlockBook::attempts_of(std::uint64_t id) const {
  std::vector<AttemptKey> keys;
  for (const Resting& one : std::ranges::equal_range(resting_, id, {}, &Resting::id))
    keys.push_back({sources_.of(one.source), one.generation, one.offset, one.index});
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
  while (!resting_.empty()) {
    const Block* const block = find(resting_.front().id);
    if (block != nullptr && block->at >= now - kKeepKeys) break;
    forget_oldest_keys();
  }
  const bool changed = std::erase_if(exemptions_, [now](const TimedExemption& one) { return one.until <= now; }) > 0;
  if (changed) merge_exemptions();
  return changed;
}

}  // namespace tipstaff
