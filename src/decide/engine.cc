// The order of things for one attempt: exempt addresses leave at once; a success is remembered; what stands behind a
// block leaves, except that a success there still reaches the rules that wait for one after failures (a login from an
// address that should be shut out is what the administrator must hear of); then the rules in their order. The first
// that looks at the attempt decides, unless it says `continue`; after a block none of the others looks.
#include "decide/engine.h"

#include <algorithm>
#include <tuple>

#include "decide/engine_facts.h"

namespace tipstaff {

RuleEngine::State::State(const Rule& rule)
    : window(rule.needed(), rule.distinct != Rule::Distinct::none, rule.trigger_window), shape(shape_of(rule)) {
  const Match& match = rule.match;
  plain = match.service.empty() && match.account.empty() && match.host.empty() && match.origin.empty() &&
          match.detector.empty() && rule.exempt.entries().empty() && !rule.asks_origin();
  for (const Outcome outcome : {Outcome::failure, Outcome::success, Outcome::probe}) {
    const bool feeds = rule.after_failures > 0 && outcome == Outcome::failure;
    by_outcome[static_cast<std::size_t>(outcome)] = match.wants(outcome) ? Fit::yes : feeds ? Fit::feeds : Fit::outcome;
  }
}

RuleEngine::RuleEngine(std::shared_ptr<const Config> config)
    : config_(std::move(config)),
      blocks_(config_->settings.tracked),
      places_(config_->settings.tracked),
      known_(config_->settings.tracked),
      logins_(config_->settings.tracked),
      accounts_(config_->settings.tracked),
      stale_(config_->settings.tracked) {
  const std::size_t tracked = config_->settings.tracked;
  states_.reserve(config_->rules.size());
  for (const Rule& rule : config_->rules) {
    State& state = states_.emplace_back(rule);
    const std::size_t most = state.window.most_keys();
    const bool at_places = state.shape.ipv4_prefix == kPlace.ipv4_prefix && state.shape.scope == kPlace.scope;
    if (rule.count_by != Rule::CountBy::account && !rule.counts_by_origin() && at_places && most >= tracked)
      state.slot = slots_++;
    if (!state.slot || state.shape != kPlace) {
      state.own = std::make_unique<KeyedTable<Counter>>(std::min(most, tracked));
    }
    if (rule.action == Rule::Action::block) note_shape(state.shape);
  }
}

RuleEngine::Shape RuleEngine::shape_of(const Rule& rule, Narrowing narrowed) {
  const bool prefix = rule.count_by == Rule::CountBy::prefix && !narrowed.to_address;
  return {prefix ? rule.ipv4_prefix : 32, prefix ? rule.ipv6_prefix : 128,
          narrowed.to_service ? Rule::Scope::service : rule.scope};
}

void RuleEngine::note_shape(const Shape& shape) {
  if (shape != kPlace && std::ranges::find(shapes_, shape) == shapes_.end()) shapes_.push_back(shape);
}

RuleEngine::Place* RuleEngine::find_place(Facts& facts) {
  if (!facts.place_sought) facts.place_at = places_.find(facts.place());
  facts.place_sought = true;
  return facts.place_at == KeyedTable<Place>::kNone ? nullptr : &places_[facts.place_at];
}

RuleEngine::Place& RuleEngine::take_place(Facts& facts) {
  if (Place* const known = find_place(facts)) return *known;
  const auto counters = [this](std::uint32_t index) { return place_counters_.data() + std::size_t{index} * slots_; };
  facts.place_at = places_.take(facts.place(), facts.now, [&](std::uint32_t lost) {
    for (State& state : states_) {
      if (state.slot) state.window.forget(counters(lost)[*state.slot]);
    }
  });
  place_counters_.resize(places_.size() * slots_);
  return places_[facts.place_at];
}

// An IPv4 address by itself is a place, however many bits of IPv6 the shape has.
bool RuleEngine::is_at_place(const Shape& shape, const Facts& facts) {
  return shape == kPlace || (shape.ipv4_prefix == kPlace.ipv4_prefix && shape.scope == kPlace.scope &&
                             facts.attempt.address && facts.attempt.address->is_v4());
}

bool RuleEngine::counts_at_place(std::size_t index, const Facts& facts) const {
  return states_[index].slot && is_at_place(states_[index].shape, facts);
}

TableKey RuleEngine::key_of(std::size_t index, Facts& facts) const {
  const Rule& rule = config_->rules[index];
  if (rule.counts_by_origin()) return facts.origin_key(rule, counted_origin(rule, facts.attempt));
  return rule.count_by == Rule::CountBy::account ? facts.account_key(rule.scope) : facts.key(states_[index].shape);
}

RuleEngine::Counter* RuleEngine::find_counter(std::size_t index, Facts& facts) {
  State& state = states_[index];
  if (counts_at_place(index, facts)) {
    const bool known = find_place(facts) != nullptr;
    return known ? &place_counters_[std::size_t{facts.place_at} * slots_ + *state.slot] : nullptr;
  }
  const std::uint32_t at = state.own->find(key_of(index, facts));
  return at == KeyedTable<Counter>::kNone ? nullptr : &(*state.own)[at];
}

RuleEngine::Counter& RuleEngine::take_counter(std::size_t index, Facts& facts, std::chrono::seconds kept) {
  State& state = states_[index];
  if (counts_at_place(index, facts)) {
    take_place(facts);
    places_.keep_until(facts.place_at, facts.now + kept);
    return place_counters_[std::size_t{facts.place_at} * slots_ + *state.slot];
  }
  const std::uint32_t at = state.own->take(key_of(index, facts), facts.now,
                                           [&state](std::uint32_t lost) { state.window.forget((*state.own)[lost]); });
  state.own->keep_until(at, facts.now + kept);
  return (*state.own)[at];
}

RuleEngine::BlockSpan* RuleEngine::find_block(const Shape& shape, Facts& facts) {
  if (is_at_place(shape, facts)) {
    Place* const place = find_place(facts);
    return place == nullptr ? nullptr : &place->block;
  }
  const std::uint32_t at = blocks_.find(facts.key(shape));
  return at == KeyedTable<BlockSpan>::kNone ? nullptr : &blocks_[at];
}

// The country or the AS of the attempt, alone.
NetworkOrigin RuleEngine::counted_origin(const Rule& rule, const Attempt& attempt) const {
  if (!config_->facts || !attempt.address) return {};
  NetworkOrigin origin = config_->facts->origin_of(*attempt.address);
  if (rule.count_by == Rule::CountBy::country) {
    origin.as_number = 0;
  } else {
    origin.country = {};
  }
  return origin;
}

// What a rule with `distinct` tells apart.
std::uint32_t RuleEngine::value_of(const Rule& rule, Facts& facts) {
  return static_cast<std::uint32_t>(rule.distinct == Rule::Distinct::account   ? facts.account()
                                    : rule.distinct == Rule::Distinct::address ? hash_of(*facts.attempt.address)
                                                                               : 0);
}

bool RuleEngine::is_shut(Facts& facts) {
  if (!facts.attempt.address) return false;
  const auto stands = [&facts](const BlockSpan* block) {
    return block != nullptr && block->from <= facts.now && facts.now < block->until;
  };
  if (stands(find_block(kPlace, facts))) return true;
  return blocks_.size() != 0 &&
         std::ranges::any_of(shapes_, [&](const Shape& shape) { return stands(find_block(shape, facts)); });
}

void RuleEngine::judge(const Attempt& attempt, std::vector<Verdict>& out) {
  if (attempt.address && exempts(*attempt.address)) {
    counters_.exempt += attempt.count;
    return;
  }
  Facts facts(attempt);
  const bool success = attempt.outcome == Outcome::success;
  const bool shut = is_shut(facts);
  if (success) note_success(facts, shut);
  if (shut) counters_.behind_block += attempt.count;
  if (shut && !success) return;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const Rule& rule = config_->rules[i];
    const Fit fit = states_[i].fit(rule, attempt, config_->facts.get());
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    if (shut && (rule.after_failures == 0 || rule.action != Rule::Action::alert)) continue;
    const bool blocked = fill(i, fit == Fit::feeds, facts, out);
    if (blocked || (fit == Fit::yes && !rule.look_on)) return;
  }
}

