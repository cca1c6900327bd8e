#include "control/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "control/control_commands.h"
#include "enforce/block.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kFew = 5;           // names in a line
constexpr std::size_t kManyAccounts = 5;  // more is no customer who has forgotten his password
constexpr std::int64_t kUsedToLogIn = 1;

std::string end_of(Instant until) { return until == kForever ? "for ever" : "until " + to_rfc3339(until); }

std::string who_of(const Explanation& facts) {
  return facts.network ? facts.network->to_string() : fmt::format("account '{}'", printable(facts.account));
}

std::string list(const std::vector<NameFacts>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kFew; ++i)
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", printable(names[i].name), names[i].tries);
  if (names.size() > kFew) text += fmt::format(" and {} more", names.size() - kFew);
  return text;
}

// By which rule, with its place, or by whom.
std::string cause_of(const StandingBlock& block, const Explanation& facts) {
  if (block.rule.empty())
    return fmt::format("by {}{}", block.by.empty() ? "hand" : printable(block.by),
                       block.why.empty() ? "" : fmt::format(" ({})", printable(block.why)));
  const auto rule = std::ranges::find(facts.rules, block.rule, &RuleFacts::name);
  return fmt::format("by rule \"{}\"{}", printable(block.rule),
                     rule == facts.rules.end() ? " (not in force any more)" : fmt::format(" ({})", rule->where));
}

// The block that lasts longest speaks for all.
const StandingBlock* main_block(const Explanation& facts) {
  const auto found = std::ranges::max_element(
      facts.blocks, {}, [](const StandingBlock& one) { return std::tuple(one.service.empty(), one.until); });
  return found == facts.blocks.end() ? nullptr : &*found;
}

bool is_shut(const StandingBlock& block) { return block.enforced && !block.exempt; }

std::string blocked_line(const Explanation& facts) {
  const StandingBlock* const block = main_block(facts);
  std::string line;
  if (block == nullptr) {
    line = fmt::format("{} is not blocked", who_of(facts));
    if (facts.exempt)
      line += fmt::format(": observed, exempt by {} ({})", facts.exemptions.front().network.to_string(),
                          printable(facts.exemptions.front().where));
    line += '.';
    if (!facts.network)
      line = fmt::format("Accounts are never blocked, addresses are; none that tried {} is.", who_of(facts));
    return line;
  }
  const char* const is = block->exempt     ? "is observed, exempt at the enforcer; else it would be blocked"
                         : is_shut(*block) ? "is blocked"
                                           : "would be blocked (watch-only: nothing is shut)";
  line = fmt::format("{} {} since {} {} ({}) {}", block->network.to_string(), is, to_rfc3339(block->at),
                     end_of(block->until), time_left(block->until, facts.now), cause_of(*block, facts));
  if (!block->service.empty()) line += fmt::format(", from {} only", printable(block->service));
  if (facts.blocks.size() > 1) line += fmt::format("; {} blocks in all", facts.blocks.size());
  line += '.';
  if (!facts.network) line = fmt::format("Addresses that tried {}: {}", who_of(facts), line);
  if (!block->effective) line += " It does not bite: attempts still get through; see 'tipstaff status'.";
  return line;
}

std::string attempts_line(const Explanation& facts) {
  if (!facts.first) return "No attempt is recorded.";
  std::string line = fmt::format("{} failed tries, {} logins, {} probes between {} and {}", facts.failures,
                                 facts.successes, facts.probes, to_rfc3339(*facts.first), to_rfc3339(*facts.last));
  if (!facts.accounts.empty() && facts.network) line += "; accounts " + list(facts.accounts);
  if (!facts.addresses.empty() && (!facts.network || !facts.network->is_host()))
    line += "; addresses " + list(facts.addresses);
  if (!facts.services.empty()) line += "; services " + list(facts.services);
  return line + ".";
}

