#include "control/explain_subject.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/text.h"
#include "control/verdict_text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostBlocks = 100;
constexpr std::size_t kMostShown = 20;  // attempts
constexpr std::size_t kMostPast = 10;
constexpr std::size_t kRowsLookedAt = 500;  // of each address and month
constexpr std::size_t kMostRows = 2'000;

bool overlap(const IpNetwork& one, const IpNetwork& other) {
  return one.contains(other.address()) || other.contains(one.address());
}

Outcome from_row(RowOutcome outcome) {
  return outcome == RowOutcome::failure   ? Outcome::failure
         : outcome == RowOutcome::success ? Outcome::success
                                          : Outcome::probe;
}

// As the rules see it. Lives as long as the row.
Attempt to_attempt(const StoredAttempt& row) {
  Attempt attempt;
  attempt.outcome = from_row(row.outcome);
  attempt.address = row.address;
  attempt.count = row.count;
  attempt.has_account = row.account.has_value();
  attempt.account = row.account.value_or(std::string());
  attempt.service = row.service;
  attempt.detector = row.detector;
  attempt.origin = row.origin;
  attempt.host = row.host;
  attempt.window_time = row.window_time;
  return attempt;
}

// Which rules count it: as the engine goes through them.
std::vector<std::size_t> counting(const Config& config, const Attempt& attempt) {
  std::vector<std::size_t> rules;
  for (std::size_t i = 0; i < config.rules.size(); ++i) {
    const Rule& rule = config.rules[i];
    const Fit fit = rule.fit(attempt, config.facts.get());
    if (fit != Fit::yes && fit != Fit::feeds) continue;
    if (rule.after_failures == 0 || fit == Fit::feeds) rules.push_back(i);
    if (fit == Fit::yes && !rule.look_on) break;
  }
  return rules;
}

std::vector<NameFacts> counted(const std::map<std::string, std::int64_t>& names) {
  std::vector<NameFacts> all;
  for (const auto& [name, tries] : names) all.push_back({name, tries});
  std::ranges::stable_sort(all, std::ranges::greater(), &NameFacts::tries);
  return all;
}

std::vector<NameFacts> named(const NameCounts& counts) {
  std::vector<NameFacts> all;
  for (const NameCount& one : counts.names) all.push_back({one.hidden ? "(hidden)" : one.name, one.tries});
  return all;
}

class Gathering {
 public:
  Gathering(const Subject& subject, const ExplainInputs& inputs) : inputs_(inputs) {
    facts_.network = subject.network;
    facts_.account = subject.account;
    facts_.running = inputs.running;
    facts_.watch_only = inputs.watch_only;
    facts_.now = inputs.now;
  }

  Explanation run() {
    if (inputs_.ledger == nullptr) {
      facts_.problems.push_back("the attempts cannot be read: " + inputs_.problem);
    } else {
      read_attempts();
    }
    find_blocks();
    find_exemptions();
    count_rules();
    return std::move(facts_);
  }

 private:
  [[nodiscard]] bool is_about(const IpNetwork& network) const {
    if (facts_.network) return overlap(network, *facts_.network);
    return std::ranges::any_of(tried_from_, [&](IpAddress address) { return network.contains(address); });
  }

  void complain(const Error& error) { facts_.problems.push_back("the ledger: " + error.message()); }

  [[nodiscard]] ReportQuery query() const {
    ReportQuery query;
    query.network = facts_.network;
    if (!facts_.network) query.account = facts_.account;
    query.most = kMostRows;
    query.sample = kRowsLookedAt;
    return query;
  }

