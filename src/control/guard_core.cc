#include "control/guard_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <ranges>
#include <set>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "control/setup.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostRecent = 65'536;
constexpr std::size_t kMostKeys = 1'000;  // of a verdict
constexpr std::string_view kRead = "read";
constexpr std::string_view kUnsure = "may be forged";  // the extra of attempts that count for nothing

RowOutcome to_row(Outcome outcome) {
  return outcome == Outcome::failure   ? RowOutcome::failure
         : outcome == Outcome::success ? RowOutcome::success
                                       : RowOutcome::probe;
}

Outcome from_row(RowOutcome outcome) {
  return outcome == RowOutcome::failure   ? Outcome::failure
         : outcome == RowOutcome::success ? Outcome::success
                                          : Outcome::probe;
}

// The service itself says that there is no such account, so what was typed may have been a password.
bool says_unknown(const std::vector<std::string>& lines) {
  return std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("nvalid user ") != std::string::npos || line.find("llegal user ") != std::string::npos;
  });
}

// As much of the attempt that caused a block as the rules need to find it again.
// `service` must live on.
Attempt cause_of(const IpNetwork& network, const std::string& host, std::string_view service, Instant at) {
  Attempt attempt;
  attempt.address = network.address();
  attempt.host = host;
  attempt.service = service;
  attempt.window_time = at;
  return attempt;
}

std::string words_of(Narrowing narrowed) {
  std::string words;
  if (narrowed.to_address) words += "; the address alone, since somebody in its network is exempt";
  if (narrowed.to_service) words += "; the service alone, since it may be a customer's program with an old password";
  return words;
}

// Where a block that is written down shuts less than its rule says.
Narrowing narrowing_of(const IpNetwork& network, std::string_view service, const Rule& rule) {
  return {network.is_host() && !rule.network_of(network.address()).is_host(),
          !service.empty() && rule.scope == Rule::Scope::host};
}

Attempt cause_of(const VerdictRow& block) { return cause_of(*block.network, block.host, block.service, block.at); }

}  // namespace

PositionRow to_position(const std::string& source, const SavedSource& saved) {
  std::string text(kRead);
  for (const Place place : saved.read.places()) text += fmt::format(" {}:{}", place.generation, place.offset);
  return {source, saved.resume.generation, saved.resume.offset, text + "\n" + saved.checkpoint};
}

SavedSource from_position(const PositionRow& row) {
  SavedSource saved{{row.generation, row.offset}, {}, row.checkpoint};
  const std::size_t end = row.checkpoint.find('\n');
  if (!row.checkpoint.starts_with(kRead) || end == std::string::npos) {
    saved.read.note(saved.resume);
    return saved;
  }
  saved.checkpoint.erase(0, end + 1);
  const char* at = row.checkpoint.data() + kRead.size();
  const char* const stop = row.checkpoint.data() + end;
  while (stop - at > 1) {
    Place place;
    const auto generation = std::from_chars(at + 1, stop, place.generation);
    if (generation.ec != std::errc() || generation.ptr == stop) break;
    const auto offset = std::from_chars(generation.ptr + 1, stop, place.offset);
    if (offset.ec != std::errc()) break;
    saved.read.note(place);
    at = offset.ptr;
  }
  return saved;
}

struct GuardCore::SourceState {
  std::string name;
  std::unique_ptr<GuardPipeline> pipeline;
  ReadMark saved;  // with the last batch
  std::optional<Place> saved_resume;
  std::optional<Instant> last;
};

// An attempt as rules have counted it.
// Some 65,000 of them are kept: what rules count by, of the rest nothing.
struct GuardCore::Recent {
  std::string_view source;   // of names_
  std::string_view service;  // of the detectors, or of names_
  std::uint64_t generation = 0, offset = 0;
  std::uint32_t index = 0;
  std::uint32_t rule = 0;
  std::uint32_t count = 1;
  bool has_address = false;
  IpAddress address;
  Instant window_time{};
  std::string account, host;

  [[nodiscard]] AttemptKey key() const { return {std::string(source), generation, offset, index}; }
  [[nodiscard]] bool is(const AttemptKey& other) const {
    return offset == other.offset && generation == other.generation && index == other.index && source == other.source;
  }
  [[nodiscard]] Attempt attempt() const {
    Attempt whole;
    if (has_address) whole.address = address;
    whole.account = account;
    whole.host = host;
    whole.service = service;
    whole.count = count;
    whole.window_time = window_time;
    return whole;
  }
};