std::string advice_line(const Explanation& facts) {
  const StandingBlock* const block = main_block(facts);
  const std::string command =
      block == nullptr ? std::string() : fmt::format("tipstaff unblock {} --why '...'", block->network.to_string());
  if (block == nullptr) {
    if (facts.exempt)
      return "Tipstaff does not stop him, and will not: if he cannot log in, look at the service and his password.";
    if (facts.failures == 0)
      return "Tipstaff does not stop him: no failed try of his has arrived here; look at the network between, and at "
             "the address he really comes from.";
    return fmt::format(
        "Tipstaff does not stop him, but his password is refused: let him check it, also in mail "
        "programs and telephones that still send an old one{}.",
        facts.accounts.empty() ? "" : " for " + printable(facts.accounts.front().name));
  }
  if (block->exempt) return "He is exempt at the enforcer, so nothing stops him.";
  if (!is_shut(*block))
    return "Tipstaff only watches here, so nothing stops him: if he cannot log in, look at the service and his "
           "password.";
  if (block->rule.empty())
    return fmt::format("Somebody blocked it on purpose: ask {} first; then: {}",
                       block->by.empty() ? "who did it" : printable(block->by), command);
  if (!facts.network)
    return fmt::format("If one of these addresses is his: {}; and let him check the password in his programs first.",
                       command);
  const bool known = facts.successes >= kUsedToLogIn;
  if (facts.accounts.size() >= kManyAccounts && !known)
    return fmt::format(
        "{} accounts and no login: this is guessing, not a forgotten password. If it is a customer's, "
        "a machine of his may be hacked; do not unblock it before that is settled.",
        facts.accounts.size());
  const std::string account = facts.accounts.empty() ? "" : " for " + printable(facts.accounts.front().name);
  return fmt::format(
      "{}Most likely a mail program or telephone sends an old password{}: let him put it right first, "
      "or it is blocked again; then: {}",
      known ? "Logins from here succeeded, so a customer. " : "", account, command);
}

std::string attempt_line(const StoredAttempt& row) {
  const std::string_view outcome = row.outcome == RowOutcome::failure   ? "failed"
                                   : row.outcome == RowOutcome::success ? "logged in"
                                                                        : "probe";
  return fmt::format("{}  {:<9}  {}  {}  {}{}{}", to_rfc3339(row.when()), outcome,
                     row.address ? row.address->to_string() : "-", row.account ? printable(*row.account) : "-",
                     printable(row.service), row.extra.empty() ? "" : ", " + printable(row.extra),
                     row.count > 1 ? fmt::format(", {} tries", row.count) : "");
}

json::string text(std::string_view bytes) { return json::string(to_utf8(bytes)); }

json::value when(std::optional<Instant> time) {
  return time && *time != kForever ? json::value(json::string(to_rfc3339(*time))) : json::value(nullptr);
}

json::array names(const std::vector<NameFacts>& list) {
  json::array all;
  for (const NameFacts& one : list) all.push_back(json::object{{"name", text(one.name)}, {"tries", one.tries}});
  return all;
}

json::array texts(const std::vector<std::string>& list) {
  json::array all;
  for (const std::string& one : list) all.push_back(text(one));
  return all;
}

}  // namespace

AnswerLines answer_lines(const Explanation& facts) {
  return {blocked_line(facts), attempts_line(facts), advice_line(facts)};
}

