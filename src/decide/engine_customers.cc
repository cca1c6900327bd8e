// Customers are not attackers: who lately logged in from a place is borne there for a while, and an old password that a
// customer's program keeps trying is no guesser ([protect] in docs/formats/rules.md).
#include <algorithm>

#include "decide/engine_facts.h"

namespace tipstaff {
namespace {

// An account may fail this many times `occurrences` within a window at an address it has lately logged in from.
constexpr std::uint32_t kForgivenTimes = 10;

// A place belongs to customers once so many accounts other than the failing one have logged in there: with one stolen
// password nobody makes such a place of his own.
constexpr std::size_t kOthers = 2;
// How long an account that fails holds its place among the few that are borne at a place, and how often that is told.
constexpr std::chrono::days kStaleFor{1};

}  // namespace

// A success is remembered for its account at its place, unless it looks guessed or came from behind a block; whoever is
// known there already stays known.
void RuleEngine::note_success(Facts& facts, bool behind_block) {
  const auto kept = config_->settings.recent_success;
  if (kept.count() == 0 || behind_block || !facts.attempt.address || !facts.attempt.has_account) return;
  const TableKey key = facts.place_and_account();
  const std::uint32_t found = known_.find(key);
  const bool known = found != KeyedTable<KnownLogin>::kNone && facts.now - known_[found].success < kept;
  const auto hour = static_cast<std::uint32_t>(facts.now.time_since_epoch() / std::chrono::hours(1));
  if (known && known_[found].noted_hour == hour) {  // what follows may be an hour late
    known_[found].success = facts.now;
    known_.keep_until(found, facts.now + kept);
    return;
  }
  Place& place = take_place(facts);
  const bool guessed = place.failed >= kGuesses && facts.now - place.last_failure < kGuessing;
  if (guessed && !known) return;
  place.logged_in = true;
  places_.keep_until(facts.place_at, facts.now + kept);
  const std::uint32_t index = known ? found : known_.take(key, facts.now);
  KnownLogin& login = known_[index];
  if (!known) login = {};
  login.success = facts.now;
  login.noted_hour = hour;
  known_.keep_until(index, facts.now + kept);
  if (config_->settings.stale_factor > 1) note_logins(facts);
}

void RuleEngine::note_logins(Facts& facts) {
  const std::uint32_t account = accounts_.take(facts.account_key(Rule::Scope::host), facts.now);
  accounts_[account] = facts.now;
  accounts_.keep_until(account, facts.now + config_->settings.known_account);
  const std::uint32_t index = logins_.take(facts.place(), facts.now);
  Logins& logins = logins_[index];
  auto slot = std::ranges::find(logins.successes, facts.account(), &AccountAt::account);
  if (slot == logins.successes.end()) slot = std::ranges::min_element(logins.successes, {}, &AccountAt::at);
  *slot = {facts.account(), facts.now};
  logins_.keep_until(index, facts.now + config_->settings.recent_success);
}

void RuleEngine::note_failure(Place& place, const Facts& facts) {
  if (place.last_failure == kNever || facts.now - place.last_failure >= kGuessing) place.failed = 0;
  place.last_failure = facts.now;
  place.failed = static_cast<std::uint8_t>(std::min(place.failed + std::min(facts.attempt.count, kGuesses), kGuesses));
}

// Whether this failure is the owner's own: the account has lately logged in from the very place, and has not failed
// there too often in this window. Asked once for an attempt, with the numbers of the first blocking rule that looks
// at it. What is not forgiven is remembered for the next success.
bool RuleEngine::is_forgiven(const Rule& rule, Facts& facts) {
  if (facts.forgiven) return *facts.forgiven;
  facts.forgiven = false;
  const auto kept = config_->settings.recent_success;
  if (kept.count() == 0 || facts.attempt.outcome != Outcome::failure) return false;
  Place& place = take_place(facts);
  if (!place.logged_in) {
    places_.keep_until(facts.place_at, facts.now + kGuessing);
    note_failure(place, facts);
    return false;
  }
  facts.at_logins = true;
  const std::uint32_t index =
      facts.attempt.has_account ? known_.find(facts.place_and_account()) : KeyedTable<KnownLogin>::kNone;
  if (index == KeyedTable<KnownLogin>::kNone || facts.now - known_[index].success >= kept) {
    if (!is_stale(facts)) note_failure(place, facts);
    return false;
  }
  KnownLogin& login = known_[index];
  if (login.window_from == kNever || facts.now - login.window_from >= rule.trigger_window) {
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

// Whether this looks like a customer's program with an old password: the account exists, other accounts have lately logged
// in from the place, and not too many accounts at once fail there.
bool RuleEngine::is_stale(Facts& facts) {
  if (facts.stale) return *facts.stale;
  facts.stale = false;
  if (config_->settings.stale_factor <= 1 || !facts.attempt.has_account) return false;
  const std::uint32_t found = logins_.find(facts.place());
  if (found == KeyedTable<Logins>::kNone) return false;
  Logins& logins = logins_[found];
  const auto others = std::ranges::count_if(logins.successes, [&](const AccountAt& one) {
    return one.at != kNever && one.account != facts.account() && facts.now - one.at < config_->settings.recent_success;
  });
  if (static_cast<std::size_t>(others) < kOthers) return false;
  const std::uint32_t account = accounts_.find(facts.account_key(Rule::Scope::host));
  if (account == KeyedTable<Instant>::kNone || facts.now - accounts_[account] >= config_->settings.known_account)
    return false;
  const auto is_it = [&facts](const AccountAt& one) { return one.at != kNever && one.account == facts.account(); };
  const auto is_free = [&facts](const AccountAt& one) { return one.at == kNever || facts.now - one.at >= kStaleFor; };
  auto slot = std::ranges::find_if(logins.stale, is_it);
  if (slot == logins.stale.end()) slot = std::ranges::find_if(logins.stale, is_free);
  if (slot == logins.stale.end()) return false;
  *slot = {facts.account(), facts.now};
  facts.stale = true;
  return true;
}

// Counts a try of a stale client for one rule: told where the rule would have shut it out, shut out of its service alone
// where it fails `stale_factor` times as often. True: it was a block.
bool RuleEngine::fill_stale(std::size_t index, Facts& facts, std::vector<Verdict>& out) {
  const Rule& rule = config_->rules[index];
  counters_.stale += facts.attempt.count;
  TableKey key = facts.place_and_account();
  key.a ^= mix(index + 1);
  key.b ^= facts.host_and_service();
  const std::uint32_t at = stale_.take(key, facts.now);
  StaleCount& count = stale_[at];
  if (count.window_from == kNever || facts.now - count.window_from >= rule.trigger_window) {
    count.window_from = facts.now;
    count.tries = 0;
  }
  const std::uint64_t most = std::uint64_t{rule.occurrences} * config_->settings.stale_factor;
  count.tries =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{count.tries} + facts.attempt.count, most));
  stale_.keep_until(at, facts.now + std::max<std::chrono::seconds>(kStaleFor, rule.trigger_window));
  if (count.tries >= rule.occurrences && (count.alerted == kNever || facts.now - count.alerted >= kStaleFor)) {
    count.alerted = facts.now;
    say(index, Verdict::Kind::alert, count.tries, facts, out).stale_client = true;
  }
  if (count.tries < most) return false;
  count.tries = 0;
  ++states_[index].hits;
  Verdict& verdict = say(index, Verdict::Kind::block, static_cast<std::uint32_t>(most), facts, out);
  verdict.stale_client = true;
  verdict.narrowed.to_service = rule.scope != Rule::Scope::service;
  verdict.service = facts.attempt.service;
  verdict.until = facts.now + rule.lockout;
  note_block(rule, verdict.narrowed, facts, verdict.until);
  return true;
}

}  // namespace tipstaff
