#include "alert/alert_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongestName = 120;  // of what a stranger chose; the ledger has the whole

// A stranger's text for one line.
std::string shown(std::string_view text) {
  std::string line = printable(text.substr(0, kLongestName));
  return text.size() > kLongestName ? line + "..." : line;
}

std::string wall_clock(Instant at, const TimeZone& zone) {
  const LocalInstant local = zone.to_local(at);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(local - day));
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                     time.minutes().count(), time.seconds().count());
}

std::string account_of(const Observation& one) {
  return !one.has_account ? "-" : one.account.empty() ? "(empty)" : shown(one.account);
}

// "IP 198.51.100.23 (mail.parliament.example) [XX]"
std::string who(const Alert& alert) {
  if (!alert.network) return alert.account ? fmt::format("account {}", shown(*alert.account)) : std::string("nobody");
  std::string text = fmt::format("{} {}", alert.network->is_host() ? "IP" : "network", alert.network->to_string());
  if (!alert.name.empty())
    text += fmt::format(" ({}{})", shown(alert.name), alert.name_confirmed ? "" : ", unconfirmed");
  if (!alert.country.empty()) text += fmt::format(" [{}]", shown(alert.country));
  return text;
}

std::string what(const Alert& alert, const TimeZone& zone) {
  if (alert.kind == AlertKind::rule) return fmt::format("{}: {}", shown(alert.rule), who(alert));
  const std::string end =
      !alert.until || *alert.until == Instant::max() ? "for ever" : "until " + moment_text(*alert.until, zone);
  const std::string service = alert.service.empty() ? "" : fmt::format(" from {}", shown(alert.service));
  return fmt::format("{} {}{} {}", who(alert), alert.watch_only ? "would be blocked" : "blocked", service, end);
}

std::string host_of(const Alert& alert) { return alert.host.empty() ? std::string("this host") : shown(alert.host); }

void add_names(std::string& text, std::string_view label, const std::vector<std::string>& names, std::size_t more) {
  if (names.empty()) return;
  text += label;
  for (std::size_t i = 0; i < names.size(); ++i)
    text += (i == 0 ? "" : ", ") + (names[i].empty() ? std::string("(empty)") : shown(names[i]));
  if (more > 0) text += fmt::format(" and {} more", more);
  text += '\n';
}

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::value(json::string(to_utf8(text)));
}

json::array texts(const std::vector<std::string>& all) {
  json::array array;
  for (const std::string& one : all) array.emplace_back(json::string(to_utf8(one)));
  return array;
}

std::string_view kind_text(AlertKind kind) {
  return kind == AlertKind::block ? "block" : kind == AlertKind::rule ? "rule" : "machine";
}

}  // namespace

std::string_view to_text(AlertClass of) {
  return of == AlertClass::now ? "now" : of == AlertClass::digest ? "digest" : "silent";
}

std::string moment_text(Instant at, const TimeZone& zone) { return wall_clock(at, zone) + " " + zone.name(); }

std::string clock_text(std::chrono::seconds length) {
  const auto days = std::chrono::floor<std::chrono::days>(length);
  const std::chrono::hh_mm_ss rest(length - days);
  return fmt::format("{}{:02}:{:02}:{:02}", days.count() == 0 ? "" : fmt::format("{}d ", days.count()),
                     rest.hours().count(), rest.minutes().count(), rest.seconds().count());
}

std::string alert_subject(const Alert& alert, const TimeZone& zone) {
  if (alert.kind == AlertKind::machine) return fmt::format("Alert from {}: {}", host_of(alert), shown(alert.sentence));
  return fmt::format("{}Alert from {}, {}", alert.victim.empty() ? "" : "Possible victim: ", host_of(alert),
                     what(alert, zone));
}

