// Follows RuleEngine::judge step by step; what depends on other attempts (blocks that stand, recent successes) is
// named as a condition instead.
#include "decide/explain.h"

#include <fmt/format.h>

#include "base/text.h"
#include "decide/rules.h"

namespace tipstaff {
namespace {

std::string reason(Fit fit, const Attempt& attempt) {
  switch (fit) {
    case Fit::yes:
      return "counts it";
    case Fit::feeds:
      return "notes the failure and waits for a success";
    case Fit::outcome:
      return fmt::format("does not look at it: a {} is not what it counts", to_text(attempt.outcome));
    case Fit::service:
      return fmt::format("does not look at it: it is not for service {}", attempt.service);
    case Fit::account:
      return fmt::format("does not look at it: it is not for account {}", printable(attempt.account));
    case Fit::host:
      return fmt::format("does not look at it: it is not for host {}", printable(attempt.host));
    case Fit::origin:
      return fmt::format("does not look at it: it is not for origin {}", attempt.origin);
    case Fit::detector:
      return fmt::format("does not look at it: it is not for detector {}", attempt.detector);
    case Fit::no_address:
      return "does not look at it: the attempt has no address that is beyond doubt";
    case Fit::no_account:
      return "does not look at it: the attempt names no account";
    case Fit::unknown_origin:
      return "does not look at it: no database knows the country or AS of the address";
    case Fit::country:
      return "does not look at it: it is not for the address's country";
    case Fit::as_number:
      return "does not look at it: it is not for the address's AS";
    case Fit::exempt:
      break;
  }
  return "does not look at it";
}

std::string why_exempt(IpAddress address, const Exemption& exemption) {
  const bool plain = exemption.kind == ExemptionKind::listed || exemption.kind == ExemptionKind::own ||
                     exemption.kind == ExemptionKind::support;  // says it all by itself
  return fmt::format("{} is exempt by {} ({}{}): never counted, never blocked", address.to_string(),
                     exemption.network.to_string(), plain ? "" : fmt::format("{}: ", to_text(exemption.kind)),
                     printable(exemption.where));
}

// What is said of failures of accounts that log in here.
void explain_protection(const Settings& settings, const Attempt& attempt, std::vector<std::string>& lines) {
  if (settings.recent_success.count() == 0 || attempt.outcome != Outcome::failure || !attempt.address ||
      !attempt.has_account)
    return;
  lines.push_back(
      fmt::format("if this account has logged in from this address{} within {}, rules that block do not count it",
                  attempt.address->is_v4() ? "" : "'s /64", to_text(settings.recent_success)));
  if (settings.stale_factor <= 1) return;
  lines.push_back(
      fmt::format("if the account has logged in from anywhere within {}, and two others from this address{} within {}, "
                  "it is a stale client: an alert where a rule would block, and a block of {} alone after {} times as "
                  "many tries",
                  to_text(settings.known_account), attempt.address->is_v4() ? "" : "'s /64",
                  to_text(settings.recent_success), attempt.service, settings.stale_factor));
}

}  // namespace

std::vector<ExemptionAnswer> exemptions_of(const Config& config, const Exemptions* live, IpAddress address) {
  std::vector<ExemptionAnswer> all;
  for (const Exemptions* set : {&config.exempt, live}) {
    if (set == nullptr) continue;
    for (const Exemption& one : set->entries()) {
      if (one.network.contains(address)) all.push_back({one.network, one.kind, one.where, why_exempt(address, one)});
    }
  }
  if (const OriginExemption* const origin = find_origin_exemption(config, address)) {
    const auto fact = config.facts->find(address);
    all.push_back({fact ? fact->network : IpNetwork(address, address.is_v4() ? 32 : 128), ExemptionKind::listed,
                   origin->where,
                   fmt::format("{} is exempt by {} ({}): never counted, never blocked", address.to_string(),
                               to_words(origin->origin), origin->where)});
  }
  return all;
}

std::vector<RuleAnswer> rules_for(const Config& config, IpAddress address) {
  std::vector<RuleAnswer> all;
  for (const Rule& rule : config.rules) {
    RuleAnswer& answer = all.emplace_back();
    answer.rule = &rule;
    answer.sentence = fmt::format("rule \"{}\" ({}): {}", printable(rule.name), rule.where, printable(rule.explain()));
    if (const Exemption* exemption = rule.exempt.find(address)) {
      answer.looks = false;
      answer.sentence =
          fmt::format("rule \"{}\" ({}) does not look at it: {} is exempt by {} ({})", printable(rule.name), rule.where,
                      address.to_string(), exemption->network.to_string(), exemption->where);
    }
  }
  return all;
}

std::vector<std::string> explain(const Config& config, const Attempt& attempt, const Exemptions* live) {
  std::vector<std::string> lines;
  if (attempt.address) {
    for (ExemptionAnswer& one : exemptions_of(config, live, *attempt.address)) lines.push_back(std::move(one.sentence));
    if (!lines.empty()) return lines;
  }
  bool decided = false;
  for (const Rule& rule : config.rules) {
    std::string line = fmt::format("rule \"{}\" ({}) ", rule.name, rule.where);
    const Fit fit = rule.fit(attempt, config.facts.get());
    if (decided) {
      line += "is not asked any more";
    } else if (fit == Fit::exempt) {
      const Exemption* exemption = rule.exempt.find(*attempt.address);
      line += fmt::format("does not look at it: {} is exempt by {} ({})", attempt.address->to_string(),
                          exemption->network.to_string(), exemption->where);
    } else {
      line += reason(fit, attempt);
      if (fit == Fit::yes) line += fmt::format(". {}", rule.explain());
      decided = fit == Fit::yes && !rule.look_on;
    }
    lines.push_back(std::move(line));
  }
  if (config.rules.empty()) lines.emplace_back("no rule is in force");
  explain_protection(config.settings, attempt, lines);
  return lines;
}

}  // namespace tipstaff
