#include "control/ledger_blocks.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace tipstaff {
namespace {

// What tells one block from another. A second block by hand of the same takes the place of the first.
using Name = std::tuple<std::string, IpNetwork, std::string, std::string>;  // rule, network, service, host

Name name_of(const VerdictRow& row) { return {row.rule, *row.network, row.service, row.rule.empty() ? "" : row.host}; }

bool overlap(const IpNetwork& one, const IpNetwork& other) {
  return one.contains(other.address()) || other.contains(one.address());
}

bool is_within(const IpNetwork& inner, const IpNetwork& outer) {
  return outer.contains(inner.address()) && inner.address().is_v4() == outer.address().is_v4() &&
         inner.bits() >= outer.bits();
}

StandingBlock to_block(const StoredVerdict& row) {
  StandingBlock block;
  block.network = *row.network;
  block.service = row.service;
  block.host = row.host;
  block.rule = row.rule;
  block.by = row.by;
  block.why = row.why;
  block.at = row.at;
  block.until = *row.until;
  block.enforced = !row.watch_only;
  return block;
}

}  // namespace

Result<LedgerBlocks> blocks_of_ledger(LedgerReader& ledger, Instant now) {
  std::map<Name, StandingBlock> standing;
  std::map<IpNetwork, TimedExemption> exempt;
  const auto done = ledger.each_standing(now, [&](const StoredVerdict& row) {
    switch (row.kind) {
      case VerdictKind::block: {
        if (!row.network || !row.until) return;
        const auto known = standing.find(name_of(row));
        if (*row.until > row.at) {
          standing.insert_or_assign(name_of(row), to_block(row));
        } else if (known != standing.end() && known->second.at == row.at) {
          standing.erase(known);
        }
        return;
      }
      case VerdictKind::unblock:
        std::erase_if(standing,
                      [&](const auto& one) { return !row.network || overlap(one.second.network, *row.network); });
        return;
      case VerdictKind::exempt:
        if (!row.network || !row.until) return;
        if (*row.until <= row.at) {
          exempt.erase(*row.network);
        } else {
          exempt.insert_or_assign(*row.network, TimedExemption{*row.network, *row.until, row.by, row.why});
          std::erase_if(standing, [&](const auto& one) { return is_within(one.second.network, *row.network); });
        }
        return;
      case VerdictKind::drops:
        if (!row.network) return;
        if (const auto known = standing.find(name_of(row)); known != standing.end() && known->second.at == row.at)
          known->second.dropped = row.dropped;
        return;
      case VerdictKind::alert:
        return;
    }
  });
  if (!done) return std::unexpected(done.error());
  LedgerBlocks all;
  for (auto& [name, block] : standing) {
    if (block.until > now) all.blocks.push_back(std::move(block));
  }
  std::ranges::sort(all.blocks, {}, &StandingBlock::at);
  std::uint64_t id = 0;
  for (StandingBlock& block : all.blocks) block.id = ++id;
  for (auto& [network, one] : exempt) {
    if (one.until > now) all.exemptions.push_back(std::move(one));
  }
  return all;
}

}  // namespace tipstaff
