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
    case Fit::exempt:
      break;
  }
  return "does not look at it";
}

}  // namespace

std::vector<std::string> explain(const Config& config, const Attempt& attempt) {
  std::vector<std::string> lines;
  if (attempt.address) {
    if (const Exemption* exemption = config.exempt.find(*attempt.address)) {
      lines.push_back(fmt::format("{} is exempt by {} ({}): never counted, never blocked", attempt.address->to_string(),
                                  exemption->network.to_string(), exemption->where));
      return lines;
    }
  }
  bool decided = false;
  for (const Rule& rule : config.rules) {
    std::string line = fmt::format("rule \"{}\" ({}) ", rule.name, rule.where);
    const Fit fit = rule.fit(attempt);
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
  if (config.settings.recent_success.count() > 0 && attempt.outcome == Outcome::failure && attempt.address &&
      attempt.has_account) {
    lines.push_back(
        fmt::format("if this account has logged in from this address within {}, rules that block do not count it",
                    to_text(config.settings.recent_success)));
  }
  return lines;
}

}  // namespace tipstaff