  void read_attempts() {
    const auto index = inputs_.ledger->find(query());
    if (!index) return complain(index.error());
    SubjectSummary summary = index->summary;
    if (facts_.network && facts_.network->is_host()) {
      if (const auto exact = inputs_.ledger->summary(facts_.network->address())) summary = *exact;
    }
    facts_.failures = summary.failures;
    facts_.successes = summary.successes;
    facts_.probes = summary.probes;
    facts_.first = summary.first;
    facts_.last = summary.last;
    facts_.accounts = named(index->accounts);
    facts_.addresses = named(index->addresses);
    for (const NameCount& one : index->addresses.names) {
      if (const auto address = IpAddress::parse(one.name)) tried_from_.insert(*address);
    }
    std::map<std::string, std::int64_t> services;
    facts_.recent = inputs_.ledger->rows(*index, 0, kMostRows, false);
    for (StoredAttempt& row : facts_.recent) {
      services[row.service] += row.count;
      if (row.hidden_account) row.account = "(hidden)";
    }
    facts_.services = counted(services);
    facts_.more = index->more || facts_.recent.size() > kMostShown;
    if (facts_.recent.size() > kMostShown) facts_.recent.erase(facts_.recent.begin(), facts_.recent.end() - kMostShown);
    const std::size_t past = std::min(index->verdicts.size(), kMostPast);
    for (auto row = index->verdicts.end() - static_cast<std::ptrdiff_t>(past); row != index->verdicts.end(); ++row)
      facts_.past.push_back(fmt::format("{}  {}", to_rfc3339(row->at), action_text(*row, to_rfc3339)));
    verdicts_ = index->verdicts;
    for (const std::string& problem : inputs_.ledger->problems()) facts_.problems.push_back(problem);
  }

  void find_blocks() {
    std::size_t more = 0;
    inputs_.each_block([&](const StandingBlock& block) {
      if (block.until <= inputs_.now || !is_about(block.network)) return;
      if (facts_.blocks.size() < kMostBlocks) {
        facts_.blocks.push_back(block);
      } else {
        ++more;
      }
    });
    if (more > 0)
      facts_.problems.push_back(fmt::format("{} further blocks are not listed; 'tipstaff blocks' lists all", more));
  }

  // What holds all of him comes first.
  void add_exemption(ExplainedExemption one) {
    const bool holds_all = facts_.network && one.network.contains(facts_.network->address()) &&
                           one.network.bits() <= facts_.network->bits();
    facts_.exempt = facts_.exempt || holds_all;
    facts_.exemptions.insert(holds_all ? facts_.exemptions.begin() : facts_.exemptions.end(), std::move(one));
  }

  void find_exemptions() {
    if (const IpNetwork* const one = facts_.network ? &*facts_.network : nullptr; one != nullptr && one->is_host()) {
      if (const OriginExemption* const origin = find_origin_exemption(*inputs_.config, one->address()))
        add_exemption({*one, fmt::format("{}, {}", to_words(origin->origin), origin->where), std::nullopt});
    }
    for (const Exemption& one : inputs_.exempt) {
      if (is_about(one.network)) add_exemption({one.network, one.where, std::nullopt});
    }
    for (const TimedExemption& one : inputs_.timed) {
      if (one.until <= inputs_.now || !is_about(one.network)) continue;
      add_exemption({one.network,
                     fmt::format("for a time, by {}{}", one.by, one.why.empty() ? std::string() : ": " + one.why),
                     one.until});
    }
  }

  // The attempts that may count now for rules by address, of the network that the widest of them counts by.
  std::vector<StoredAttempt> rows_of(const ReportQuery& asked) {
    const auto index = inputs_.ledger->find(asked);
    if (!index) {
      complain(index.error());
      return {};
    }
    for (const StoredVerdict& row : index->verdicts) verdicts_.push_back(row);
    return inputs_.ledger->rows(*index, 0, kMostRows, false);
  }

  // A block has emptied the counter.
  [[nodiscard]] bool is_used_up(const Rule& rule, const Attempt& attempt) const {
    return std::ranges::any_of(verdicts_, [&](const VerdictRow& row) {
      if (row.kind != VerdictKind::block || row.rule != rule.name || !row.network || !row.until) return false;
      return attempt.address && row.network->contains(*attempt.address) && *row.until > row.at &&
             row.host == attempt.host && attempt.window_time < *row.until;
    });
  }

