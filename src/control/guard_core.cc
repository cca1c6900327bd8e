#include "control/guard_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostRecent = 65'536;
constexpr std::size_t kMostStanding = 100'000;
constexpr std::size_t kMostKeys = 1'000;  // of a verdict
constexpr std::string_view kReadTo = "read_to ";
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

}  // namespace

PositionRow to_position(const std::string& source, const SavedSource& saved) {
  return {source, saved.resume.generation, saved.resume.offset,
          fmt::format("{}{} {}\n{}", kReadTo, saved.read_to.generation, saved.read_to.offset, saved.checkpoint)};
}

SavedSource from_position(const PositionRow& row) {
  const Place resume{row.generation, row.offset};
  SavedSource saved{resume, resume, row.checkpoint};
  if (!row.checkpoint.starts_with(kReadTo)) return saved;
  const char* const end = row.checkpoint.data() + row.checkpoint.size();
  Place read_to;
  const auto generation = std::from_chars(row.checkpoint.data() + kReadTo.size(), end, read_to.generation);
  if (generation.ec != std::errc() || generation.ptr == end) return saved;
  const auto offset = std::from_chars(generation.ptr + 1, end, read_to.offset);
  if (offset.ec != std::errc() || offset.ptr == end) return saved;
  saved.read_to = std::max(resume, read_to);
  saved.checkpoint.assign(offset.ptr + 1, end);
  return saved;
}

struct GuardCore::SourceState {
  std::string name;
  std::unique_ptr<GuardPipeline> pipeline;
  std::optional<Place> saved;  // read_to of the last batch
  std::optional<Place> saved_resume;
  std::optional<Instant> last;
};

// An attempt as rules have counted it.
struct GuardCore::Recent {
  AttemptKey key;
  IpAddress address;
  bool has_address = false;
  std::uint32_t rule = 0;
  std::uint32_t count = 1;
  Instant at{};
  std::string account;
};

struct GuardCore::Standing {
  VerdictRow row;
  std::uint32_t rule = 0;
};

GuardCore::GuardCore(std::shared_ptr<const Config> config, std::shared_ptr<const DetectorSet> detectors, LogSink log,
                     Instant now)
    : config_(std::move(config)),
      detectors_(std::move(detectors)),
      log_(std::move(log)),
      started_(now),
      engine_(config_),
      now_(now),
      total_failed_(config_->rules.size()),
      total_verdicts_(config_->rules.size()) {}

GuardCore::~GuardCore() = default;

std::size_t GuardCore::add_source(const std::string& name, const TimeZone& zone, bool trust_network,
                                  std::optional<Place> read_to, Instant now) {
  auto source = std::make_unique<SourceState>();
  SourceState* const state = source.get();
  state->name = name;
  PipelineOptions options;
  options.detectors = detectors_.get();
  if (config_->settings.count_publickey_failures) options.recognizer.settings.insert("count_publickey_failures");
  options.zone = zone;
  options.started = now;
  options.trust_network = trust_network;
  options.read_to = read_to;
  state->pipeline = std::make_unique<GuardPipeline>(
      std::move(options), [this, state](Change change, const Attempt& attempt, OpenAttempt& open, bool known) {
        changed(*state, change, attempt, open, known);
      });
  sources_.push_back(std::move(source));
  return sources_.size() - 1;
}

void GuardCore::take(std::size_t source, const Record& record) {
  SourceState& state = *sources_[source];
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
  std::erase_if(standing_, [now](const Standing& one) { return one.row.until && *one.row.until <= now; });
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
}

void GuardCore::judge(const SourceState& source, const Attempt& attempt, OpenAttempt& open) {
  if (open.judged || open.unsure) return;
  open.judged = true;
  const Place place = unpack(attempt.line);
  const AttemptKey key{source.name, place.generation, place.offset, 0};
  count(attempt, key);
  verdicts_.clear();
  engine_.judge(attempt, verdicts_);
  for (const Verdict& verdict : verdicts_) record(verdict, key);
}

// Which rule it counts for, for the status and to say later what filled a rule.
void GuardCore::count(const Attempt& attempt, const AttemptKey& key) {
  if (attempt.address && config_->exempt.contains(*attempt.address)) return;
  for (std::size_t i = 0; i < config_->rules.size(); ++i) {
    const Rule& rule = config_->rules[i];
    const Fit fit = rule.fit(attempt);
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    total_failed_[i] += attempt.count;
    if (recent_.size() >= kMostRecent) recent_.pop_front();
    recent_.push_back({key, attempt.address.value_or(IpAddress()), attempt.address.has_value(),
                       static_cast<std::uint32_t>(i), attempt.count, attempt.window_time, attempt.account});
    if (fit == Fit::yes && !rule.look_on) return;
  }
}

