// The guard's core after a restart: from the ledger's rows the rules learn again what they had counted and whom they had
// shut out, as if they had been told of it as it happened.
#include <algorithm>
#include <ranges>
#include <set>
#include <utility>
#include <vector>

#include "control/guard_core_state.h"

namespace tipstaff {
namespace {

Outcome from_row(RowOutcome outcome) {
  return outcome == RowOutcome::failure   ? Outcome::failure
         : outcome == RowOutcome::success ? Outcome::success
                                          : Outcome::probe;
}

}  // namespace

void GuardCore::restore_verdict(const StoredVerdict& row) {
  if (row.kind == VerdictKind::unblock || row.kind == VerdictKind::exempt) {
    past_changes_.push_back({row.id, row.kind == VerdictKind::exempt, row.cause.index == kWithin, row.network, row.at,
                             row.until.value_or(row.at)});
    return;
  }
  const auto rule = std::ranges::find(config_->rules, row.rule, &Rule::name);
  if (row.kind != VerdictKind::block || !row.network || !row.until || rule == config_->rules.end() ||
      rule->action != Rule::Action::block || rule->count_by == Rule::CountBy::account)
    return;
  Past& past = past_.emplace_back();
  past.cause = {past_texts_.take(row.cause.source), row.cause.index, row.cause.generation, row.cause.offset};
  past.network = *row.network;
  past.at = row.at;
  past.until = *row.until;
  past.rule = static_cast<std::uint32_t>(rule - config_->rules.begin());
  past.service = past_texts_.take(row.service);
  past.host = past_texts_.take(row.host);
  past.id = row.id;
}

// When a block was ended by hand; none: it was not.
std::optional<Instant> GuardCore::ended_by_hand(const Past& past) const {
  const auto within = [](const IpNetwork& inner, const IpNetwork& outer) {
    return outer.contains(inner.address()) && outer.bits() <= inner.bits();
  };
  for (const PastChange& change : past_changes_) {
    if (change.exempts || change.id < past.id || change.at >= past.until) continue;
    if (!change.network || within(past.network, *change.network) ||
        (!change.within && within(*change.network, past.network)))
      return change.at;
  }
  return std::nullopt;
}

// Whether the address was exempt for a time then.
bool GuardCore::was_exempt(IpAddress address, Instant time) const {
  std::vector<IpNetwork> seen;  // the newest change of a network counts
  for (const PastChange& change : past_changes_ | std::views::reverse) {
    if (!change.exempts || !change.network || !change.network->contains(address) || change.at > time) continue;
    if (std::ranges::find(seen, *change.network) != seen.end()) continue;
    if (change.until > time) return true;
    seen.push_back(*change.network);
  }
  return false;
}

// What was taken back never stood; what was ended by hand stood until then.
void GuardCore::drop_ended(Instant now) {
  std::ranges::sort(past_changes_, {}, &PastChange::id);
  std::set<decltype(std::declval<Past>().block())> ended;
  for (const Past& past : past_) {
    if (past.until <= past.at) ended.insert(past.block());
  }
  std::erase_if(past_, [&](Past& past) {
    if (past.until <= past.at || ended.contains(past.block())) return true;
    if (past.until <= now - memory()) return false;  // no attempt that counts can have been behind it
    if (const auto end = ended_by_hand(past)) {
      past.until = *end;
      return past.until <= past.at;
    }
    if (past.until <= now) return false;
    return !enforcement_->book().find(past.network, config_->rules[past.rule].name, past_texts_.of(past.service),
                                      past_texts_.of(past.host), past.at);
  });
}

void GuardCore::restore(const std::vector<StoredAttempt>& attempts, Instant now) {
  now_ = now;
  drop_ended(now);
  std::ranges::stable_sort(past_, {}, &Past::cause);
  std::vector<bool> stands(past_.size());
  const auto stand = [&](std::size_t i) {
    const Past& past = past_[i];
    if (stands[i]) return;
    stands[i] = true;
    engine_.restore(config_->rules[past.rule],
                    cause_of(past.network, past_texts_.of(past.host), past_texts_.of(past.service), past.at),
                    past.until, narrowing_of(past.network, past_texts_.of(past.service), config_->rules[past.rule]));
  };
  const auto caused_by = [&](const AttemptKey& key) {
    const auto source = past_texts_.find(key.source);
    const Past::Cause cause{source.value_or(UINT32_MAX), key.index, key.generation, key.offset};
    const auto found = std::ranges::equal_range(past_, cause, {}, &Past::cause);
    return std::pair(static_cast<std::size_t>(found.begin() - past_.begin()),
                     static_cast<std::size_t>(found.end() - past_.begin()));
  };
  {  // first those caused by attempts older than the ones given
    std::vector<bool> given(past_.size());
    for (const StoredAttempt& row : attempts) {
      for (auto [i, end] = caused_by(row.key); i < end; ++i) given[i] = true;
    }
    std::vector<std::size_t> before;
    for (std::size_t i = 0; i < past_.size(); ++i) {
      if (!given[i]) before.push_back(i);
    }
    std::ranges::stable_sort(before, {}, [this](std::size_t i) { return past_[i].at; });
    for (const std::size_t i : before) stand(i);
  }

  Attempt attempt;
  for (const StoredAttempt& row : attempts) {
    if (row.withdrawn || row.extra == kUnsure) continue;
    if (row.address && was_exempt(*row.address, row.window_time)) continue;
    attempt.outcome = from_row(row.outcome);
    attempt.address = row.address;
    attempt.port = row.port;
    attempt.count = row.count;
    attempt.has_account = row.account.has_value();
    attempt.account = row.account.value_or(std::string());
    attempt.service = name(row.service);
    attempt.detector = name(row.detector);
    attempt.origin = name(row.origin);
    attempt.extra = row.extra;
    attempt.host = row.host;
    attempt.time = row.time;
    attempt.window_time = row.window_time;
    count(attempt, row.key);
    verdicts_.clear();
    engine_.judge(attempt, verdicts_);
    for (const Verdict& verdict : verdicts_) {  // what was not said then does not hold now
      if (verdict.kind == Verdict::Kind::block) engine_.lift(*verdict.rule, attempt);
    }
    for (auto [i, end] = caused_by(row.key); i < end; ++i) stand(i);
  }
  std::ranges::fill(total_failed_, 0);
  past_ = {};
  past_changes_ = {};
  past_texts_ = {};
}

void GuardCore::restore(const std::vector<StoredAttempt>& attempts, const std::vector<StoredVerdict>& verdicts,
                        Instant now) {
  now_ = now;
  std::vector<const StoredVerdict*> rows;
  for (const StoredVerdict& row : verdicts) rows.push_back(&row);
  std::ranges::stable_sort(rows, {}, [](const StoredVerdict* row) { return row->id; });
  for (const StoredVerdict* row : rows) {
    enforcement_->restore(*row, now);
    restore_verdict(*row);
  }
  restore(attempts, now);
}

}  // namespace tipstaff
