// The order of things for one attempt: exempt addresses leave at once; a success is remembered; what stands behind a
// block leaves, except that a success there still reaches the rules that wait for one after failures (a login from an
// address that should be shut out is what the administrator must hear of); then the rules in their order. The first
// that looks at the attempt decides, unless it says `continue`; after a block none of the others looks.
#include "decide/engine.h"

#include <algorithm>
#include <optional>
#include <tuple>

namespace tipstaff {
namespace {

constexpr std::uint64_t kHostSeed = 0x7469707374616666ULL;
constexpr std::uint64_t kServiceSeed = 0x8b72e2d1c4f05a93ULL;
constexpr std::uint64_t kAccountSeed = 0x3c6ef372fe94f82bULL;
constexpr std::uint64_t kAccountSeed2 = 0xa54ff53a5f1d36f1ULL;

// An account may fail this many times `occurrences` within a window at an address it has lately logged in from.
constexpr std::uint32_t kForgivenTimes = 10;

constexpr std::uint64_t high_mask(unsigned bits) { return bits == 0 ? 0 : bits >= 64 ? ~0ULL : ~0ULL << (64 - bits); }

// IpNetwork's masking without a call, for the hot path.
constexpr IpAddress cut(IpAddress address, unsigned v4_bits, unsigned v6_bits) {
  const unsigned bits = address.is_v4() ? v4_bits + 96 : v6_bits;
  return {address.high() & high_mask(bits), bits <= 64 ? 0 : address.low() & high_mask(bits - 64)};
}

}  // namespace

struct RuleEngine::Facts {
  explicit Facts(const Attempt& of) : attempt(of), now(of.window_time), host(hash_of(of.host, kHostSeed)) {}

  std::uint64_t account() {
    if (!account_) account_ = hash_of(attempt.account, kAccountSeed);
    return *account_;
  }
  std::uint64_t host_and_service() {
    if (!scope_) scope_ = mix(host ^ hash_of(attempt.service, kServiceSeed));
    return *scope_;
  }

  std::uint64_t scope(Rule::Scope of) { return of == Rule::Scope::service ? host_and_service() : host; }

  // What tries of this attempt's address are counted by and blocked by. The prefix length enters, so that a network and
  // its first address are two things. Rules mostly share one shape, so the last key is kept.
  TableKey key(const Shape& shape) {
    if (has_key_ && shape == shape_) return key_;
    const IpAddress address = *attempt.address;
    const unsigned bits = address.is_v4() ? shape.ipv4_prefix : shape.ipv6_prefix;
    key_ = TableKey::of(cut(address, shape.ipv4_prefix, shape.ipv6_prefix), scope(shape.scope) + bits);
    shape_ = shape;
    has_key_ = true;
    return key_;
  }

  TableKey account_key(Rule::Scope of) {
    return {account() ^ scope(of), mix(scope(of)) ^ hash_of(attempt.account, kAccountSeed2)};
  }

  const Attempt& attempt;
  Instant now;
  std::uint64_t host;
  std::optional<bool> forgiven;

