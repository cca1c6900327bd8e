#include "control/guard_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

// Wider than any that a person means.
constexpr unsigned kWidest4 = 8;
constexpr unsigned kWidest6 = 16;
constexpr std::size_t kMostText = 1'000;  // bytes of a reason; the ledger keeps 1,024

bool is_too_wide(const IpNetwork& network) {
  return network.bits() < (network.address().is_v4() ? kWidest4 : kWidest6);
}

bool within(const IpNetwork& inner, const IpNetwork& outer) {
  return outer.contains(inner.address()) && outer.bits() <= inner.bits();
}

std::string end_text(Instant until) { return until == kForever ? "for ever" : "until " + to_rfc3339(until); }

std::string because(const std::string& why) { return why.empty() ? "" : ": " + printable(why); }

void add_note(ChangeAnswer& answer, const std::string& note) {
  if (!answer.note.empty()) answer.note += "; ";
  answer.note += note;
}

}  // namespace

GuardCommands::GuardCommands(std::shared_ptr<Enforcement> enforcement, LogSink log, Surroundings surroundings)
    : enforcement_(std::move(enforcement)), log_(std::move(log)), around_(std::move(surroundings)) {}

VerdictRow GuardCommands::row_of(VerdictKind kind, const std::string& by, const std::string& why) const {
  VerdictRow row;
  row.cause = enforcement_->next_key();
  row.kind = kind;
  row.watch_only = !enforcement_->enforcing();
  row.at = around_.clock();
  row.by = by;
  row.why = why.substr(0, kMostText);
  return row;
}

void GuardCommands::write(VerdictRow row, const std::string& sentence, ChangeAnswer& answer) {
  log_(Priority::notice, sentence);
  answer.watch_only = !enforcement_->enforcing();
  if (answer.watch_only) add_note(answer, "the guard is watch-only, so nothing is shut or opened in the firewall");
  const Instant at = row.at;
  around_.core().add_row(std::move(row));
  around_.core().add_event({"control", at, "", sentence});
  answer.recorded = around_.write_now();
  if (!answer.recorded) {
    add_note(answer, "the ledger could not take it now, so it is not certain to outlast a restart");
    log_(Priority::error, "not recorded yet, the ledger cannot take it: " + sentence);
  }
  for (const std::string& problem : enforcement_->problems()) {
    if (problem.starts_with("enforcing, but")) add_note(answer, problem);
  }
}

Result<void> GuardCommands::may_block(const BlockRequest& request) const {
  const std::string name = request.network.to_string();
  if (is_too_wide(request.network)) {
    return fail(ErrorKind::invalid, fmt::format("{} shuts out too much; the widest network that can be blocked is /{}",
                                                name, request.network.address().is_v4() ? kWidest4 : kWidest6));
  }
  if (const Exemption* const entry = enforcement_->exempting(request.network)) {
    return fail(
        ErrorKind::denied,
        fmt::format("{} is exempt: {} is never blocked ({})", name, entry->network.to_string(), to_text(entry->kind)),
        entry->where);
  }
  for (const TimedExemption& one : enforcement_->book().exemptions()) {
    if (within(request.network, one.network)) {
      return fail(ErrorKind::denied, fmt::format("{} is exempt {}: {} was exempted by {}{}", name, end_text(one.until),
                                                 one.network.to_string(), printable(one.by), because(one.why)));
    }
  }
  if (!request.service.empty() && enforcement_->ports_of(request.service).empty()) {
    return fail(ErrorKind::invalid,
                fmt::format("of the service \"{}\" no port is known, so it cannot be shut alone; name its ports in "
                            "[enforce.ports], or block the host",
                            printable(request.service)));
  }
  if (request.lockout && request.lockout->count() <= 0)
    return fail(ErrorKind::invalid, "a block must last at least a second");
  return {};
}

Result<BlockAnswer> GuardCommands::block(const BlockRequest& request) {
  if (auto may = may_block(request); !may) return std::unexpected(may.error());
  VerdictRow row = row_of(VerdictKind::block, request.by, request.why);
  row.watch_only = !enforcement_->shuts(request.service);
  row.network = request.network;
  row.service = request.service;
  row.until = request.lockout ? row.at + *request.lockout : kForever;
  if (const auto before =
          enforcement_->by_hand(request.network, request.service)) {  // its end may be later than the new
    VerdictRow gone = row;
    gone.cause = enforcement_->next_key();
    gone.at = before->at;
    gone.until = before->at;
    gone.why = "another block by hand takes its place";
    around_.core().add_row(std::move(gone));
  }
  const std::uint64_t id = enforcement_->add({.network = request.network,
                                              .service = row.service,
                                              .by = row.by,
                                              .why = row.why,
                                              .at = row.at,
                                              .until = *row.until,
                                              .enforced = !row.watch_only});
  BlockAnswer answer;
  const std::size_t open = enforcement_->exempt_within(request.network);
  if (open > 0) add_note(answer, fmt::format("{} exempt networks within it stay open", open));
  const std::string sentence =
      fmt::format("{} {} {}{} {}{}", printable(request.by), row.watch_only ? "would block" : "blocked",
                  request.network.to_string(), request.service.empty() ? "" : ", service " + printable(request.service),
                  end_text(*row.until), because(request.why));
  write(std::move(row), sentence, answer);
  if (auto block = block_of(id)) answer.block = std::move(*block);
  return answer;
}