// A block as a rule said it, as short as 100,000 of them need.
struct GuardCore::Past {
  struct Cause {
    std::uint32_t source = 0, index = 0;
    std::uint64_t generation = 0, offset = 0;
    auto operator<=>(const Cause&) const = default;
  };
  Cause cause;
  IpNetwork network;
  Instant at{}, until{};  // the same: it is taken back
  std::uint32_t rule = 0, service = 0, host = 0;
  std::uint64_t id = 0;  // of its row
  [[nodiscard]] auto block() const { return std::tuple(rule, network, service, host, at); }
};

// What was done by hand.
struct GuardCore::PastChange {
  std::uint64_t id = 0;
  bool exempts = false;              // else it unblocks
  bool within = false;               // unblocks what lies within alone
  std::optional<IpNetwork> network;  // none: all
  Instant at{}, until{};
};

GuardCore::GuardCore(std::shared_ptr<const Config> config, std::shared_ptr<const DetectorSet> detectors, LogSink log,
                     Instant now, std::shared_ptr<Enforcement> enforcement)
    : config_(std::move(config)),
      detectors_(std::move(detectors)),
      log_(std::move(log)),
      started_(now),
      engine_(config_),
      readers_(std::make_shared<LineReaders>(*detectors_, RecognizerOptions{"", settings_in_force(*config_)})),
      now_(now),
      enforcement_(std::move(enforcement)),
      total_failed_(config_->rules.size()),
      total_verdicts_(config_->rules.size()) {
  if (!enforcement_)
    enforcement_ = std::make_shared<Enforcement>(EnforcementSinks{log_, {}, {}, [this] { return now_; }});
}

GuardCore::~GuardCore() = default;

std::size_t GuardCore::add_source(const std::string& name, const TimeZone& zone, bool trust_network, ReadMark read,
                                  Instant now) {
  auto source = std::make_unique<SourceState>();
  SourceState* const state = source.get();
  state->name = name;
  PipelineOptions options;
  options.readers = readers_;
  options.zone = zone;
  options.started = now;
  options.trust_network = trust_network;
  options.read = std::move(read);
  state->pipeline = std::make_unique<GuardPipeline>(
      std::move(options), [this, state](Change change, const Attempt& attempt, OpenAttempt& open, bool known) {
        changed(*state, change, attempt, open, known);
      });
  sources_.push_back(std::move(source));
  return sources_.size() - 1;
}

void GuardCore::set_live_exemptions(std::shared_ptr<const Exemptions> live) {
  live_ = std::move(live);
  engine_.set_live_exemptions(live_);
}

std::vector<IpNetwork> GuardCore::exempt_networks() const { return networks_of({&config_->exempt, live_.get()}); }

void GuardCore::begin_at(std::size_t source, Place place) {
  moved_ = true;
  sources_[source]->pipeline->begin_at(place);
}

void GuardCore::take(std::size_t source, const Record& record) {
  SourceState& state = *sources_[source];
  moved_ = true;
  now_ = record.arrival;
  state.last = record.arrival;
  const auto before = state.pipeline->coverage().alarms();
  if (!state.pipeline->take(record)) return;
  const auto& alarms = state.pipeline->coverage().alarms();
  if (alarms.size() > before.size()) {
    log_(Priority::error, fmt::format("{}: {}", state.name, alarms.back().to_text()));
  } else {
    for (const CoverageAlarm& old : before) {
      if (std::ranges::find(alarms, old.since, &CoverageAlarm::since) == alarms.end())
        log_(Priority::notice, fmt::format("{}: lines of {} are understood again", state.name,
                                           old.service.empty() ? "this log" : old.service));
    }
  }
}

void GuardCore::pass(Instant now) {
  now_ = now;
  for (const auto& source : sources_) source->pipeline->pass(now);
  enforcement_->pass();
  // What no window reaches any more, unless old lines are being read, whose windows lie in the past.
  const bool catching_up = std::ranges::any_of(sources_, [now](const auto& source) {
    return source->pipeline->times().catching_up && source->last && now - *source->last < std::chrono::minutes(1);
  });
  while (!catching_up && !recent_.empty() && recent_.front().window_time < now - memory()) recent_.pop_front();
}