// Counts the attempt for one rule and says what comes of it. True: it was a block.
bool RuleEngine::fill(std::size_t index, bool feeds, Facts& facts, std::vector<Verdict>& out) {
  const Rule& rule = config_->rules[index];
  const bool blocks = rule.action == Rule::Action::block;
  if (blocks && is_forgiven(rule, facts)) return false;
  if (blocks && facts.at_logins && rule.distinct == Rule::Distinct::none && is_stale(facts))
    return fill_stale(index, facts, out);
  WindowCounter& window = states_[index].window;
  Counter* counter = nullptr;
  if (rule.after_failures == 0 || feeds) {
    counter = &take_counter(index, facts, rule.trigger_window);
    window.add(*counter, facts.now, facts.attempt.count, value_of(rule, facts));
    if (feeds) return false;
  } else {
    counter = find_counter(index, facts);
  }
  if (counter == nullptr || !window.is_full(*counter, facts.now)) return false;
  if (!blocks && !window.may_alert(*counter, facts.now)) return false;
  take_counter(index, facts, rule.trigger_window);  // is kept as long

  ++states_[index].hits;
  Verdict& verdict = say(index, blocks ? Verdict::Kind::block : Verdict::Kind::alert, rule.needed(), facts, out);
  if (blocks) block(index, *counter, facts, verdict);
  return blocks;
}

Verdict& RuleEngine::say(std::size_t index, Verdict::Kind kind, std::uint32_t counted, Facts& facts,
                         std::vector<Verdict>& out) {
  const Rule& rule = config_->rules[index];
  const Attempt& attempt = facts.attempt;
  Verdict& verdict = out.emplace_back();
  verdict.kind = kind;
  verdict.rule = &rule;
  verdict.has_network = attempt.address.has_value();
  if (attempt.address) verdict.network = rule.network_of(*attempt.address);
  verdict.has_account = attempt.has_account;
  verdict.account = attempt.account;
  verdict.host = attempt.host;
  verdict.at = verdict.until = facts.now;
  verdict.counted = counted;
  if (rule.counts_by_origin()) verdict.origin = counted_origin(rule, attempt);
  if (kind == Verdict::Kind::alert) return verdict;
  if (!verdict.network.is_host() && has_exempt_neighbour(rule, verdict.network)) {
    verdict.narrowed.to_address = true;
    verdict.network = {*attempt.address, attempt.address->is_v4() ? 32U : 128U};
  }
  return verdict;
}