std::string to_text(const Explanation& facts) {
  const AnswerLines lines = answer_lines(facts);
  std::string out = fmt::format("{}\n{}\n{}\n", lines.blocked, lines.attempts, lines.advice);
  const auto section = [&out](std::string_view name, const std::vector<std::string>& rows) {
    out += fmt::format("\n{}{}\n", name, rows.empty() ? ": none" : "");
    for (const std::string& row : rows) out += fmt::format("  {}\n", row);
  };
  std::vector<std::string> rows;
  for (const StandingBlock& one : facts.blocks)
    rows.push_back(fmt::format("#{}  {}{}  {} to {}  {}{}  dropped {}{}", one.id, one.network.to_string(),
                               one.service.empty() ? "" : " " + printable(one.service), to_rfc3339(one.at),
                               one.until == kForever ? "for ever" : to_rfc3339(one.until), cause_of(one, facts),
                               one.host.empty() ? "" : " on " + printable(one.host), one.dropped,
                               one.exempt       ? "  observed, exempt"
                               : !one.enforced  ? "  would be blocked"
                               : !one.effective ? "  NOT EFFECTIVE"
                                                : ""));
  section("Blocks", rows);
  rows.clear();
  for (const RuleFacts& one : facts.rules) {
    rows.push_back(
        fmt::format("\"{}\" ({}): {}", printable(one.name), one.where,
                    one.exempt ? "does not look at it" : fmt::format("{} of {} count now", one.tries, one.needed)));
    rows.push_back("    " + printable(one.sentence));
    if (!one.note.empty()) rows.push_back("    " + printable(one.note));
  }
  section("Rules", rows);
  rows.clear();
  for (const ExplainedExemption& one : facts.exemptions)
    rows.push_back(fmt::format("{} ({}){}", one.network.to_string(), printable(one.where),
                               one.until ? " " + end_of(*one.until) : ""));
  section("Exempt by", rows);
  if (!facts.past.empty()) section("Before", facts.past);
  rows.clear();
  for (const StoredAttempt& one : facts.recent) rows.push_back(attempt_line(one));
  section(facts.more ? "Last attempts (tipstaff report lists all)" : "Attempts", rows);
  for (const std::string& problem : facts.problems) out += fmt::format("\nPROBLEM: {}\n", printable(problem));
  return out;
}

std::string to_json(const Explanation& facts) {
  const AnswerLines lines = answer_lines(facts);
  json::object object;
  object["subject"] = facts.network ? json::string(facts.network->to_string()) : text(facts.account);
  object["kind"] = !facts.network ? "account" : facts.network->is_host() ? "address" : "network";
  object["running"] = facts.running;
  object["watch_only"] = facts.watch_only;
  object["now"] = when(facts.now);
  object["answer"] = json::array{text(lines.blocked), text(lines.attempts), text(lines.advice)};
  object["exempt"] = facts.exempt;
  object["blocked"] = std::ranges::any_of(facts.blocks, is_shut);
  json::array blocks;
  for (const StandingBlock& one : facts.blocks) blocks.push_back(json::parse(to_json(one)));
  object["blocks"] = std::move(blocks);
  json::array rules;
  for (const RuleFacts& one : facts.rules)
    rules.push_back(json::object{{"name", text(one.name)},
                                 {"where", text(one.where)},
                                 {"sentence", text(one.sentence)},
                                 {"tries", one.tries},
                                 {"needed", one.needed},
                                 {"exempt", one.exempt},
                                 {"note", text(one.note)}});
  object["rules"] = std::move(rules);
  json::array exemptions;
  for (const ExplainedExemption& one : facts.exemptions)
    exemptions.push_back(
        json::object{{"network", one.network.to_string()}, {"where", text(one.where)}, {"until", when(one.until)}});
  object["exemptions"] = std::move(exemptions);
  object["failures"] = facts.failures;
  object["successes"] = facts.successes;
  object["probes"] = facts.probes;
  object["first"] = when(facts.first);
  object["last"] = when(facts.last);
  object["accounts"] = names(facts.accounts);
  object["services"] = names(facts.services);
  object["addresses"] = names(facts.addresses);
  json::array attempts;
  for (const StoredAttempt& row : facts.recent)
    attempts.push_back(json::object{
        {"time", when(row.when())},
        {"outcome", row.outcome == RowOutcome::failure   ? "failure"
                    : row.outcome == RowOutcome::success ? "success"
                                                         : "probe"},
        {"address", row.address ? json::value(json::string(row.address->to_string())) : json::value(nullptr)},
        {"account", row.account ? json::value(text(*row.account)) : json::value(nullptr)},
        {"service", text(row.service)},
        {"host", text(row.host)},
        {"extra", text(row.extra)},
        {"tries", row.count}});
  object["attempts"] = std::move(attempts);
  object["more"] = facts.more;
  object["past"] = texts(facts.past);
  object["problems"] = texts(facts.problems);
  return json::serialize(object);
}

}  // namespace tipstaff
