#include "desk/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alert/alert_text.h"
#include "alert/possible_victim.h"

namespace tipstaff {
namespace {

constexpr std::size_t kSample = 2'000;     // newest rows of an address that an alert looks at
constexpr std::size_t kMostHeld = 10'000;  // told together at a time

bool is_told(const StoredVerdict& row) {
  if (row.rule.empty()) return false;  // by hand: whoever did it knows
  if (row.kind == VerdictKind::alert) return true;
  return row.kind == VerdictKind::block && row.until && *row.until > row.at;
}

bool takes_back(const StoredVerdict& row, const StoredVerdict& block) {
  return row.kind == VerdictKind::block && row.until && *row.until == row.at && row.rule == block.rule &&
         row.network == block.network && row.service == block.service && row.host == block.host && row.at == block.at;
}

std::string key_of(const StoredVerdict& row) {
  return fmt::format("{}|{}|{}|{}|{}|{}|{}", row.kind == VerdictKind::block ? "block" : "alert", row.rule,
                     row.network ? row.network->to_string() : "", row.account.value_or(""), row.service, row.host,
                     row.at.time_since_epoch().count());
}

}  // namespace

std::string chain_head_text(const LedgerInfo& info) {
  return info.head_batch == 0 ? std::string()
                              : fmt::format("host {}, batch {}, link {}", info.host, info.head_batch, info.head_link);
}

std::vector<StoredMessage> messages_for(const Channels& channels, const Alert& alert, std::string_view of,
                                        const TimeZone& zone, Instant now) {
  StoredMessage mail;
  mail.key = alert.key;
  mail.of = of;
  mail.subject = alert_subject(alert, zone);
  mail.text = alert_text(alert, zone);
  mail.created = now;
  return messages_for(channels, mail, alert_json(alert));
}

std::vector<StoredMessage> messages_for(const Channels& channels, const StoredMessage& mail, const std::string& json) {
  std::vector<StoredMessage> all;
  for (const std::string& to : channels.mail) {
    all.push_back(mail);
    all.back().to = to;
  }
  if (channels.webhook) {
    all.push_back(mail);
    all.back().channel = Channel::webhook;
    all.back().text = json;
    all.back().html.clear();
  }
  return all;
}

Collector::Collector(CollectorOptions options, AlertStore& store) : options_(std::move(options)), store_(store) {}

Result<void> Collector::open_ledger(Instant now) {
  if (!ledger_) {
    auto opened = LedgerReader::open(options_.folder);
    if (!opened) {
      // what is recorded in a ledger that is yet to be made is all new
      if (opened.error().kind == ErrorKind::not_found && !store_.place())
        if (auto done = store_.take_up("", 0, {}, now); !done) return done;
      return std::unexpected(opened.error());
    }
    ledger_ = std::move(*opened);
    const auto info = ledger_->info();
    if (!info) return std::unexpected(info.error());
    ledger_host_ = info->host;
  }
  const std::string before = store_.ledger();
  if (store_.place() && (before.empty() || before == ledger_host_)) return {};
  // the first run, or another ledger: what stands there is the past
  const auto newest = ledger_->verdicts(1);
  if (!newest) return std::unexpected(newest.error());
  return store_.take_up(ledger_host_, newest->empty() ? 0 : newest->front().id, {}, now);
}

Result<bool> Collector::take_up(Instant now) {
  const std::uint64_t place = store_.place().value_or(0);
  const auto rows = ledger_->verdicts_behind(place, kStep);
  if (!rows) return std::unexpected(rows.error());
  if (rows->empty()) return false;
  std::vector<std::uint64_t> told;
  for (const StoredVerdict& row : *rows) {
    if (is_told(row)) told.push_back(row.id);
  }
  if (auto done = store_.take_up(ledger_host_, rows->back().id, told, now); !done) return std::unexpected(done.error());
  return rows->size() == kStep;
}

std::optional<StoredVerdict> Collector::row_of(std::uint64_t id) {
  auto rows = ledger_->verdicts_behind(id - 1, 1);
  if (!rows || rows->empty() || rows->front().id != id) return std::nullopt;  // erased meanwhile
  return std::move(rows->front());
}

bool Collector::waits_for_name(const StoredVerdict& row, Instant since, Instant now) const {
  if (options_.names == nullptr || !row.network || !row.network->is_host() || now - since >= kNamesWait) return false;
  const IpAddress address = row.network->address();
  return !options_.names->known(address) && options_.names->ask(address);
}

void Collector::add_facts(IpAddress address, Alert& alert) const {
  VictimFacts known;
  known.address = address;
  if (options_.facts != nullptr) {
    if (const auto fact = options_.facts->find(address)) {
      alert.country = known.country = fact->origin.country.to_string();
      alert.as_number = fact->origin.as_number;
      alert.network_name = fact->as_name;
    }
  }
  if (options_.names != nullptr) {
    if (const auto names = options_.names->known(address)) {
      alert.name = names->name;
      alert.name_confirmed = names->confirmed;
      for (const DomainRole role : names->roles) alert.roles.push_back(to_words(role, names->domain));
      if (names->confirmed) {
        known.name = names->name;
        known.domain = names->domain;
        known.roles = alert.roles;
      }
    }
  }
  alert.victim = possible_victim(known, {options_.config->desk.victim_words, options_.config->desk.victim_networks});
}

AlertClass Collector::class_of(const Alert& alert, const Rule* rule) const {
  if (alert.kind == AlertKind::rule || !alert.victim.empty()) return AlertClass::now;
  if (rule != nullptr && rule->distinct == Rule::Distinct::account) return AlertClass::now;  // spraying
  return options_.config->desk.blocks == DeskSettings::Blocks::silent ? AlertClass::silent : AlertClass::digest;
}

Result<std::optional<Alert>> Collector::alert_of(const StoredVerdict& row) {
  Alert alert;
  alert.kind = row.kind == VerdictKind::block ? AlertKind::block : AlertKind::rule;
  alert.key = key_of(row);
  alert.host = row.host;
  alert.at = row.at;
  alert.network = row.network;
  alert.rule = row.rule;
  alert.service = row.service;
  alert.until = row.until;
  alert.watch_only = row.watch_only;
  if (!row.network) alert.account = row.account;
  const auto& rules = options_.config->rules;
  const auto rule = std::ranges::find(rules, row.rule, &Rule::name);
  if (rule != rules.end()) alert.numbers = {rule->trigger_window, rule->needed(), rule->lockout};

  ReportQuery query;
  query.network = row.network;
  if (!row.network) query.account = row.account;
  query.until = row.at + std::chrono::microseconds(1);
  query.sample = kSample;
  if (query.network || query.account) {
    const auto past = ledger_->find(query);
    if (!past) return std::unexpected(past.error());
    for (const StoredVerdict& other : past->verdicts) {
      if (takes_back(other, row)) return std::nullopt;
    }
    const std::size_t listed = std::min(past->rows.size(), kObservations);
    auto rows = ledger_->rows(*past, past->rows.size() - listed, listed, false);
    std::ranges::reverse(rows);
    for (const StoredAttempt& one : rows) {  // a row may stand for several tries
      for (std::uint32_t i = 0; i < one.count && alert.previous.size() < kObservations; ++i)
        alert.previous.push_back({one.when(), one.account.value_or(""), one.account.has_value(),
                                  one.outcome == RowOutcome::success, one.service});
    }
    if (!rows.empty()) alert.origin = rows.front().origin;
    for (const NameCount& one : past->accounts.names) {
      if (alert.accounts.size() < kAccounts) {
        alert.accounts.push_back(one.name);
      } else {
        ++alert.more_accounts;
      }
    }
    for (const NameCount& one : past->hosts.names) {
      if (one.name != row.host && alert.hosts.size() < kAccounts) alert.hosts.push_back(one.name);
    }
    const bool single = row.network && row.network->is_host();
    const auto summary = single ? ledger_->summary(row.network->address()) : Result<SubjectSummary>(past->summary);
    if (summary) {
      alert.first_seen = summary->first;
      alert.failures = summary->failures;
      alert.successes = summary->successes;
    }
    const std::optional<IpAddress> address = single         ? std::optional(row.network->address())
                                             : rows.empty() ? std::nullopt
                                                            : rows.front().address;
    if (address && row.network) add_facts(*address, alert);
  }
  if (const auto info = ledger_->info()) alert.chain_head = chain_head_text(*info);
  alert.of = class_of(alert, rule == rules.end() ? nullptr : &*rule);
  return alert;
}

Result<void> Collector::work_out(Instant now) {
  const bool each = options_.config->desk.blocks == DeskSettings::Blocks::each;
  for (const AlertStore::Open& open : store_.open_rows(kStep)) {
    const auto row = row_of(open.row);
    if (row && waits_for_name(*row, open.since, now)) continue;
    std::vector<StoredMessage> messages;
    if (row) {
      auto alert = alert_of(*row);
      if (!alert) return std::unexpected(alert.error());
      const bool at_once = *alert && (*alert)->of == AlertClass::now;
      const bool single = *alert && (*alert)->of == AlertClass::digest && each;
      if (at_once || single) {
        const std::string_view of = at_once ? "now" : "each";
        if (store_.made_since(of, now - kBurst) >= (at_once ? kMostNow : kMostEach)) {
          if (auto done = store_.hold(open.row); !done) return done;
          continue;
        }
        messages = messages_for(options_.channels, **alert, of, options_.zone, now);
      }
    }
    if (auto done = store_.put(messages, {open.row}); !done) return done;
  }
  return {};
}

Result<void> Collector::tell_burst(Instant now) {
  const auto held = store_.held_rows(kMostHeld);
  if (held.empty() || now - held.front().since < kBurst) return {};
  std::vector<std::uint64_t> rows;
  std::vector<Alert> alerts;
  for (const AlertStore::Open& open : held) {
    rows.push_back(open.row);
    if (alerts.size() >= kMostInBurst) continue;
    const auto row = row_of(open.row);
    if (!row) continue;
    auto alert = alert_of(*row);
    if (!alert) return std::unexpected(alert.error());
    if (*alert) alerts.push_back(std::move(**alert));
  }
  StoredMessage mail;
  mail.key = fmt::format("burst|{}|{}", rows.front(), rows.back());
  mail.of = "burst";
  mail.subject = fmt::format("{} more alerts from {}", rows.size(), alerts.empty() ? "" : alerts.front().host);
  mail.text = burst_text(alerts, rows.size(), options_.zone);
  mail.created = now;
  return store_.put(messages_for(options_.channels, mail, burst_json(alerts, rows.size())), rows);
}

Result<bool> Collector::step(Instant now) {
  if (auto done = open_ledger(now); !done) return std::unexpected(done.error());
  auto more = take_up(now);
  if (!more) return more;
  if (auto done = work_out(now); !done) return std::unexpected(done.error());
  if (auto done = tell_burst(now); !done) return std::unexpected(done.error());
  return more;
}

}  // namespace tipstaff
