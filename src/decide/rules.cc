// Matching and the words of rules. The order of the tests is that of their cost and of how often they decide: outcome
// first, then the short texts, the account last, since it is what an attacker writes and may be long.
#include "decide/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

bool any_fits(const std::vector<Glob>& globs, std::string_view text) {
  return std::ranges::any_of(globs, [text](const Glob& glob) { return glob.fits(text); });
}

bool allows(const std::vector<Glob>& globs, std::string_view text) { return globs.empty() || any_fits(globs, text); }

void say_of(std::string& sentence, std::string_view what, const std::vector<Glob>& globs) {
  if (globs.empty()) return;
  sentence += fmt::format(", {} ", what);
  for (std::size_t i = 0; i < globs.size(); ++i) sentence += (i == 0 ? "" : " or ") + globs[i].pattern();
}

std::string outcomes(const Match& match, bool plural) {
  std::string words;
  const auto add = [&words](bool wanted, std::string_view word) {
    if (wanted) words += (words.empty() ? "" : " or ") + std::string(word);
  };
  add(match.failure, plural ? "failures" : "failure");
  add(match.success, plural ? "successes" : "success");
  add(match.probe, plural ? "probes" : "probe");
  return words;
}

template <class Value>
void say_of(std::string& sentence, std::string_view what, const std::vector<Value>& values) {
  if (values.empty()) return;
  sentence += fmt::format(", {} ", what);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) sentence += " or ";
    if constexpr (std::is_same_v<Value, CountryCode>) {
      sentence += values[i].to_string();
    } else {
      sentence += fmt::format("AS{}", values[i]);
    }
  }
}

std::string key_words(const Rule& rule) {
  if (rule.count_by == Rule::CountBy::account) return "one account";
  if (rule.count_by == Rule::CountBy::country) return "one country";
  if (rule.count_by == Rule::CountBy::as) return "one AS";
  if (rule.count_by == Rule::CountBy::address) return "one address";
  const bool v4_host = rule.ipv4_prefix == 32;
  const bool v6_host = rule.ipv6_prefix == 128;
  if (v4_host && v6_host) return "one address";
  return fmt::format("one {}{}", v4_host ? "IPv4 address" : fmt::format("IPv4 /{}", rule.ipv4_prefix),
                     v6_host ? " or IPv6 address" : fmt::format(" or IPv6 /{}", rule.ipv6_prefix));
}

}  // namespace

Glob::Glob(std::string pattern)
    : pattern_(std::move(pattern)), plain_(pattern_.find_first_of("*?") == std::string::npos) {}

bool Glob::fits(std::string_view text) const { return plain_ ? text == pattern_ : glob_match(pattern_, text); }

IpNetwork Rule::network_of(IpAddress address) const {
  if (count_by != CountBy::prefix) return {address, address.is_v4() ? 32U : 128U};
  return {address, address.is_v4() ? ipv4_prefix : ipv6_prefix};
}

Fit Rule::fit(const Attempt& attempt, NetworkFacts* facts) const {
  const bool wanted = match.wants(attempt.outcome);
  if (!wanted && !(after_failures > 0 && attempt.outcome == Outcome::failure)) return Fit::outcome;
  const bool address_needed = count_by != CountBy::account || action == Action::block ||
                              distinct == Distinct::address || match.origins.asks_country() || match.origins.asks_as();
  const bool account_needed = count_by == CountBy::account || distinct == Distinct::account || !match.account.empty();
  if (!allows(match.service, attempt.service)) return Fit::service;
  if (!allows(match.host, attempt.host)) return Fit::host;
  if (!allows(match.origin, attempt.origin)) return Fit::origin;
  if (!allows(match.detector, attempt.detector)) return Fit::detector;
  if (address_needed && !attempt.address) return Fit::no_address;
  if (account_needed && !attempt.has_account) return Fit::no_account;
  if (attempt.address && exempt.contains(*attempt.address)) return Fit::exempt;
  if (!allows(match.account, attempt.account)) return Fit::account;
  if (asks_origin()) {
    if (const Fit fit = fit_origin(attempt, facts); fit != Fit::yes) return fit;
  }
  return wanted ? Fit::yes : Fit::feeds;
}

// Asked last: a look-up costs more than all the rest.
Fit Rule::fit_origin(const Attempt& attempt, NetworkFacts* facts) const {
  const NetworkOrigin origin = facts == nullptr ? NetworkOrigin() : facts->origin_of(*attempt.address);
  const bool asks_country = match.origins.asks_country() || count_by == CountBy::country;
  const bool asks_as = match.origins.asks_as() || count_by == CountBy::as;
  if ((asks_country && !origin.country.is_known()) || (asks_as && origin.as_number == 0)) return Fit::unknown_origin;
  if (!match.origins.fits_country(origin.country)) return Fit::country;
  return match.origins.fits_as(origin.as_number) ? Fit::yes : Fit::as_number;
}

std::string Rule::explain() const {
  const std::string window = to_text(trigger_window);
  std::string filter;
  say_of(filter, "service", match.service);
  say_of(filter, "account", match.account);
  say_of(filter, "host", match.host);
  say_of(filter, "origin", match.origin);
  say_of(filter, "detector", match.detector);
  say_of(filter, "country", match.origins.country);
  say_of(filter, "not of country", match.origins.not_country);
  say_of(filter, "in", match.origins.as);
  say_of(filter, "not in", match.origins.not_as);
  std::string sentence;
  if (after_failures > 0) {
    sentence = fmt::format("A success after {} or more failures of {} within {}{}", after_failures, key_words(*this),
                           window, filter);
  } else if (distinct != Distinct::none) {
    const std::string_view many = distinct == Distinct::account ? "different accounts" : "different addresses";
    sentence = fmt::format("{} {} with a {} of {} within {}{}", occurrences, many, outcomes(match, false),
                           key_words(*this), window, filter);
  } else {
    sentence = fmt::format("{} {} of {} within {}{}", occurrences, outcomes(match, occurrences != 1), key_words(*this),
                           window, filter);
  }
  if (action == Action::alert) return sentence + fmt::format(": an alert, at most one in {}.", window);
  sentence +=
      fmt::format(": shut out of {} for {}", scope == Scope::service ? "that service" : "the host", to_text(lockout));
  if (escalate.size() > 1) {
    sentence += ", further blocks";
    for (std::size_t i = 1; i < escalate.size(); ++i) sentence += (i == 1 ? " " : ", then ") + to_text(escalate[i]);
    sentence += fmt::format(" (remembered for {})", to_text(remember));
  }
  return sentence + ".";
}

}  // namespace tipstaff