// The attempts that filled a rule: the newest of its key, as many as were counted.
std::vector<AttemptKey> GuardCore::counted_for(const Verdict& verdict) const {
  std::vector<AttemptKey> keys;
  const Rule& rule = *verdict.rule;
  const auto number = static_cast<std::uint32_t>(verdict.rule - config_->rules.data());
  std::uint64_t left = verdict.counted;
  const Instant oldest = verdict.at - rule.trigger_window;
  for (auto one = recent_.rbegin(); one != recent_.rend() && left > 0 && keys.size() < kMostKeys; ++one) {
    if (one->rule != number || one->at <= oldest) continue;
    if (rule.count_by == Rule::CountBy::account ? one->account != verdict.account
                                                : !one->has_address || rule.network_of(one->address) != verdict.network)
      continue;
    keys.push_back(one->key);
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
  row.watch_only = true;
  row.rule = verdict.rule->name;
  if (verdict.has_network) row.network = verdict.network;
  if (verdict.has_account) row.account = verdict.account;
  row.service = verdict.service;
  row.host = verdict.host;
  row.at = verdict.at;
  if (verdict.kind == Verdict::Kind::block) row.until = verdict.until;
  row.attempts = counted_for(verdict);
  if (verdict.kind == Verdict::Kind::block) {
    const bool over = verdict.until <= now_;
    if (!over)
      log_(Priority::notice, fmt::format("would block {} until {}: rule \"{}\", {} tries", verdict.network.to_string(),
                                         to_rfc3339(verdict.until), verdict.rule->name, verdict.counted));
    if (!over) {
      if (standing_.size() >= kMostStanding) standing_.pop_front();
      standing_.push_back({row, number});
    }
  } else if (verdict.at + std::chrono::hours(1) > now_) {
    log_(Priority::warning,
         fmt::format("alert: rule \"{}\": {}{}{}", verdict.rule->name,
                     verdict.has_network ? verdict.network.to_string() : "address not known",
                     verdict.has_account ? ", account " : "", verdict.has_account ? printable(verdict.account) : ""));
  }
  batch_.verdicts.push_back(std::move(row));
}

// An attempt that never was can have shut nobody out.
void GuardCore::take_back(const AttemptKey& key, Instant at) {
  for (auto one = standing_.begin(); one != standing_.end();) {
    if (std::ranges::find(one->row.attempts, key) == one->row.attempts.end()) {
      ++one;
      continue;
    }
    VerdictRow end = one->row;
    end.cause = key;
    end.until = std::max(at, end.at);
    log_(Priority::notice, fmt::format("would end the block of {}: a try that it rests on was none (rule \"{}\")",
                                       end.network->to_string(), end.rule));
    batch_.verdicts.push_back(std::move(end));
    one = standing_.erase(one);
  }
}

std::chrono::seconds GuardCore::memory() const {
  std::chrono::seconds longest{0};
  for (const Rule& rule : config_->rules) longest = std::max(longest, rule.trigger_window);
  return longest;
}

void GuardCore::restore(const std::vector<StoredAttempt>& attempts, const std::vector<StoredVerdict>& verdicts,
                        Instant now) {
  Attempt attempt;
  for (const StoredAttempt& row : attempts) {
    if (row.withdrawn || row.extra == kUnsure) continue;
    attempt.outcome = from_row(row.outcome);
    attempt.address = row.address;
    attempt.port = row.port;
    attempt.count = row.count;
    attempt.has_account = row.account.has_value();
    attempt.account = row.account.value_or(std::string());
    attempt.service = row.service;
    attempt.detector = row.detector;
    attempt.origin = row.origin;
    attempt.extra = row.extra;
    attempt.host = row.host;
    attempt.time = row.time;
    attempt.window_time = row.window_time;
    count(attempt, row.key);
    engine_.judge(attempt, verdicts_);
    verdicts_.clear();  // they stand in the ledger
  }
  for (const StoredVerdict& row : verdicts) {
    if (row.kind != VerdictKind::block || !row.until || *row.until <= now) continue;
    const auto rule = std::ranges::find(config_->rules, row.rule, &Rule::name);
    if (rule == config_->rules.end()) continue;
    standing_.push_back({row, static_cast<std::uint32_t>(rule - config_->rules.begin())});
  }
  std::ranges::fill(total_failed_, 0);
}

GuardStatus GuardCore::status(Instant now) const {
  GuardStatus status;
  status.now = now;
  status.since = started_;
  status.failures = failures_;
  status.successes = successes_;
  status.probes = probes_;
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
      if (recent.rule == i && recent.at > now - rule.trigger_window) one.currently_failed += recent.count;
    }
    for (auto block = standing_.rbegin(); block != standing_.rend(); ++block) {
      if (block->rule != i || *block->row.until <= now) continue;
      if (++one.currently_blocked > kMostBlocksListed) continue;
      const VerdictRow& row = block->row;
      one.blocked.push_back({row.network->to_string(), row.service, row.host, row.at, *row.until});
    }
  }
  return status;
}

Batch GuardCore::cut_batch(Instant now, const Checkpoint& checkpoint) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    SourceState& source = *sources_[i];
    const auto read_to = source.pipeline->read_to();
    const auto resume = source.pipeline->resume_at();
    if (!read_to || (source.saved == read_to && source.saved_resume == resume)) continue;
    batch_.positions.push_back(to_position(source.name, {*resume, *read_to, checkpoint(i, *resume)}));
    source.saved = read_to;
    source.saved_resume = resume;
  }
  ++batch_number_;
  news_ = false;
  batch_.recorded = now;
  return std::exchange(batch_, Batch());
}

}  // namespace tipstaff