void GuardCore::changed(SourceState& source, Change change, const Attempt& attempt, OpenAttempt& open, bool known) {
  const Place place = unpack(attempt.line);
  if (known) {  // written and judged before the restart
    open.judged = open.judged || attempt.address.has_value() || change == Change::closed;
    return;
  }
  if (change != Change::closed) write_row(source, change, attempt, open);
  if (change == Change::withdrawn) {
    if (open.judged) take_back({source.name, place.generation, place.offset, 0}, attempt.window_time);
    return;
  }
  if (attempt.address || change == Change::closed) judge(source, attempt, open);
}

// Changes between two commits make one row.
void GuardCore::write_row(SourceState& source, Change change, const Attempt& attempt, OpenAttempt& open) {
  if (change == Change::made) {
    (attempt.outcome == Outcome::failure   ? failures_
     : attempt.outcome == Outcome::success ? successes_
                                           : probes_) += attempt.count;
  }
  if (open.batch != batch_number_) {
    open.batch = batch_number_;
    open.row = batch_.attempts.size();
    batch_.attempts.emplace_back();
  }
  const Place place = unpack(attempt.line);
  AttemptRow& row = batch_.attempts[open.row];
  row.key = {source.name, place.generation, place.offset, 0};
  row.version = open.version;
  row.withdrawn = change == Change::withdrawn;
  row.outcome = to_row(attempt.outcome);
  row.address = attempt.address;
  row.port = attempt.port;
  row.count = attempt.count;
  row.account = attempt.has_account ? std::optional(attempt.account) : std::nullopt;
  row.service = attempt.service;
  row.detector = attempt.detector;
  row.origin = attempt.origin;
  row.extra = open.unsure ? kUnsure : std::string_view(attempt.extra);
  row.host = attempt.host;
  row.time = attempt.time;
  row.window_time = attempt.window_time;
  row.raw = open.raw;
  row.account_unknown = row.account.has_value() && says_unknown(open.raw);
}

void GuardCore::judge(const SourceState& source, const Attempt& attempt, OpenAttempt& open) {
  if (open.judged || open.unsure) return;
  open.judged = true;
  enforcement_->note_attempt(attempt);
  if (attempt.address && enforcement_->book().is_exempt(*attempt.address)) return;
  const Place place = unpack(attempt.line);
  const AttemptKey key{source.name, place.generation, place.offset, 0};
  count(attempt, key);
  verdicts_.clear();
  engine_.judge(attempt, verdicts_);
  for (const Verdict& verdict : verdicts_) record(verdict, key);
}

// Which rule it counts for, for the status and to say later what filled a rule.
void GuardCore::count(const Attempt& attempt, const AttemptKey& key) {
  if (attempt.address && engine_.exempts(*attempt.address)) return;
  for (std::size_t i = 0; i < config_->rules.size(); ++i) {
    const Rule& rule = config_->rules[i];
    const Fit fit = rule.fit(attempt);
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    const bool last = fit == Fit::yes && !rule.look_on;
    if (rule.after_failures > 0 && fit == Fit::yes) {  // the success it waits for
      if (last) return;
      continue;
    }
    total_failed_[i] += attempt.count;
    if (recent_.size() >= kMostRecent) recent_.pop_front();
    Recent& recent = recent_.emplace_back();
    recent.source = name(key.source);
    recent.service = attempt.service;
    recent.generation = key.generation;
    recent.offset = key.offset;
    recent.index = key.index;
    recent.rule = static_cast<std::uint32_t>(i);
    recent.count = attempt.count;
    recent.has_address = attempt.address.has_value();
    recent.address = attempt.address.value_or(IpAddress());
    recent.window_time = attempt.window_time;
    recent.account = attempt.account;
    recent.host = attempt.host;
    if (last) return;
  }
}

// The attempts that filled a rule: the newest of its key, as many as were counted.
std::vector<AttemptKey> GuardCore::counted_for(const Verdict& verdict) const {
  std::vector<AttemptKey> keys;
  const Rule& rule = *verdict.rule;
  const auto number = static_cast<std::uint32_t>(verdict.rule - config_->rules.data());
  std::uint64_t left = verdict.counted;
  const Instant oldest = verdict.at - rule.trigger_window;
  const IpNetwork counted = rule.network_of(verdict.network.address());  // a block may shut less
  for (auto one = recent_.rbegin(); one != recent_.rend() && left > 0 && keys.size() < kMostKeys; ++one) {
    if (one->rule != number || one->window_time <= oldest) continue;
    if (rule.count_by == Rule::CountBy::account ? one->account != verdict.account
                                                : !one->has_address || rule.network_of(one->address) != counted)
      continue;
    keys.push_back(one->key());
    left -= std::min<std::uint64_t>(left, rule.distinct == Rule::Distinct::none ? one->count : 1);
  }
  std::ranges::reverse(keys);
  return keys;
}

