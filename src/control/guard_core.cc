#include "control/guard_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "control/guard_core_state.h"
#include "control/setup.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostRecent = 16'384;
constexpr std::size_t kMostKeys = 1'000;  // of a verdict
constexpr std::string_view kRead = "read";

RowOutcome to_row(Outcome outcome) {
  return outcome == Outcome::failure   ? RowOutcome::failure
         : outcome == Outcome::success ? RowOutcome::success
                                       : RowOutcome::probe;
}

// The service itself says that there is no such account, so what was typed may have been a password.
bool says_unknown(const std::vector<std::string>& lines) {
  return std::ranges::any_of(lines, [](const std::string& line) {
    return line.find("nvalid user ") != std::string::npos || line.find("llegal user ") != std::string::npos;
  });
}

std::string words_of(Narrowing narrowed) {
  std::string words;
  if (narrowed.to_address) words += "; the address alone, since somebody in its network is exempt";
  if (narrowed.to_service) words += "; the service alone, since it may be a customer's program with an old password";
  return words;
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
  while (!catching_up && !recent_.empty() && recent_.front().window_time < now - memory()) {
    forget(recent_.front());
    recent_.pop_front();
  }
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
    const Fit fit = rule.fit(attempt, config_->facts.get());
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    const bool last = fit == Fit::yes && !rule.look_on;
    if (rule.after_failures > 0 && fit == Fit::yes) {  // the success it waits for
      if (last) return;
      continue;
    }
    total_failed_[i] += attempt.count;
    note_recent(attempt, key, i);
    if (last) return;
  }
}

// What rules of one attempt are noted one after the other.
void GuardCore::note_recent(const Attempt& attempt, const AttemptKey& key, std::size_t rule) {
  const auto first = static_cast<std::uint16_t>(rule / Recent::kRules * Recent::kRules);
  if (recent_.empty() || !is(recent_.back(), key) || recent_.back().first_rule != first ||
      recent_.back().window_time != attempt.window_time) {
    if (recent_.size() >= kMostRecent) {
      forget(recent_.front());
      recent_.pop_front();
    }
    recent_.push_back({.address = attempt.address.value_or(IpAddress()),
                       .window_time = attempt.window_time,
                       .place = pack({key.generation, key.offset}),
                       .source = recent_texts_.take(key.source),
                       .service = recent_texts_.take(attempt.service),
                       .account = recent_texts_.take(attempt.account),
                       .host = recent_texts_.take(attempt.host),
                       .count = attempt.count,
                       .first_rule = first,
                       .has_address = attempt.address.has_value()});
  }
  recent_.back().rules |= 1ULL << (rule - first);
}

void GuardCore::forget(const Recent& recent) {
  for (const std::uint32_t text : {recent.source, recent.service, recent.account, recent.host})
    recent_texts_.drop(text);
}

bool GuardCore::is(const Recent& recent, const AttemptKey& key) const {
  return recent.place == pack({key.generation, key.offset}) && key.index == 0 &&
         recent_texts_.of(recent.source) == key.source;
}

Attempt GuardCore::attempt_of(const Recent& recent) const {
  Attempt whole;
  if (recent.has_address) whole.address = recent.address;
  whole.account = recent_texts_.of(recent.account);
  whole.host = recent_texts_.of(recent.host);
  whole.service = recent_texts_.of(recent.service);
  whole.count = recent.count;
  whole.window_time = recent.window_time;
  return whole;
}

// The attempts that filled a rule: the newest of its key, as many as were counted.
std::vector<AttemptKey> GuardCore::counted_for(const Verdict& verdict) const {
  std::vector<AttemptKey> keys;
  const Rule& rule = *verdict.rule;
  const auto number = static_cast<std::size_t>(verdict.rule - config_->rules.data());
  const auto account = recent_texts_.find(verdict.account);
  std::uint64_t left = verdict.counted;
  const Instant oldest = verdict.at - rule.trigger_window;
  const IpNetwork counted = rule.network_of(verdict.network.address());  // a block may shut less
  for (auto one = recent_.rbegin(); one != recent_.rend() && left > 0 && keys.size() < kMostKeys; ++one) {
    if (!one->counts_for(number) || one->window_time <= oldest) continue;
    if (rule.count_by == Rule::CountBy::account) {
      if (one->account != account) continue;
    } else if (!one->has_address) {
      continue;
    } else if (rule.counts_by_origin()) {
      if (!config_->facts || !OriginExemption{verdict.origin, {}}.holds(config_->facts->origin_of(one->address)))
        continue;
    } else if (rule.network_of(one->address) != counted) {
      continue;
    }
    const Place place = unpack(one->place);
    keys.push_back({recent_texts_.of(one->source), place.generation, place.offset, 0});
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
      const auto number = static_cast<std::size_t>(rule - config_->rules.begin());
      const bool narrowed = narrowing_of(was->network, was->service, *rule).to_service;  // not by this rule's counter
      for (const Recent& recent : recent_) {
        const auto is_it = [&](const AttemptKey& counted) { return is(recent, counted); };
        if (!narrowed && recent.counts_for(number) && std::ranges::any_of(attempts, is_it))
          engine_.count_again(*rule, attempt_of(recent));
      }
    }
    batch_.verdicts.push_back(std::move(end));
  }
  std::erase_if(recent_, [&](const Recent& recent) {
    if (!is(recent, key) || recent.window_time != at) return false;
    const Attempt attempt = attempt_of(recent);
    for (std::size_t rule = recent.first_rule; rule < config_->rules.size(); ++rule) {
      if (!recent.counts_for(rule)) continue;
      engine_.take_back(config_->rules[rule], attempt);
      total_failed_[rule] -= std::min<std::uint64_t>(total_failed_[rule], recent.count);
    }
    forget(recent);
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