 private:
  Shape shape_;
  TableKey key_;
  bool has_key_ = false;
  std::optional<std::uint64_t> account_;
  std::optional<std::uint64_t> scope_;
};

RuleEngine::RuleEngine(std::shared_ptr<const Config> config)
    : config_(std::move(config)),
      hits_(config_->rules.size()),
      blocks_(config_->settings.tracked),
      known_(config_->settings.tracked) {
  windows_.reserve(config_->rules.size());
  for (const Rule& rule : config_->rules) {
    windows_.emplace_back(rule.needed(), rule.distinct != Rule::Distinct::none, rule.trigger_window,
                          config_->settings.tracked);
    if (rule.action != Rule::Action::block) continue;
    const Shape shape = shape_of(rule);
    if (std::ranges::find(shapes_, shape) == shapes_.end()) shapes_.push_back(shape);
  }
}

RuleEngine::Shape RuleEngine::shape_of(const Rule& rule) {
  const bool prefix = rule.count_by == Rule::CountBy::prefix;
  return {prefix ? rule.ipv4_prefix : 32, prefix ? rule.ipv6_prefix : 128, rule.scope};
}

TableKey RuleEngine::key_of(const Rule& rule, Facts& facts) {
  return rule.count_by == Rule::CountBy::account ? facts.account_key(rule.scope) : facts.key(shape_of(rule));
}

// What a rule with `distinct` tells apart.
std::uint32_t RuleEngine::value_of(const Rule& rule, Facts& facts) {
  return static_cast<std::uint32_t>(rule.distinct == Rule::Distinct::account   ? facts.account()
                                    : rule.distinct == Rule::Distinct::address ? hash_of(*facts.attempt.address)
                                                                               : 0);
}

bool RuleEngine::is_shut(Facts& facts) const {
  if (!facts.attempt.address || blocks_.size() == 0) return false;
  return std::ranges::any_of(shapes_, [this, &facts](const Shape& shape) {
    const std::uint32_t found = blocks_.find(facts.key(shape));
    return found != KeyedTable<BlockSpan>::kNone && blocks_[found].from <= facts.now &&
           facts.now < blocks_[found].until;
  });
}

void RuleEngine::note_success(Facts& facts) {
  const auto kept = config_->settings.recent_success;
  if (kept.count() == 0 || !facts.attempt.address || !facts.attempt.has_account) return;
  const TableKey key = TableKey::of(*facts.attempt.address, mix(facts.host ^ facts.account()));
  const std::uint32_t index = known_.take(key, facts.now);
  known_[index].success = facts.now;
  known_.keep_until(index, facts.now + kept);
}

// Whether this failure is the owner's own: the account has lately logged in from the very address, and has not failed
// there too often in this window. Asked once for an attempt, with the numbers of the first blocking rule that looks
// at it.
bool RuleEngine::is_forgiven(const Rule& rule, Facts& facts) {
  if (facts.forgiven) return *facts.forgiven;
  facts.forgiven = false;
  const auto kept = config_->settings.recent_success;
  if (kept.count() == 0 || facts.attempt.outcome != Outcome::failure || !facts.attempt.has_account) return false;
  const std::uint32_t index = known_.find(TableKey::of(*facts.attempt.address, mix(facts.host ^ facts.account())));
  if (index == KeyedTable<KnownLogin>::kNone || facts.now - known_[index].success >= kept) return false;
  KnownLogin& login = known_[index];
  if (facts.now - login.window_from >= rule.trigger_window) {
    login.window_from = facts.now;
    login.forgiven = 0;
  }
  const std::uint64_t most = std::uint64_t{kForgivenTimes} * rule.occurrences;
  if (std::uint64_t{login.forgiven} + facts.attempt.count > most) return false;
  login.forgiven += facts.attempt.count;
  counters_.forgiven += facts.attempt.count;
  facts.forgiven = true;
  return true;
}

void RuleEngine::judge(const Attempt& attempt, std::vector<Verdict>& out) {
  if (attempt.address && config_->exempt.contains(*attempt.address)) {
    counters_.exempt += attempt.count;
    return;
  }
  Facts facts(attempt);
  const bool success = attempt.outcome == Outcome::success;
  if (success) note_success(facts);
  const bool shut = is_shut(facts);
  if (shut) counters_.behind_block += attempt.count;
  if (shut && !success) return;
  for (std::size_t i = 0; i < config_->rules.size(); ++i) {
    const Rule& rule = config_->rules[i];
    if (shut && (rule.after_failures == 0 || rule.action != Rule::Action::alert)) continue;
    const Fit fit = rule.fit(attempt);
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    const bool blocked = fill(i, fit == Fit::feeds, facts, out);
    if (blocked || (fit == Fit::yes && !rule.look_on)) return;
  }
}

// Counts the attempt for one rule and says what comes of it. True: it was a block.
bool RuleEngine::fill(std::size_t index, bool feeds, Facts& facts, std::vector<Verdict>& out) {
  const Rule& rule = config_->rules[index];
  WindowCounter& window = windows_[index];
  const Attempt& attempt = facts.attempt;
  const bool blocks = rule.action == Rule::Action::block;
  if (blocks && is_forgiven(rule, facts)) return false;
  const TableKey key = key_of(rule, facts);
  const bool waits = rule.after_failures > 0;
  const std::uint32_t handle = waits && !feeds ? window.find(key) : window.take(key, facts.now);
  if (handle == KeyedTable<int>::kNone) return false;
  if (!waits || feeds) {
    window.add(handle, facts.now, attempt.count, value_of(rule, facts));
    if (feeds) return false;
  }
  const std::uint32_t counted = window.count(handle, facts.now);
  if (counted < rule.needed()) return false;
  if (!blocks && !window.may_alert(handle, facts.now)) return false;

  ++hits_[index];
  Verdict& verdict = out.emplace_back();
  verdict.kind = blocks ? Verdict::Kind::block : Verdict::Kind::alert;
  verdict.rule = &rule;
  verdict.has_network = attempt.address.has_value();
  if (attempt.address) verdict.network = rule.network_of(*attempt.address);
  verdict.has_account = attempt.has_account;
  verdict.account = attempt.account;
  verdict.host = attempt.host;
  verdict.at = verdict.until = facts.now;
  verdict.counted = counted;
  if (blocks) block(index, handle, facts, verdict);
  return blocks;
}

void RuleEngine::block(std::size_t index, std::uint32_t handle, Facts& facts, Verdict& verdict) {
  const Rule& rule = config_->rules[index];
  WindowCounter& window = windows_[index];
  std::chrono::seconds lockout = rule.lockout;
  if (!rule.escalate.empty()) {
    const std::size_t before = window.note_block(handle, facts.now, rule.remember);
    lockout = rule.escalate[std::min(before, rule.escalate.size() - 1)];
  }
  window.empty(handle);
  verdict.until = facts.now + lockout;
  if (rule.scope == Rule::Scope::service) verdict.service = facts.attempt.service;
  const std::uint32_t at = blocks_.take(facts.key(shape_of(rule)), facts.now);
  blocks_[at] = {facts.now, verdict.until};
  blocks_.keep_until(at, verdict.until);
}

void RuleEngine::restore(const Rule& rule, const Attempt& cause, Instant until) {
  Facts facts(cause);
  const TableKey key = key_of(rule, facts);
  WindowCounter& window = window_of(rule);
  const std::uint32_t handle = window.take(key, facts.now);
  const std::uint32_t at = blocks_.take(key, facts.now);
  const bool known = blocks_[at].from == facts.now && blocks_[at].until > facts.now;
  if (!known && !rule.escalate.empty()) std::ignore = window.note_block(handle, facts.now, rule.remember);
  window.empty(handle);
  blocks_[at] = {facts.now, until};
  blocks_.keep_until(at, until);
}

void RuleEngine::lift(const Rule& rule, const Attempt& cause) {
  Facts facts(cause);
  const TableKey key = key_of(rule, facts);
  const std::uint32_t at = blocks_.find(key);
  if (at == KeyedTable<BlockSpan>::kNone || blocks_[at].from != facts.now) return;
  blocks_[at].until = blocks_[at].from;
  WindowCounter& window = window_of(rule);
  const std::uint32_t handle = window.find(key);
  if (handle != KeyedTable<int>::kNone) window.forget_block(handle);
}

void RuleEngine::count_again(const Rule& rule, const Attempt& attempt) {
  Facts facts(attempt);
  WindowCounter& window = window_of(rule);
  window.add(window.take(key_of(rule, facts), facts.now), facts.now, attempt.count, value_of(rule, facts));
}

void RuleEngine::take_back(const Rule& rule, const Attempt& attempt) {
  Facts facts(attempt);
  WindowCounter& window = window_of(rule);
  const std::uint32_t handle = window.find(key_of(rule, facts));
  if (handle != KeyedTable<int>::kNone) window.take_back(handle, facts.now, attempt.count);
}

RuleEngine::Counters RuleEngine::counters() const {
  Counters all = counters_;
  all.evicted = blocks_.evicted() + known_.evicted();
  for (const WindowCounter& window : windows_) all.evicted += window.evicted();
  return all;
}

}  // namespace tipstaff