std::string alert_text(const Alert& alert, const TimeZone& zone) {
  if (alert.kind == AlertKind::machine) {
    std::string text = fmt::format("Alert from {}: {}\n", host_of(alert), printable(alert.sentence));
    if (!alert.advice.empty()) text += fmt::format("What to do: {}\n", printable(alert.advice));
    text += fmt::format("Noticed {}.\n", moment_text(alert.at, zone));
    return text + (alert.chain_head.empty() ? "" : "\nLedger: " + alert.chain_head + "\n");
  }
  std::string text = fmt::format("Alert from {}, {}\n", host_of(alert), what(alert, zone));
  if (!alert.victim.empty())
    text += fmt::format("Possible victim, not only an attacker: {}\n", printable(alert.victim));
  text += fmt::format("Rule used{}: {}.", alert.origin.empty() ? "" : fmt::format(" ({})", shown(alert.origin)),
                      shown(alert.rule));
  if (alert.numbers.trigger_window.count() > 0) {
    text += fmt::format(" Trigger window {}, occurrences {}", clock_text(alert.numbers.trigger_window),
                        alert.numbers.occurrences);
    if (alert.numbers.lockout.count() > 0) text += ", lockout time " + clock_text(alert.numbers.lockout);
  }
  text += '\n';
  if (alert.watch_only && alert.kind == AlertKind::block)
    text += "NOT BLOCKED: Tipstaff only watches on this machine. To enforce: tipstaff guard --enforce\n";
  if (!alert.previous.empty()) {
    text += "Previous observations of this address:\n";
    for (const Observation& one : alert.previous)
      text += fmt::format("{}  {}{}\n", wall_clock(one.at, zone), account_of(one), one.success ? "  LOGGED IN" : "");
  }
  std::string known;
  if (alert.first_seen)
    known += fmt::format("First seen {}; {} failed and {} successful logins since then.\n",
                         moment_text(*alert.first_seen, zone), alert.failures, alert.successes);
  add_names(known, "Accounts tried: ", alert.accounts, alert.more_accounts);
  add_names(known, "Also seen on: ", alert.hosts, 0);
  add_names(known, "It is ", alert.roles, 0);
  if (alert.as_number != 0)
    known += fmt::format("Network of AS{}{}\n", alert.as_number,
                         alert.network_name.empty() ? "" : " " + shown(alert.network_name));
  if (!known.empty()) text += "\n" + known;
  if (alert.network)
    text += fmt::format("\ntipstaff explain {}\ntipstaff report {}\n", alert.network->address().to_string(),
                        alert.network->to_string());
  if (!alert.chain_head.empty()) text += "\nLedger: " + alert.chain_head + "\n";
  return text;
}

static json::object to_object(const Alert& alert) {
  json::object object;
  object["kind"] = json::string(kind_text(alert.kind));
  object["class"] = json::string(to_text(alert.of));
  object["key"] = json::string(to_utf8(alert.key));
  object["host"] = text_or_null(alert.host);
  object["at"] = json::string(to_rfc3339(alert.at));
  if (alert.kind == AlertKind::machine) {
    object["sentence"] = text_or_null(alert.sentence);
    object["advice"] = text_or_null(alert.advice);
  } else {
    object["address"] = alert.network ? json::value(json::string(alert.network->to_string())) : json::value(nullptr);
    object["rule"] = text_or_null(alert.rule);
    object["origin"] = text_or_null(alert.origin);
    object["service"] = text_or_null(alert.service);
    object["until"] = !alert.until || *alert.until == Instant::max()
                          ? json::value(nullptr)
                          : json::value(json::string(to_rfc3339(*alert.until)));
    object["watch_only"] = alert.watch_only;
    object["name"] = text_or_null(alert.name);
    object["name_confirmed"] = alert.name_confirmed;
    object["roles"] = texts(alert.roles);
    object["country"] = text_or_null(alert.country);
    object["as"] = alert.as_number == 0 ? json::value(nullptr) : json::value(alert.as_number);
    object["possible_victim"] = text_or_null(alert.victim);
    json::array previous;
    for (const Observation& one : alert.previous)
      previous.push_back(json::object{
          {"at", json::string(to_rfc3339(one.at))},
          {"account", one.has_account ? json::value(json::string(to_utf8(one.account))) : json::value(nullptr)},
          {"success", one.success},
          {"service", text_or_null(one.service)}});
    object["previous"] = std::move(previous);
    object["first_seen"] =
        alert.first_seen ? json::value(json::string(to_rfc3339(*alert.first_seen))) : json::value(nullptr);
    object["failures"] = alert.failures;
    object["successes"] = alert.successes;
    object["accounts"] = texts(alert.accounts);
    object["hosts"] = texts(alert.hosts);
  }
  object["chain_head"] = text_or_null(alert.chain_head);
  return object;
}

std::string alert_json(const Alert& alert) { return json::serialize(to_object(alert)); }

std::string burst_json(const std::vector<Alert>& alerts, std::size_t all) {
  json::array array;
  for (const Alert& one : alerts) array.push_back(to_object(one));
  return json::serialize(json::object{{"kind", "burst"}, {"alerts", all}, {"first", std::move(array)}});
}

std::string burst_text(const std::vector<Alert>& alerts, std::size_t all, const TimeZone& zone) {
  std::string text = fmt::format("{} more alerts came so fast that they are told together.\n\n", all);
  for (std::size_t i = 0; i < std::min(alerts.size(), kMostInBurst); ++i) {
    const Alert& one = alerts[i];
    text += one.kind == AlertKind::machine
                ? shown(one.sentence)
                : fmt::format("{}, {}, rule {}", host_of(one), what(one, zone), shown(one.rule));
    text += one.victim.empty() ? "\n" : fmt::format("; possible victim: {}\n", shown(one.victim));
  }
  if (all > kMostInBurst)
    text += fmt::format("... and {} more: tipstaff blocks, tipstaff report\n", all - kMostInBurst);
  return text;
}

}  // namespace tipstaff