  void count_rules() {
    const Config& config = *inputs_.config;
    std::chrono::seconds longest{0};
    for (const Rule& rule : config.rules) longest = std::max(longest, rule.trigger_window);
    std::vector<StoredAttempt> rows;
    if (inputs_.ledger != nullptr) {
      ReportQuery asked = query();
      if (facts_.network) asked.network = widest(config);
      asked.since = inputs_.now - longest - std::chrono::hours(1);  // by the attempt's own time, windows go by another
      rows = rows_of(asked);
    }
    std::vector<std::uint64_t> tries(config.rules.size());
    std::vector<std::set<std::string>> values(config.rules.size());
    for (const StoredAttempt& row : rows) {
      const Attempt attempt = to_attempt(row);
      for (const std::size_t i : counting(config, attempt)) {
        const Rule& rule = config.rules[i];
        if (attempt.window_time <= inputs_.now - rule.trigger_window || is_used_up(rule, attempt)) continue;
        if (facts_.network && rule.count_by != Rule::CountBy::account &&
            !overlap(rule.network_of(*attempt.address), *facts_.network))
          continue;
        tries[i] += attempt.count;
        if (rule.distinct == Rule::Distinct::account) values[i].insert(attempt.account);
        if (rule.distinct == Rule::Distinct::address) values[i].insert(attempt.address->to_string());
      }
    }
    for (std::size_t i = 0; i < config.rules.size(); ++i) {
      const Rule& rule = config.rules[i];
      RuleFacts& one = facts_.rules.emplace_back();
      one.name = rule.name;
      one.where = rule.where;
      one.sentence = rule.explain();
      one.needed = rule.needed();
      one.tries = rule.distinct == Rule::Distinct::none ? tries[i] : values[i].size();
      tell_exemption(rule, one);
      const bool by_account = rule.count_by == Rule::CountBy::account;
      if (by_account && facts_.network) one.note = "counts by account: these are the tries from here alone";
      if (rule.counts_by_origin() && facts_.network) {
        one.note = fmt::format("counts by {}: these are the tries from here alone",
                               rule.count_by == Rule::CountBy::as ? "AS" : "country");
      }
      if (!by_account && !facts_.network) one.note = "counts by address: these are the tries on this account alone";
      if (rule.count_by == Rule::CountBy::prefix && facts_.network && facts_.network->is_host() &&
          !rule.network_of(facts_.network->address()).is_host())
        one.note = fmt::format("counts all of {} together", rule.network_of(facts_.network->address()).to_string());
    }
  }

  void tell_exemption(const Rule& rule, RuleFacts& one) {
    one.exempt = facts_.exempt;
    if (!facts_.network) return;
    for (const Exemption& entry : rule.exempt.entries()) {
      if (!overlap(entry.network, *facts_.network)) continue;
      one.exempt = true;
      facts_.exemptions.push_back(
          {entry.network, fmt::format("of rule \"{}\" alone, {}", rule.name, entry.where), std::nullopt});
    }
    if (one.exempt) one.tries = 0;
  }

  // What has to be read so that each rule can count for the subject.
  [[nodiscard]] IpNetwork widest(const Config& config) const {
    IpNetwork network = *facts_.network;
    for (const Rule& rule : config.rules) {
      if (rule.count_by == Rule::CountBy::account) continue;
      const IpNetwork counted = rule.network_of(network.address());
      if (counted.bits() < network.bits()) network = counted;
    }
    return network;
  }

  const ExplainInputs& inputs_;
  Explanation facts_;
  std::set<IpAddress> tried_from_;       // of an account
  std::vector<StoredVerdict> verdicts_;  // that concern the subject
};

}  // namespace

Subject parse_subject(std::string_view text) {
  Subject subject;
  if (text.starts_with('#')) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) {
      subject.block = number;
      return subject;
    }
  }
  subject.network = IpNetwork::parse(text);
  if (!subject.network) subject.account = text;
  return subject;
}

Result<Explanation> explain_subject(const Subject& subject, const ExplainInputs& inputs) {
  Subject found = subject;
  if (subject.block) {
    inputs.each_block([&](const StandingBlock& block) {
      if (block.id == *subject.block) found.network = block.network;
    });
    if (!found.network)
      return fail(ErrorKind::not_found,
                  fmt::format("no block that stands has the number #{}; see 'tipstaff blocks'", *subject.block));
  }
  return Gathering(found, inputs).run();
}

}  // namespace tipstaff