Result<UnblockAnswer> GuardCommands::unblock(std::optional<IpNetwork> network, const std::string& why,
                                             const std::string& by) {
  UnblockAnswer answer;
  VerdictRow row = row_of(VerdictKind::unblock, by, why);
  row.network = network;
  row.until = row.at;
  for (const std::uint64_t id : enforcement_->overlapping(network)) {
    auto was = enforcement_->end(id);
    if (!was) continue;
    around_.core().lift(*was);
    row.until = std::max(*row.until, was->until);
    ++answer.count;
    if (answer.ended.size() < kMostEndedListed) answer.ended.push_back(std::move(*was));
  }
  if (answer.count == 0) {
    return fail(ErrorKind::not_found,
                network ? fmt::format("nothing of {} is blocked", network->to_string()) : "nothing is blocked");
  }
  const std::string sentence = fmt::format("{} unblocked {}, {} blocks ended{}", printable(by),
                                           network ? network->to_string() : "all", answer.count, because(why));
  write(std::move(row), sentence, answer);
  return answer;
}

std::size_t GuardCommands::take_back_since(Instant begun, const std::string& why, const std::string& by) {
  std::vector<std::uint64_t> ids;
  enforcement_->book().each([&](const BlockBook::Block& block) {
    if (block.at >= begun && !enforcement_->book().words(block).rule.empty()) ids.push_back(block.id);
  });
  std::size_t count = 0;
  for (const std::uint64_t id : ids) {
    const auto was = enforcement_->end(id);
    if (!was) continue;
    around_.core().lift(*was);
    VerdictRow row = row_of(VerdictKind::block, by, why);
    row.watch_only = !was->enforced;
    row.rule = was->rule;
    row.network = was->network;
    row.service = was->service;
    row.host = was->host;
    row.at = was->at;
    row.until = was->at;
    around_.core().add_row(std::move(row));
    ++count;
  }
  if (count > 0) std::ignore = around_.write_now();
  return count;
}

Result<ChangeAnswer> GuardCommands::exempt(const TimedExemption& exemption) {
  if (is_too_wide(exemption.network)) {
    return fail(ErrorKind::invalid,
                fmt::format("{} exempts too much; the widest network that can be exempt for a time is /{}",
                            exemption.network.to_string(), exemption.network.address().is_v4() ? kWidest4 : kWidest6));
  }
  ChangeAnswer answer;
  VerdictRow row = row_of(VerdictKind::exempt, exemption.by, exemption.why);
  const bool over = exemption.until <= row.at;
  row.network = exemption.network;
  row.until = std::max(exemption.until, row.at);
  const auto before = enforcement_->exemption(exemption.network);
  auto ended = enforcement_->exempt(exemption);
  if (!ended) return std::unexpected(ended.error());
  if (before && !over) {  // its end may be later than the new
    VerdictRow gone = row;
    gone.cause = enforcement_->next_key();
    gone.until = gone.at;
    gone.why = "another exemption takes its place";
    around_.core().add_row(std::move(gone));
  }
  Instant latest = row.at;
  for (const StandingBlock& was : *ended) {
    around_.core().lift(was);
    latest = std::max(latest, was.until);
  }
  if (!ended->empty()) {  // the exemption may be over before the blocks would have been
    VerdictRow opened = enforcement_->ended_within(exemption.network, latest);
    opened.watch_only = row.watch_only;
    opened.by = row.by;
    opened.why = "exempt";
    around_.core().add_row(std::move(opened));
  }
  if (!ended->empty()) add_note(answer, fmt::format("{} blocks within it ended", ended->size()));
  const std::string sentence =
      over ? fmt::format("{} ended the exemption of {}{}", printable(exemption.by), exemption.network.to_string(),
                         because(exemption.why))
           : fmt::format("{} exempted {} {}{}", printable(exemption.by), exemption.network.to_string(),
                         end_text(exemption.until), because(exemption.why));
  write(std::move(row), sentence, answer);
  return answer;
}

void GuardCommands::each_block(const std::function<void(const StandingBlock&)>& use) const {
  const BlockBook& book = enforcement_->book();
  const Instant now = around_.clock();
  StandingBlock one;
  book.each([&](const BlockBook::Block& block) {
    if (block.until() <= now) return;
    book.tell(block, one);
    use(one);
  });
}

std::vector<StandingBlock> GuardCommands::blocks_of(IpAddress address) const {
  std::vector<StandingBlock> blocks;
  enforcement_->book().each_covering(address, [&](const BlockBook::Block& block) {
    if (enforcement_->stands(block)) blocks.push_back(enforcement_->book().standing(block));
  });
  return blocks;
}

std::optional<StandingBlock> GuardCommands::block_of(std::uint64_t id) const {
  const BlockBook::Block* const block = enforcement_->book().find(id);
  if (block == nullptr || !enforcement_->stands(*block)) return std::nullopt;
  return enforcement_->book().standing(*block);
}

std::vector<TimedExemption> GuardCommands::exemptions() const { return enforcement_->book().exemptions(); }

}  // namespace tipstaff
