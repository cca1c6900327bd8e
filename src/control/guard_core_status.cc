// What the guard's core says about itself.
#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "control/guard_core_state.h"

namespace tipstaff {

GuardStatus GuardCore::status(Instant now) const {
  GuardStatus status;
  status.now = now;
  status.since = started_;
  status.failures = failures_;
  status.successes = successes_;
  status.probes = probes_;
  status.exempt.networks = exempt_networks().size();
  status.exempt.tries = engine_.counters().exempt;
  for (const auto& source : sources_) {
    const GuardPipeline& pipeline = *source->pipeline;
    SourceStatus& one = status.sources.emplace_back();
    one.name = source->name;
    one.lines = pipeline.coverage().counts().lines;
    one.known_program = pipeline.coverage().counts().known_program;
    one.understood = pipeline.coverage().counts().understood;
    one.implausible = pipeline.times().implausible;
    one.unsure = pipeline.unsure();
    one.catching_up = pipeline.times().catching_up;
    one.last = source->last;
    if (pipeline.times().skew) one.skew = std::chrono::floor<std::chrono::seconds>(*pipeline.times().skew).count();
    for (const CoverageAlarm& alarm : pipeline.coverage().alarms()) one.alarms.push_back(alarm.to_text());
  }
  for (std::size_t i = 0; i < config_->rules.size(); ++i) {
    const Rule& rule = config_->rules[i];
    RuleStatus& one = status.rules.emplace_back();
    one.name = rule.name;
    one.sentence = rule.explain();
    one.blocks = rule.action == Rule::Action::block;
    one.total_failed = total_failed_[i];
    one.total_verdicts = total_verdicts_[i];
    for (const Recent& recent : recent_) {
      if (recent.counts_for(i) && recent.window_time > now - rule.trigger_window) one.currently_failed += recent.count;
    }
  }
  list_blocks(status, now);
  status.enforcement = enforcement_->status();
  status.watch_only = !status.enforcement.enforcing;
  return status;
}

void GuardCore::list_blocks(GuardStatus& status, Instant now) const {
  const BlockBook& book = enforcement_->book();
  std::map<std::string_view, std::size_t> rules;
  for (std::size_t i = 0; i < config_->rules.size(); ++i) rules.emplace(config_->rules[i].name, i);
  std::vector<std::vector<const BlockBook::Block*>> blocks(status.rules.size());
  book.each([&](const BlockBook::Block& block) {
    if (block.until() <= now) return;
    if (const auto rule = rules.find(book.words(block).rule); rule != rules.end())
      blocks[rule->second].push_back(&block);
  });
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    RuleStatus& one = status.rules[i];
    one.currently_blocked = blocks[i].size();
    const std::size_t listed = std::min(blocks[i].size(), kMostBlocksListed);
    std::ranges::partial_sort(blocks[i], blocks[i].begin() + static_cast<std::ptrdiff_t>(listed), std::greater(),
                              &BlockBook::Block::id);
    for (std::size_t j = 0; j < listed; ++j) {
      const BlockBook::Block& block = *blocks[i][j];
      const BlockWords& words = book.words(block);
      one.blocked.push_back({block.network().to_string(), words.service, words.host, block.at, block.until()});
    }
  }
}

}  // namespace tipstaff