void GuardCore::record(const Verdict& verdict, const AttemptKey& cause) {
  const auto number = static_cast<std::uint32_t>(verdict.rule - config_->rules.data());
  ++total_verdicts_[number];
  VerdictRow row;
  row.cause = cause;
  row.kind = verdict.kind == Verdict::Kind::block ? VerdictKind::block : VerdictKind::alert;
  row.watch_only = !enforcement_->enforcing();
  row.rule = verdict.name();
  if (verdict.has_network) row.network = verdict.network;
  if (verdict.has_account) row.account = verdict.account;
  row.service = verdict.service;
  row.host = verdict.host;
  row.at = verdict.at;
  row.attempts = counted_for(verdict);
  if (verdict.kind == Verdict::Kind::block) {
    row.until = verdict.until;
    set_block(row, verdict);
  } else if (verdict.at + std::chrono::hours(1) > now_) {
    log_(
        Priority::warning,
        fmt::format("alert: {} \"{}\": {}{}{}", verdict.stale_client ? "an account fails where others log in," : "rule",
                    verdict.name(), verdict.has_network ? verdict.network.to_string() : "address not known",
                    verdict.has_account ? ", account " : "", verdict.has_account ? printable(verdict.account) : ""));
  }
  batch_.verdicts.push_back(std::move(row));
}

// A block that is over when it is found is written down, not enforced.
void GuardCore::set_block(VerdictRow& row, const Verdict& verdict) {
  if (*row.until <= now_) {
    row.watch_only = true;
    return;
  }
  row.watch_only = !enforcement_->shuts(row.service);
  enforcement_->add({.network = *row.network,
                     .service = row.service,
                     .host = row.host,
                     .rule = row.rule,
                     .at = row.at,
                     .until = *row.until,
                     .enforced = !row.watch_only,
                     .cause = row.cause,
                     .attempts = row.attempts});
  log_(Priority::notice,
       fmt::format("{} {}{} until {}: rule \"{}\", {} tries{}", row.watch_only ? "would block" : "block",
                   row.network->to_string(), row.service.empty() ? "" : fmt::format(" for {}", printable(row.service)),
                   to_rfc3339(*row.until), row.rule, verdict.counted, words_of(verdict.narrowed)));
}

// An attempt that never was can have shut nobody out: the blocks that rest on it end, and what else they rest on counts
// again.
void GuardCore::take_back(const AttemptKey& key, Instant at) {
  for (const std::uint64_t id : enforcement_->book().resting_on(key)) {
    const std::vector<AttemptKey> attempts = enforcement_->book().attempts_of(id);
    const auto was = enforcement_->end(id);
    if (!was) continue;
    const auto rule = std::ranges::find(config_->rules, was->rule, &Rule::name);
    VerdictRow end;
    end.cause = key;
    end.cause.index = 1;  // the attempt itself may be the cause of the block
    end.watch_only = !was->enforced;
    end.rule = was->rule;
    end.network = was->network;
    end.service = was->service;
    end.host = was->host;
    end.at = was->at;
    end.until = was->at;
    end.attempts = attempts;
    log_(Priority::notice, fmt::format("{} the block of {}: a try that it rests on was none (rule \"{}\")",
                                       was->enforced ? "ended" : "would end", end.network->to_string(), was->rule));
    if (rule != config_->rules.end()) {
      engine_.lift(*rule, cause_of(end));
      const auto number = static_cast<std::uint32_t>(rule - config_->rules.begin());
      const bool narrowed = narrowing_of(was->network, was->service, *rule).to_service;  // not by this rule's counter
      for (const Recent& recent : recent_) {
        const auto is_it = [&recent](const AttemptKey& counted) { return recent.is(counted); };
        if (!narrowed && recent.rule == number && std::ranges::any_of(attempts, is_it))
          engine_.count_again(*rule, recent.attempt());
      }
    }
    batch_.verdicts.push_back(std::move(end));
  }
  std::erase_if(recent_, [&](const Recent& recent) {
    if (!recent.is(key) || recent.window_time != at) return false;
    engine_.take_back(config_->rules[recent.rule], recent.attempt());
    total_failed_[recent.rule] -= std::min<std::uint64_t>(total_failed_[recent.rule], recent.count);
    return true;
  });
}

