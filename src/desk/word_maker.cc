#include "desk/word_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "desk/machine_watch.h"
#include "desk/status_json.h"

namespace tipstaff {
namespace {

namespace json = boost::json;
using std::chrono::days;

constexpr std::size_t kBusiest = 1'000;  // the ledger's own bound
constexpr std::size_t kMostVerdicts = 200'000;
constexpr std::string_view kValue = "word";  // hour of the last one, in microseconds

}  // namespace

Instant WordMaker::last_hour(Instant now) const {
  const auto today = std::chrono::floor<days>(options_.zone.to_local(now));
  const bool weekly = options_.settings.word == DeskSettings::Word::weekly;
  for (int back = 0; back <= 14; ++back) {
    const auto day = today - days(back);
    const bool monday = std::chrono::weekday(std::chrono::local_days(day)) == std::chrono::Monday;
    if (weekly && !monday) continue;
    const Instant hour = options_.zone.to_utc(LocalInstant(day) + options_.settings.word_at);
    if (hour <= now) return hour;
  }
  return now;
}

Result<WordCounts> WordMaker::counts(LedgerReader& ledger, Instant from, Instant to, WordFacts* facts) {
  WordCounts all;
  const auto busy = ledger.busiest(kBusiest, from, to);
  if (!busy) return std::unexpected(busy.error());
  for (const BusyAddress& one : *busy) {
    all.failures += one.summary.failures;
    all.successes += one.summary.successes;
    all.probes += one.summary.probes;
  }
  all.addresses = busy->size();
  all.cut = busy->size() == kBusiest;
  if (facts != nullptr) {
    for (const BusyAddress& one : *busy) {
      if (facts->top.size() == kTop || one.summary.failures == 0) break;
      WordAttacker attacker{one.address.to_string(), one.summary.failures, "", ""};
      if (options_.names != nullptr) {
        if (const auto names = options_.names->known(one.address))
          attacker.name = names->name.empty() || names->confirmed ? names->name : names->name + " (unconfirmed)";
      }
      if (options_.facts != nullptr) attacker.country = options_.facts->origin_of(one.address).country.to_string();
      facts->top.push_back(std::move(attacker));
    }
  }
  return all;
}

void WordMaker::add_status(WordFacts& facts) {
  const auto status = options_.ask();
  facts.guarded = status.has_value();
  if (!status) return;
  for (const Trouble& one : troubles_of_status(*status)) facts.unusual.push_back(one.sentence);
  boost::system::error_code error;
  const json::value value = json::parse(*status, error);
  if (error || !value.is_object()) return;
  const json::object& object = value.as_object();
  facts.watch_only = flag_is(object, "watch_only", true);
  for (const auto& one : list_member(object, "sources")) {
    if (!one.is_object() || facts.sources.size() >= 100) continue;
    const json::object& source = one.as_object();
    const bool blind = !list_member(source, "alarms").empty();
    const std::string last = text_member(source, "last_line");
    facts.sources.push_back(
        {text_member(source, "name"),
         fmt::format("{}{} lines, {} of {} understood, {}", blind ? "BLIND: " : "", number_member(source, "lines"),
                     number_member(source, "understood"), number_member(source, "known_program"),
                     last.empty() ? std::string("none since the guard began") : "last one " + last),
         !blind});
  }
}

Result<WordFacts> WordMaker::facts_until(Instant to) {
  auto ledger = LedgerReader::open(options_.folder);
  if (!ledger) return std::unexpected(ledger.error());
  const auto length = options_.settings.word == DeskSettings::Word::weekly ? days(7) : days(1);
  WordFacts facts;
  facts.host = options_.host;
  facts.from = to - length;
  facts.to = to;
  add_status(facts);
  auto now = counts(**ledger, facts.from, to, &facts);
  if (!now) return std::unexpected(now.error());
  auto before = counts(**ledger, facts.from - days(7), to - days(7), nullptr);
  if (!before) return std::unexpected(before.error());
  facts.now = *now;
  facts.before = *before;
  for (std::size_t i = kDays; i > 0; --i) {
    const auto day = counts(**ledger, to - days(i), to - days(i - 1), nullptr);
    if (!day) return std::unexpected(day.error());
    facts.days.push_back(day->failures);
  }

  std::size_t looked = 0;
  const auto verdicts = (*ledger)->verdicts(kMostVerdicts);
  if (!verdicts) return std::unexpected(verdicts.error());
  for (const StoredVerdict& row : *verdicts) {
    const bool block = row.kind == VerdictKind::block && row.until && *row.until > row.at;
    if (!block && row.kind != VerdictKind::alert) continue;
    for (auto [counts, from, end] :
         {std::tuple(&facts.now, facts.from, to), std::tuple(&facts.before, facts.from - days(7), to - days(7))}) {
      if (row.at >= from && row.at < end) ++(block ? counts->blocks : counts->alerts);
    }
    if (!block || row.at < facts.from || row.at >= to || !row.network || ++looked > kMostBlocks) continue;
    ReportQuery later;
    later.network = row.network;
    later.since = row.at;
    later.sample = 500;
    if (const auto found = (*ledger)->find(later); found && found->summary.successes > 0)
      ++facts.blocked_then_logged_in;
  }
  if (facts.now.failures > 10 && facts.now.failures > 3 * facts.before.failures)
    facts.unusual.push_back(
        fmt::format("{} failed logins, a week before {}", facts.now.failures, facts.before.failures));

  if (const auto info = (*ledger)->info()) {
    facts.chain_head = chain_head_text(*info);
    if (const auto room = room_of(options_.folder)) {
      facts.disk_free = room->free;
      std::uint64_t bytes = 0;
      std::uint64_t rows = 0;
      for (const MonthInfo& month : info->months) {
        bytes += month.bytes;
        rows += month.attempts;
      }
      std::int64_t week = 0;
      for (const std::int64_t day : facts.days) week += day;
      if (rows > 0 && week > 0) {
        const double daily = static_cast<double>(week) / 7 * static_cast<double>(bytes) / static_cast<double>(rows);
        const double left = static_cast<double>(room->free) / std::max(daily, 1.0);
        if (left < 36'500) facts.disk_days = static_cast<std::int64_t>(left);
      }
    }
  }
  for (const StoredMessage& one : store_.messages(1'000)) {
    if (one.state == MessageState::waiting && one.tries > 0) ++facts.waiting;
  }
  return facts;
}

Result<void> WordMaker::step(Instant now) {
  if (options_.settings.word == DeskSettings::Word::off) return {};
  const Instant hour = last_hour(now);
  const std::string name = std::to_string(hour.time_since_epoch().count());
  const std::string before = store_.value(kValue);
  if (before == name) return {};
  if (before.empty()) return store_.put_with_value({}, kValue, name);
  const auto facts = facts_until(hour);
  if (!facts) return std::unexpected(facts.error());
  StoredMessage mail;
  mail.key = "word|" + name;
  mail.of = "word";
  mail.subject = word_subject(*facts, options_.zone);
  mail.text = word_text(*facts, options_.zone);
  mail.html = word_html(*facts, options_.zone);
  mail.created = now;
  return store_.put_with_value(messages_for(options_.channels, mail, word_json(*facts)), kValue, name);
}

}  // namespace tipstaff