bool RuleEngine::has_exempt_neighbour(const Rule& rule, const IpNetwork& network) const {
  if (config_->exempt.overlaps(network) || (live_ && live_->overlaps(network)) || rule.exempt.overlaps(network))
    return true;
  if (config_->exempt_origins.empty() || !config_->facts) return false;
  // whether all of it is known to belong where the attempt came from, who is not exempt
  const auto fact = config_->facts->find(network.address());
  return !fact || fact->uniform.bits() > network.bits();
}

void RuleEngine::block(std::size_t index, Counter& counter, Facts& facts, Verdict& verdict) {
  const Rule& rule = config_->rules[index];
  std::chrono::seconds lockout = rule.lockout;
  if (!rule.escalate.empty()) {
    const std::size_t before = WindowCounter::note_block(counter, facts.now, rule.remember);
    take_counter(index, facts, rule.remember);
    lockout = rule.escalate[std::min(before, rule.escalate.size() - 1)];
  }
  WindowCounter::empty(counter);
  verdict.until = facts.now + lockout;
  if (rule.scope == Rule::Scope::service) verdict.service = facts.attempt.service;
  note_block(rule, verdict.narrowed, facts, verdict.until);
}

// Notes the block, so that what comes from behind it counts for nothing.
void RuleEngine::note_block(const Rule& rule, Narrowing narrowed, Facts& facts, Instant until) {
  const Shape shape = shape_of(rule, narrowed);
  const BlockSpan span{facts.now, until};
  if (is_at_place(shape, facts)) {
    take_place(facts).block = span;
    places_.keep_until(facts.place_at, until);
  } else {
    note_shape(shape);
    const std::uint32_t at = blocks_.take(facts.key(shape), facts.now);
    blocks_[at] = span;
    blocks_.keep_until(at, until);
  }
  // The tries before it are not forgotten when it ends: a success right behind it may have been guessed.
  if (config_->settings.recent_success.count() == 0 || narrowed.to_service) return;
  Place& place = take_place(facts);
  place.failed = kGuesses;
  place.last_failure = until;
  places_.keep_until(facts.place_at, until + kGuessing);
}

void RuleEngine::restore(const Rule& rule, const Attempt& cause, Instant until, Narrowing narrowed) {
  Facts facts(cause);
  const BlockSpan* const block = find_block(shape_of(rule, narrowed), facts);
  const bool known = block != nullptr && block->from == facts.now && block->until > facts.now;
  if (!narrowed.to_service) {  // else the rule's own counter had no part in it
    const bool escalates = !known && !rule.escalate.empty();
    Counter& counter = take_counter(index_of(rule), facts, escalates ? rule.remember : std::chrono::seconds(0));
    if (escalates) std::ignore = WindowCounter::note_block(counter, facts.now, rule.remember);
    WindowCounter::empty(counter);
  }
  note_block(rule, narrowed, facts, until);
}

void RuleEngine::lift(const Rule& rule, const Attempt& cause) {
  Facts facts(cause);
  for (const Narrowing narrowed : {Narrowing{false, false}, {true, false}, {false, true}, {true, true}}) {
    BlockSpan* const block = find_block(shape_of(rule, narrowed), facts);
    if (block == nullptr || block->from != facts.now) continue;
    block->until = block->from;
    if (narrowed.to_service && rule.scope != Rule::Scope::service) return;
    if (Counter* const counter = find_counter(index_of(rule), facts)) WindowCounter::forget_block(*counter);
    return;
  }
}

void RuleEngine::count_again(const Rule& rule, const Attempt& attempt) {
  Facts facts(attempt);
  const std::size_t index = index_of(rule);
  Counter& counter = take_counter(index, facts, rule.trigger_window);
  states_[index].window.add(counter, facts.now, attempt.count, value_of(rule, facts));
}

void RuleEngine::take_back(const Rule& rule, const Attempt& attempt) {
  Facts facts(attempt);
  if (Counter* const counter = find_counter(index_of(rule), facts))
    states_[index_of(rule)].window.take_back(*counter, facts.now, attempt.count);
}

std::vector<std::uint64_t> RuleEngine::hits() const {
  std::vector<std::uint64_t> all;
  for (const State& state : states_) all.push_back(state.hits);
  return all;
}

RuleEngine::Counters RuleEngine::counters() const {
  Counters all = counters_;
  all.evicted = blocks_.evicted() + places_.evicted() + known_.evicted() + logins_.evicted() + accounts_.evicted() +
                stale_.evicted();
  for (const State& state : states_) all.evicted += state.own ? state.own->evicted() : 0;
  return all;
}

}  // namespace tipstaff