void GuardCore::lift(const StandingBlock& block) {
  const auto rule = std::ranges::find(config_->rules, block.rule, &Rule::name);
  if (rule == config_->rules.end() || rule->action != Rule::Action::block) return;
  engine_.lift(*rule, cause_of(block.network, block.host, block.service, block.at));
}

std::chrono::seconds GuardCore::memory() const {
  std::chrono::seconds longest{0};
  for (const Rule& rule : config_->rules) longest = std::max(longest, rule.trigger_window);
  return longest;
}

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
    VerdictRow row;
    row.rule = config_->rules[past.rule].name;
    row.network = past.network;
    row.service = past_texts_.of(past.service);
    row.host = past_texts_.of(past.host);
    row.at = past.at;
    return !enforcement_->book().find(row);
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

GuardStatus GuardCore::status(Instant now) const {
  GuardStatus status;
  status.now = now;
  status.since = started_;
  status.failures = failures_;
  status.successes = successes_;
  status.probes = probes_;
  status.exempt.networks = exempt_networks().size();
  status.exempt.tries = engine_.counters().exempt;
  for (const auto& source : sources_) {
    const GuardPipeline& pipeline = *source->pipeline;
    SourceStatus& one = status.sources.emplace_back();
    one.name = source->name;
    one.lines = pipeline.coverage().counts().lines;
    one.known_program = pipeline.coverage().counts().known_program;
    one.understood = pipeline.coverage().counts().understood;
    one.implausible = pipeline.times().implausible;
    one.unsure = pipeline.unsure();
    one.catching_up = pipeline.times().catching_up;
    one.last = source->last;
    if (pipeline.times().skew) one.skew = std::chrono::floor<std::chrono::seconds>(*pipeline.times().skew).count();
    for (const CoverageAlarm& alarm : pipeline.coverage().alarms()) one.alarms.push_back(alarm.to_text());
  }
  for (std::size_t i = 0; i < config_->rules.size(); ++i) {
    const Rule& rule = config_->rules[i];
    RuleStatus& one = status.rules.emplace_back();
    one.name = rule.name;
    one.sentence = rule.explain();
    one.blocks = rule.action == Rule::Action::block;
    one.total_failed = total_failed_[i];
    one.total_verdicts = total_verdicts_[i];
    for (const Recent& recent : recent_) {
      if (recent.rule == i && recent.window_time > now - rule.trigger_window) one.currently_failed += recent.count;
    }
  }
  list_blocks(status, now);
  status.enforcement = enforcement_->status();
  status.watch_only = !status.enforcement.enforcing;
  return status;
}

void GuardCore::list_blocks(GuardStatus& status, Instant now) const {
  const BlockBook& book = enforcement_->book();
  std::map<std::string_view, std::size_t> rules;
  for (std::size_t i = 0; i < config_->rules.size(); ++i) rules.emplace(config_->rules[i].name, i);
  std::vector<std::vector<const BlockBook::Block*>> blocks(status.rules.size());
  book.each([&](const BlockBook::Block& block) {
    if (block.until <= now || block.rule == 0) return;
    if (const auto rule = rules.find(book.text(block.rule)); rule != rules.end())
      blocks[rule->second].push_back(&block);
  });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    RuleStatus& one = status.rules[i];
    one.currently_blocked = blocks[i].size();
    const std::size_t listed = std::min(blocks[i].size(), kMostBlocksListed);
    std::ranges::partial_sort(blocks[i], blocks[i].begin() + static_cast<std::ptrdiff_t>(listed), std::greater(),
                              &BlockBook::Block::id);
    for (std::size_t j = 0; j < listed; ++j) {
      const BlockBook::Block& block = *blocks[i][j];
      one.blocked.push_back(
          {block.network.to_string(), book.text(block.service), book.text(block.host), block.at, block.until});
    }
  }
}

Batch GuardCore::cut_batch(Instant now, const Checkpoint& checkpoint) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    SourceState& source = *sources_[i];
    const ReadMark& read = source.pipeline->read();
    const auto resume = source.pipeline->resume_at();
    if (!resume || (source.saved == read && source.saved_resume == resume)) continue;
    batch_.positions.push_back(to_position(source.name, {*resume, read, checkpoint(i, *resume)}));
    source.saved = read;
    source.saved_resume = resume;
  }
  ++batch_number_;
  moved_ = false;
  batch_.recorded = now;
  return std::exchange(batch_, Batch());
}

}  // namespace tipstaff
