// The checks stand in the order of the keys in docs/formats/rules.md. A rule with any error is left out as a whole: the
// file is refused anyway, and half a rule would only raise errors that follow from the first.
#include "decide/rule_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "decide/section_reader.h"

namespace tipstaff {
namespace {

constexpr std::uint32_t kMostDistinct = 64;

std::vector<Glob> globs(SectionReader& reader, std::string_view name) {
  std::vector<Glob> all;
  for (std::string& pattern : reader.texts(name).value_or(std::vector<std::string>()))
    all.emplace_back(std::move(pattern));
  return all;
}

void read_match(const TomlValue& table, const std::string& file, std::vector<Error>& errors, Match& match) {
  SectionReader reader(table, "rule.match", file, errors);
  if (const auto outcomes = reader.texts("outcome")) {
    match.failure = false;
    for (const std::string& outcome : *outcomes) {
      if (outcome == "failure") {
        match.failure = true;
      } else if (outcome == "success") {
        match.success = true;
      } else if (outcome == "probe") {
        match.probe = true;
      } else {
        constexpr std::array<std::string_view, 3> kOutcomes = {"failure", "success", "probe"};
        reader.report("outcome", fmt::format("outcome cannot be \"{}\"{}; it must be failure, success or probe",
                                             outcome, did_you_mean(outcome, kOutcomes)));
      }
    }
  }
  match.service = globs(reader, "service");
  match.account = globs(reader, "account");
  match.host = globs(reader, "host");
  match.origin = globs(reader, "origin");
  match.detector = globs(reader, "detector");
  match.origins.country = reader.countries("country").value_or(std::vector<CountryCode>());
  match.origins.not_country = reader.countries("not_country").value_or(std::vector<CountryCode>());
  match.origins.as = reader.as_numbers("as").value_or(std::vector<std::uint32_t>());
  match.origins.not_as = reader.as_numbers("not_as").value_or(std::vector<std::uint32_t>());
}

void read_what_is_counted(SectionReader& reader, Rule& rule) {
  const std::string by = reader.choice("count_by").value_or("address");
  rule.count_by = by == "prefix"    ? Rule::CountBy::prefix
                  : by == "account" ? Rule::CountBy::account
                  : by == "country" ? Rule::CountBy::country
                  : by == "as"      ? Rule::CountBy::as
                                    : Rule::CountBy::address;
  rule.ipv4_prefix = reader.count("ipv4_prefix").value_or(24);
  rule.ipv6_prefix = reader.count("ipv6_prefix").value_or(64);
  for (const std::string_view name : {"ipv4_prefix", "ipv6_prefix"}) {
    if (reader.has(name) && rule.count_by != Rule::CountBy::prefix) {
      reader.report(name,
                    fmt::format("{} means something only with count_by = \"prefix\"; set that or remove it", name));
    }
  }
  const std::string distinct = reader.choice("distinct").value_or("");
  rule.distinct = distinct == "account"   ? Rule::Distinct::account
                  : distinct == "address" ? Rule::Distinct::address
                                          : Rule::Distinct::none;
  if (reader.has("distinct") && distinct == by) {
    reader.report(
        "distinct",
        fmt::format("counting different {0} values of one {0} never gets beyond 1; change distinct or count_by", by));
  }
}

void read_when_it_is_full(SectionReader& reader, Rule& rule) {
  if (const auto window = reader.duration("trigger_window")) {
    rule.trigger_window = *window;
  } else if (!reader.has("trigger_window")) {
    reader.report("trigger_window",
                  "the rule lacks trigger_window (how long a try counts); add for example trigger_window = \"30m\"");
  }
  rule.occurrences = reader.count("occurrences").value_or(1);
  rule.after_failures = reader.count("after_failures").value_or(0);
  if (!reader.has("after_failures")) {
    if (!reader.has("occurrences")) {
      reader.report("occurrences",
                    "the rule lacks occurrences (how many tries fill it); add for example occurrences = 5");
    } else if (rule.distinct != Rule::Distinct::none && (rule.occurrences < 2 || rule.occurrences > kMostDistinct)) {
      reader.report("occurrences", fmt::format("with distinct, occurrences must be 2 to {}", kMostDistinct));
    }
    return;
  }
  if (reader.has("occurrences"))
    reader.report("occurrences", "occurrences and after_failures exclude each other; remove one of them");
  if (rule.distinct != Rule::Distinct::none)
    reader.report("distinct", "distinct and after_failures exclude each other; remove one of them");
  if (!rule.match.success || rule.match.failure || rule.match.probe) {
    reader.report("after_failures", "after_failures waits for a success; add match = { outcome = \"success\" }");
  }
}

void read_what_it_does(SectionReader& reader, Rule& rule) {
  const bool alert = reader.choice("action").value_or("block") == "alert";
  rule.action = alert ? Rule::Action::alert : Rule::Action::block;
  rule.scope = reader.choice("scope").value_or("host") == "service" ? Rule::Scope::service : Rule::Scope::host;
  rule.lockout = reader.duration("lockout").value_or(std::chrono::seconds(0));
  rule.escalate = reader.durations("escalate").value_or(std::vector<std::chrono::seconds>());
  rule.remember = reader.duration("remember").value_or(std::chrono::days(30));
  if (alert) {
    for (const std::string_view name : {"lockout", "escalate", "remember", "scope"}) {
      if (reader.has(name))
        reader.report(name, fmt::format("{} belongs to rules that block; remove it or set action = \"block\"", name));
    }
    return;
  }
  if (rule.count_by == Rule::CountBy::account) {
    reader.report("count_by",
                  "a rule that counts by account cannot block: the address of its last try may be the owner's own; add "
                  "action = \"alert\"");
  }
  if (rule.counts_by_origin()) {
    reader.report(
        "count_by",
        fmt::format("a rule that counts by {} cannot block: the address of its last try is one of many there, and "
                    "perhaps nobody's fault; add action = \"alert\", or block with match = {{ {} = ... }}",
                    rule.count_by == Rule::CountBy::as ? "AS" : "country",
                    rule.count_by == Rule::CountBy::as ? "as" : "country"));
  }
  if (!reader.has("lockout")) {
    reader.report(
        "lockout",
        "the rule lacks lockout (how long it shuts out); add for example lockout = \"2h\", or action = \"alert\"");
  }
  if (reader.has("remember") && !reader.has("escalate"))
    reader.report("remember", "remember means something only with escalate; add that or remove it");
  if (rule.escalate.empty() || !reader.has("lockout")) return;
  if (rule.escalate.front() != rule.lockout) {
    reader.report("escalate",
                  fmt::format("escalate begins with the first block, so its first entry must equal lockout ({})",
                              to_text(rule.lockout)));
  }
  if (std::ranges::max(rule.escalate) >= rule.remember) {
    reader.report(
        "remember",
        fmt::format("remember ({}) must be longer than every lockout of escalate, else no block is ever a further one",
                    to_text(rule.remember)));
  }
}

}  // namespace

std::optional<RuleEntry> read_rule(const TomlValue& table, const std::string& file, std::vector<Error>& errors) {
  const std::size_t before = errors.size();
  SectionReader reader(table, "rule", file, errors);
  RuleEntry entry;
  Rule& rule = entry.rule;
  rule.where = reader.where();
  if (auto name = reader.text("name")) {
    rule.name = std::move(*name);
  } else if (!reader.has("name")) {
    reader.report("name", "the rule lacks a name; add name = \"...\" as its first line");
  }
  entry.enabled = reader.flag("enabled").value_or(true);
  entry.name_only = !entry.enabled && table.entries.size() == 2 && !rule.name.empty();
  if (!entry.name_only) {
    if (const TomlValue* match = reader.table("match")) read_match(*match, file, errors, rule.match);
    read_what_is_counted(reader, rule);
    read_when_it_is_full(reader, rule);
    read_what_it_does(reader, rule);
    rule.exempt = Exemptions(reader.networks("exempt").value_or(std::vector<Exemption>()));
    rule.look_on = reader.flag("continue").value_or(false);
  }
  if (errors.size() != before) return std::nullopt;
  return entry;
}

}  // namespace tipstaff
