#include "control/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "control/control_socket.h"
#include "control/guard_status.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "ledger/reader.h"

namespace tipstaff {
namespace {

constexpr std::size_t kVerdictsRead = 100'000;

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

Result<GuardStatus> ask(const std::string& socket) {
  const auto answer = ask_guard(socket, R"({"command":"status"})");
  if (!answer) return std::unexpected(answer.error());
  return parse_status(*answer);
}

// The same from the ledger: what is known without the guard.
Result<GuardStatus> read_ledger(const Config& config) {
  auto reader = LedgerReader::open(config.guard.ledger);
  if (!reader) return std::unexpected(reader.error());
  GuardStatus status;
  status.running = false;
  status.now = now();
  status.ledger = config.guard.ledger;
  const auto positions = (*reader)->positions();
  const auto verdicts = (*reader)->verdicts(kVerdictsRead);
  if (!positions) return std::unexpected(positions.error());
  if (!verdicts) return std::unexpected(verdicts.error());
  for (const PositionRow& row : *positions) {
    SourceStatus& source = status.sources.emplace_back();
    source.name = row.source;
    source.state = "not followed, the guard is not running";
  }
  for (const Rule& rule : config.rules) {
    RuleStatus& one = status.rules.emplace_back();
    one.name = rule.name;
    one.sentence = rule.explain();
    one.blocks = rule.action == Rule::Action::block;
  }
  for (const StoredVerdict& row : *verdicts) {  // newest first
    if (row.rule.empty() || (row.kind != VerdictKind::block && row.kind != VerdictKind::alert)) continue;  // by hand
    auto rule = std::ranges::find(status.rules, row.rule, &RuleStatus::name);
    if (rule == status.rules.end()) {  // it is no longer in force
      rule = status.rules.insert(status.rules.end(), RuleStatus());
      rule->name = row.rule;
      rule->sentence = "this rule is not in force any more";
      rule->blocks = row.kind == VerdictKind::block;
    }
    ++rule->total_verdicts;
    if (!row.until || *row.until <= status.now || !row.network) continue;
    if (++rule->currently_blocked <= kMostBlocksListed)
      rule->blocked.push_back({row.network->to_string(), row.service, row.host, row.at, *row.until});
  }
  for (const std::string& problem : (*reader)->problems()) status.problems.push_back(problem);
  return status;
}

}  // namespace

int run_status(const StatusOptions& options) {
  const auto setup = setup_guard(options.config, {});
  if (!setup) {
    print_error("tipstaff: {}\n", setup.error().message());
    return kUsage;
  }
  for (const std::string& problem : setup->problems) print_error("tipstaff: left out: {}\n", problem);
  auto status = ask(setup->config->guard.socket);
  if (!status) {
    const Error why = status.error();
    status = read_ledger(*setup->config);
    print_error("tipstaff: {}{}\n", why.message(), status ? "; read from the ledger" : "");
    if (!status) {
      print_error("tipstaff: nor can the ledger be read: {}\n", status.error().message());
      return kFailed;
    }
  }
  const auto tree = to_tree(*status, options.rule);
  if (!tree) {
    print_error("tipstaff: {}\n", tree.error().message());
    return kUsage;
  }
  if (options.json) {
    if (!options.rule.empty())
      std::erase_if(status->rules, [&](const RuleStatus& one) { return one.name != options.rule; });
    print_out("{}\n", to_json(*status));
  } else {
    print_out("{}", *tree);
  }
  return kGood;
}

}  // namespace tipstaff
