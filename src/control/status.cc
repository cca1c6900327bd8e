#include "control/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "control/control_socket.h"
#include "control/guard_status.h"
#include "control/ledger_blocks.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "ledger/reader.h"

namespace tipstaff {
namespace {

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

Result<GuardStatus> ask(const std::string& socket) {
  const auto answer = ask_guard(socket, R"({"command":"status"})");
  if (!answer) return std::unexpected(answer.error());
  return parse_status(*answer);
}

// The rule of that name; one that is no longer in force is put behind the others.
RuleStatus& rule_of(GuardStatus& status, const std::string& name, bool blocks) {
  const auto rule = std::ranges::find(status.rules, name, &RuleStatus::name);
  if (rule != status.rules.end()) return *rule;
  RuleStatus& one = status.rules.emplace_back();
  one.name = name;
  one.sentence = "this rule is not in force any more";
  one.blocks = blocks;
  return one;
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
  const auto totals = (*reader)->totals();
  const auto rules = (*reader)->rule_totals();
  const auto blocks = blocks_of_ledger(**reader, status.now);
  if (!positions) return std::unexpected(positions.error());
  if (!totals) return std::unexpected(totals.error());
  if (!rules) return std::unexpected(rules.error());
  if (!blocks) return std::unexpected(blocks.error());
  const auto tries = [](std::int64_t count) { return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0)); };
  status.failures = tries(totals->failures);
  status.successes = tries(totals->successes);
  status.probes = tries(totals->probes);
  status.since = totals->first;
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
  for (const RuleTotals& one : *rules) {
    const bool blocks_here = one.kind == VerdictKind::block;
    rule_of(status, one.rule, blocks_here).total_verdicts += one.verdicts;
    if (blocks_here && one.enforced) status.watch_only = false;
  }
  status.enforcement.standing = blocks->blocks.size();
  status.enforcement.exemptions = blocks->exemptions.size();
  for (auto block = blocks->blocks.rbegin(); block != blocks->blocks.rend(); ++block) {  // newest first
    if (block->enforced) status.watch_only = false;
    if (block->rule.empty()) {
      ++status.enforcement.by_hand;
      continue;
    }
    RuleStatus& rule = rule_of(status, block->rule, true);
    if (++rule.currently_blocked <= kMostBlocksListed)
      rule.blocked.push_back({block->network.to_string(), block->service, block->host, block->at, block->until});
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
