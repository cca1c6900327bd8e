#include "control/enforcement.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostSentences = 5;
constexpr std::size_t kMostNames = 100;
constexpr std::chrono::seconds kEarly{2};  // before its time

bool within(const IpNetwork& inner, const IpNetwork& outer) {
  return outer.contains(inner.address()) && outer.bits() <= inner.bits();
}

bool overlap(const IpNetwork& a, const IpNetwork& b) { return within(a, b) || within(b, a); }

const Exemption* exempting_in(const Exemptions& exempt, const IpNetwork& network) {
  if (!exempt.contains(network.address())) return nullptr;
  const auto found = std::ranges::find_if(
      exempt.entries(), [&network](const Exemption& entry) { return within(network, entry.network); });
  return found == exempt.entries().end() ? nullptr : &*found;
}

std::string end_text(Instant until) { return until == kForever ? "for ever" : "until " + to_rfc3339(until); }

const FirewallBlock* find_in(const std::vector<FirewallBlock>& sorted, const BlockKey& key) {
  const auto at = std::ranges::lower_bound(sorted, key, {}, &FirewallBlock::key);
  return at != sorted.end() && at->key == key ? &*at : nullptr;
}

}  // namespace

Enforcement::Enforcement(EnforcementSinks sinks) : sinks_(std::move(sinks)) {
  // No two guards share one, whatever the clock does between them.
  std::random_device random;
  generation_ = (std::uint64_t{random()} << 31U) ^ random();
}

BackendHandlers Enforcement::handlers() {
  return {.connected = [this](std::vector<FirewallBlock> standing) { connected(std::move(standing)); },
          .lost = [this](const Error& error) { lost(error); },
          .in_force = [this](std::span<const BlockKey> keys) { in_force(keys); },
          .refused = [this](std::span<const Entry> entries) { refused(entries); },
          .ended = [this](std::span<const Entry> entries) { ended(entries); },
          .repaired = [this](const std::string& what) { repaired(what); },
          .problem = [this](const Error& error) { say(Priority::error, error.message()); }};
}

void Enforcement::configure(EnforcementOptions options) {
  options_ = std::move(options);
  without_ports_.clear();
  if (firewall_ && firewall_->is_connected()) send_allowed();
}

void Enforcement::use(std::unique_ptr<BlockBackend> firewall) {
  firewall_ = std::move(firewall);
  lost_.reset();
  strangers_.clear();
  strangers_due_.reset();
  if (firewall_) firewall_->start();
}

// --- what is shut -----------------------------------------------------------------------------------------------------

std::vector<ServicePort> Enforcement::ports_of(std::string_view service) const {
  return options_.ports ? options_.ports(service) : std::vector<ServicePort>();
}

bool Enforcement::shuts(std::string_view service) {
  if (!options_.enforcing) return false;
  if (service.empty() || !ports_of(service).empty()) return true;
  if (without_ports_.size() < kMostNames && without_ports_.emplace(service).second) {
    say(Priority::error,
        fmt::format(
            "the ports of the service \"{}\" are not known, so blocks of it shut nothing; name them in [enforce]",
            printable(service)));
  }
  return false;
}

std::vector<BlockKey> Enforcement::keys_of(const IpNetwork& network, std::string_view service) const {
  if (service.empty()) return {{network, 0, 0}};
  std::vector<BlockKey> keys;
  for (const ServicePort& port : ports_of(service)) keys.push_back({network, port.protocol, port.port});
  return keys;
}

bool Enforcement::covers(const BlockBook::Block& block, const BlockKey& key) const {
  if (!block.enforced || block.exempt) return false;
  const std::string& service = book_.words(block).service;
  if (service.empty() || !key.is_service()) return service.empty() && !key.is_service();
  const auto ports = ports_of(service);
  return std::ranges::find(ports, ServicePort{key.protocol, key.port}) != ports.end();
}

// Until when the book has it shut; none: not at all.
std::optional<Instant> Enforcement::wanted(const BlockKey& key, Instant now) const {
  std::optional<Instant> until;
  book_.each_of(key.network, [&](const BlockBook::Block& block) {
    if (block.until() > now && covers(block, key)) until = std::max(until.value_or(block.until()), block.until());
  });
  return until;
}

// Brings the firewall to what the book has for this network and service.
void Enforcement::refresh(const IpNetwork& network, std::string_view service) {
  if (!firewall_ || !firewall_->is_connected()) return;
  const Instant now = sinks_.clock();
  std::vector<FirewallBlock> shut;
  std::vector<BlockKey> open;
  for (const BlockKey& key : keys_of(network, service)) {
    if (const auto until = wanted(key, now)) {
      shut.push_back({key, *until, 0});
    } else {
      open.push_back(key);
    }
  }
  if (!shut.empty()) firewall_->block(shut);
  if (!open.empty()) firewall_->unblock(open);
}

std::uint64_t Enforcement::add(const NewBlock& block) {
  if (const auto least = book_.least_when_full()) {
    if (made_room_++ == 0) {
      say(Priority::error,
          fmt::format("{} blocks stand; for each further one that which ends first is ended", BlockBook::kMost));
    }
    const auto was = book_.remove(*least);
    if (was && was->enforced) refresh(was->network, was->service);
  }
  const std::uint64_t id = book_.add(block);
  if (block.enforced) refresh(block.network, block.service);
  return id;
}

std::optional<StandingBlock> Enforcement::end(std::uint64_t id) {
  BlockBook::Block* const block = book_.find(id);
  const Instant now = sinks_.clock();
  if (block == nullptr || block->until() <= now) return std::nullopt;
  if (!block->enforced || block->exempt) return book_.remove(id);
  StandingBlock was = book_.standing(*block);
  book_.set_until(id, now);
  refresh(was.network, was.service);
  return was;
}

std::vector<std::uint64_t> Enforcement::overlapping(const std::optional<IpNetwork>& network) const {
  const Instant now = sinks_.clock();
  std::vector<std::uint64_t> ids;
  book_.each([&](const BlockBook::Block& block) {
    if (block.until() > now && (!network || overlap(block.network(), *network))) ids.push_back(block.id);
  });
  return ids;
}

// --- exemptions -------------------------------------------------------------------------------------------------------

std::optional<StandingBlock> Enforcement::by_hand(const IpNetwork& network, std::string_view service) const {
  std::optional<StandingBlock> found;
  const Instant now = sinks_.clock();
  book_.each_of(network, [&](const BlockBook::Block& block) {
    const BlockWords& words = book_.words(block);
    if (words.rule.empty() && block.until() > now && words.service == service) found = book_.standing(block);
  });
  return found;
}

std::optional<TimedExemption> Enforcement::exemption(const IpNetwork& network) const {
  const auto found = std::ranges::find(book_.exemptions(), network, &TimedExemption::network);
  return found == book_.exemptions().end() ? std::nullopt : std::optional(*found);
}

Result<std::vector<StandingBlock>> Enforcement::exempt(const TimedExemption& exemption) {
  const Instant now = sinks_.clock();
  std::vector<StandingBlock> ended;
  const bool over = exemption.until <= now;
  if (!book_.exempt(exemption, now) && !over) {
    return fail(ErrorKind::unavailable,
                fmt::format("{} exemptions stand already; put lasting ones into [allowlist] of the configuration",
                            BlockBook::kMostExemptions));
  }
  if (!over) {
    for (const std::uint64_t id : overlapping(exemption.network)) {
      const BlockBook::Block* const block = book_.find(id);
      if (block == nullptr || !within(block->network(), exemption.network)) continue;
      if (auto was = end(id)) ended.push_back(std::move(*was));
    }
  }
  send_allowed();
  return ended;
}

const Exemption* Enforcement::exempting(const IpNetwork& network) const {
  const Exemption* const entry = exempting_in(options_.exempt, network);
  return entry == nullptr && live_ ? exempting_in(*live_, network) : entry;
}

std::size_t Enforcement::exempt_within(const IpNetwork& network) const {
  std::vector<IpNetwork> networks = networks_of({&options_.exempt, live_.get()});
  for (const TimedExemption& one : book_.exemptions()) networks.push_back(one.network);
  return static_cast<std::size_t>(
      std::ranges::count_if(networks, [&](const IpNetwork& one) { return within(one, network); }));
}

void Enforcement::set_live_exemptions(std::shared_ptr<const Exemptions> live) {
  live_ = std::move(live);
  end_exempt();
  send_allowed();
}

void Enforcement::send_allowed() {
  if (!firewall_ || !firewall_->is_connected()) return;
  std::vector<IpNetwork> networks = networks_of({&options_.exempt, live_.get()});
  for (const TimedExemption& one : book_.exemptions()) networks.push_back(one.network);
  firewall_->allow(networks);
}

// What has become exempt is shut no more.
void Enforcement::end_exempt() {
  const Instant now = sinks_.clock();
  std::vector<std::pair<std::uint64_t, const Exemption*>> all;
  book_.each([&](const BlockBook::Block& block) {
    if (block.until() <= now) return;
    if (const Exemption* const entry = exempting(block.network())) all.emplace_back(block.id, entry);
  });
  for (const auto& [id, entry] : all) {
    const auto was = end(id);
    if (!was) continue;
    say(Priority::notice,
        fmt::format("the block of {} ends: it is exempt now ({})", was->network.to_string(), entry->where));
    VerdictRow row = ended_within(was->network, was->until);
    row.watch_only = !was->enforced;
    row.by = "tipstaff";
    row.why = "exempt by " + entry->where;
    if (sinks_.row) sinks_.row(std::move(row));
  }
}

// --- after a restart --------------------------------------------------------------------------------------------------

void Enforcement::restore(const VerdictRow& row, Instant now) {
  const Instant until = row.until.value_or(row.at);
  switch (row.kind) {
    case VerdictKind::block: {
      if (!row.network) return;
      if (until <= row.at) {
        if (const auto id = book_.find(row)) std::ignore = book_.remove(*id);
        return;
      }
      if (until <= now) return;
      if (row.watch_only && options_.enforcing) {
        ++passed_over_;
        return;
      }
      if (const auto least = book_.least_when_full()) std::ignore = book_.remove(*least);
      NewBlock block{.network = *row.network,
                     .service = row.service,
                     .host = row.host,
                     .rule = row.rule,
                     .by = row.by,
                     .why = row.why,
                     .at = row.at,
                     .until = until,
                     .enforced = !row.watch_only,
                     .attempts = {}};
      if (row.at > now - BlockBook::kKeepKeys) block.attempts = row.attempts;
      book_.add(block);
      return;
    }
    case VerdictKind::unblock:
      for (const std::uint64_t id : overlapping(row.network)) {
        const bool wider = row.network && !within(book_.find(id)->network(), *row.network);
        if (!wider || row.cause.index != kWithin) std::ignore = book_.remove(id);
      }
      return;
    case VerdictKind::exempt:
      if (!row.network) return;
      book_.exempt({*row.network, until, row.by, row.why}, now);
      return;
    case VerdictKind::drops:
      if (const auto id = book_.find(row)) {
        BlockBook::Block* const block = book_.find(*id);
        block->dropped = std::max(block->dropped, row.dropped);
        block->set_counter(row.counter);
      }
      return;
    case VerdictKind::alert:
      return;
  }
}

VerdictRow Enforcement::ended_within(const IpNetwork& network, Instant until) {
  VerdictRow row;
  row.cause = next_key();
  row.cause.index = kWithin;
  row.kind = VerdictKind::unblock;
  row.network = network;
  row.at = sinks_.clock();
  row.until = until;
  return row;
}

AttemptKey Enforcement::next_key() {
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(sinks_.clock().time_since_epoch().count(), 1));
  last_offset_ = std::max(last_offset_ + 1, micros);
  return {"control", generation_, last_offset_, 0};
}

// --- what the firewall says -------------------------------------------------------------------------------------------

void Enforcement::connected(std::vector<FirewallBlock> standing) {
  const Instant now = sinks_.clock();
  if (lost_) say(Priority::notice, fmt::format("the {} is there again", options_.backend));
  lost_.reset();
  send_allowed();
  std::ranges::sort(standing, {}, &FirewallBlock::key);
  std::vector<FirewallBlock> shut;
  std::vector<BlockKey> good;
  strangers_.clear();
  for (const FirewallBlock& one : standing) {
    const auto until = wanted(one.key, now);
    if (!until) {
      strangers_.push_back(one.key);
    } else if (*until != one.until) {
      shut.push_back({one.key, *until, 0});
    } else {
      good.push_back(one.key);
    }
  }
  book_.each([&](const BlockBook::Block& block) {
    if (!block.enforced || block.exempt || block.until() <= now) return;
    for (const BlockKey& key : keys_of(block.network(), book_.words(block).service)) {
      if (find_in(standing, key) == nullptr) shut.push_back({key, wanted(key, now).value_or(block.until()), 0});
    }
  });
  firewall_->block(shut);
  in_force(good);
  say(Priority::info,
      fmt::format("{}: {} blocks stand in the firewall, {} more are sent", options_.backend, good.size(), shut.size()));
  strangers_due_ = now + kStrangers;
  counts_asked_ = now;
  if (!counts_written_) counts_written_ = now;
  take_counts(std::move(standing));
}

void Enforcement::lost(const Error& error) {
  lost_ = error;
  const std::string text = fmt::format("blocks do not reach the firewall: {}", error.message());
  say(Priority::error, text + "; it is tried again, and what stands is sent then");
  if (sinks_.event) sinks_.event({"enforcer", sinks_.clock(), "", text});
}

void Enforcement::in_force(std::span<const BlockKey> keys) {
  const Instant now = sinks_.clock();
  for (const BlockKey& key : keys) {
    book_.each_of(key.network, [&](BlockBook::Block& block) {
      if (!block.is_in_force() && block.until() > now && covers(block, key)) block.set_in_force(now);
    });
  }
}

void Enforcement::refused(std::span<const Entry> entries) {
  std::size_t bad = 0;
  for (const Entry& entry : entries) {
    if (entry.result == EntryResult::failed || entry.result == EntryResult::full) ++bad;
    if (entry.result != EntryResult::exempt && entry.result != EntryResult::allowed) continue;
    std::vector<std::string> said;
    book_.each_of(entry.key.network, [&](BlockBook::Block& block) {
      if (!covers(block, entry.key)) return;
      block.exempt = true;
      const std::string& rule = book_.words(block).rule;
      said.push_back(rule.empty() ? "by hand" : fmt::format("rule \"{}\"", printable(rule)));
    });
    for (const std::string& what : said) {
      say(Priority::warning,
          fmt::format("{} is observed, not blocked ({}): {}", entry.key.network.to_string(), what,
                      entry.result == EntryResult::exempt ? "it is exempt by the enforcer's own allowlist"
                                                          : "it is exempt by the guard's"));
    }
  }
  if (bad == 0) return;
  if (failed_ == 0) {
    say(Priority::error,
        fmt::format("the {} did not take {} blocks, {} for one: {}", options_.backend, bad,
                    entries.front().key.network.to_string(),
                    entries.front().result == EntryResult::full ? "it is full" : "the kernel refused"));
  }
  failed_ += bad;
}

void Enforcement::ended(std::span<const Entry> entries) {
  const Instant now = sinks_.clock();
  std::vector<FirewallBlock> last;
  std::size_t early = 0;
  for (const Entry& entry : entries) {
    last.push_back({entry.key, entry.until, entry.dropped});
    if (entry.until <= now + kEarly || wanted(entry.key, now) != entry.until) continue;
    ++early;
    book_.each_of(entry.key.network, [&](BlockBook::Block& block) {
      if (covers(block, entry.key)) block.forced = BlockBook::Block::kEver;
    });
  }
  std::ranges::sort(last, {}, &FirewallBlock::key);
  std::set<std::uint64_t> done;
  for (const FirewallBlock& one : last) {
    book_.each_of(one.key.network, [&](BlockBook::Block& block) {
      if (!covers(block, one.key) || !done.insert(block.id).second) return;
      std::uint64_t sum = 0;
      for (const BlockKey& key : keys_of(block.network(), book_.words(block).service)) {
        const FirewallBlock* const found = find_in(last, key);
        if (found == nullptr) return;
        sum += found->dropped;
      }
      take_count(block, sum);
    });
  }
  if (early == 0) return;
  taken_out_ += early;
  say(Priority::warning,
      fmt::format("{} blocks were taken out of the firewall before their time; `tipstaff unblock` ends "
                  "them here too, a restart of the guard sets them again",
                  early));
}

void Enforcement::repaired(const std::string& what) {
  say(Priority::warning, "somebody had changed the firewall's table of tipstaff: " + printable(what));
  if (sinks_.event) sinks_.event({"enforcer", sinks_.clock(), "", "repaired: " + what});
}

// --- counts -----------------------------------------------------------------------------------------------------------

// The firewall's counter begins anew with a new table.
void Enforcement::take_count(BlockBook::Block& block, std::uint64_t count) {
  const std::uint64_t more = count >= block.counter ? count - block.counter : count;
  block.dropped += more;
  block.set_counter(count);
  block.news = block.news || more > 0;
}

void Enforcement::take_counts(std::vector<FirewallBlock> standing) {
  std::ranges::sort(standing, {}, &FirewallBlock::key);
  book_.each([&](BlockBook::Block& block) {
    if (!block.enforced || block.exempt) return;
    std::uint64_t sum = 0;
    for (const BlockKey& key : keys_of(block.network(), book_.words(block).service)) {
      const FirewallBlock* const found = find_in(standing, key);
      if (found == nullptr) return;
      sum += found->dropped;
    }
    take_count(block, sum);
  });
}

void Enforcement::write_count(const BlockBook::Block& block, Instant until) {
  VerdictRow row;
  row.cause = next_key();
  row.kind = VerdictKind::drops;
  const BlockWords& words = book_.words(block);
  row.rule = words.rule;
  row.network = block.network();
  row.service = words.service;
  row.host = words.host;
  row.at = block.at;
  row.until = until;
  row.dropped = block.dropped;
  row.counter = block.counter;
  if (sinks_.row) sinks_.row(std::move(row));
}

// At most so many in one call; it goes on with the next.
void Enforcement::write_counts(Instant now) {
  if (counts_at_ == 0 && counts_written_ && now - *counts_written_ < kWriteCounts) return;
  counts_written_ = now;
  std::vector<std::uint64_t> ids;
  book_.each([&](const BlockBook::Block& block) {
    if (block.news && block.until() > now && block.id > counts_at_) ids.push_back(block.id);
  });
  const bool more = ids.size() > kRowsAtOnce;
  if (more) ids.resize(kRowsAtOnce);
  for (const std::uint64_t id : ids) {
    BlockBook::Block* const block = book_.find(id);
    block->news = false;
    write_count(*block, block->until());
  }
  counts_at_ = more ? ids.back() : 0;
}

void Enforcement::remove_over(Instant now) {
  for (std::size_t i = 0; i < kRowsAtOnce; ++i) {
    const auto id = book_.next_over(now - kLastCount);
    if (!id) return;
    const BlockBook::Block* const block = book_.find(*id);
    if (block->enforced && !block->exempt) write_count(*block, block->until());
    std::ignore = book_.remove(*id);
  }
}

// --- upkeep -----------------------------------------------------------------------------------------------------------

void Enforcement::remove_strangers(Instant now) {
  if (!strangers_due_ || *strangers_due_ > now || !firewall_ || !firewall_->is_connected()) return;
  strangers_due_.reset();
  std::erase_if(strangers_, [&](const BlockKey& key) { return wanted(key, now).has_value(); });
  left_alone_ = options_.restored ? 0 : strangers_.size();
  if (!strangers_.empty() && options_.restored) {
    say(Priority::notice, fmt::format("{} blocks that nobody knows are taken out of the firewall", strangers_.size()));
    firewall_->unblock(strangers_);
  } else if (!strangers_.empty()) {
    say(Priority::warning,
        fmt::format("{} blocks of the firewall are not known here, since the ledger could not be read; "
                    "they are left to end by themselves",
                    strangers_.size()));
  }
  strangers_.clear();
  strangers_.shrink_to_fit();
}

void Enforcement::pass() {
  const Instant now = sinks_.clock();
  if (book_.pass(now)) send_allowed();
  remove_over(now);
  remove_strangers(now);
  if (!firewall_ || !firewall_->is_connected()) return;
  if (!counts_asked_ || now - *counts_asked_ >= kAskCounts) {
    counts_asked_ = now;
    firewall_->list([this](std::vector<FirewallBlock> standing) { take_counts(std::move(standing)); });
  }
  write_counts(now);
}

void Enforcement::stop() {
  const Instant now = sinks_.clock();
  book_.each([&](BlockBook::Block& block) {
    if (!block.news || block.until() <= now) return;
    block.news = false;
    write_count(block, block.until());
  });
}

void Enforcement::note_attempt(const Attempt& attempt) {
  if (!options_.enforcing || !attempt.address || book_.size() == 0) return;
  std::vector<std::uint64_t> through;
  book_.each_covering(*attempt.address, [&](const BlockBook::Block& block) {
    if (!block.enforced || block.exempt || block.ineffective || !block.is_in_force()) return;
    if (attempt.window_time <= block.in_force() + kOpenBefore || attempt.window_time >= block.until()) return;
    const std::string& service = book_.words(block).service;
    if (service.empty() || service == attempt.service) through.push_back(block.id);
  });
  for (const std::uint64_t id : through) {
    BlockBook::Block* const block = book_.find(id);
    block->ineffective = true;
    ++ineffective_count_;
    std::string causes =
        "it came through a proxy or load balancer in front, whose address the firewall sees instead; traffic passes "
        "another table first, or another network namespace (Docker, host network); the log was delayed; the other "
        "address family is used on the way";
    if (!book_.words(*block).service.empty())
      causes = "the service listens on a port that is not among the blocked ones; " + causes;
    if (!attempt.host.empty())
      causes = fmt::format("the line is of the host {}, which this firewall may not stand before; ",
                           printable(attempt.host)) +
               causes;
    const std::string text = fmt::format(
        "the block of {} is not effective: an attempt on {} came through at {}, and the block is in force "
        "since {} ({}). Likely causes: {}",
        block->network().to_string(), printable(attempt.service), to_rfc3339(attempt.window_time),
        to_rfc3339(block->in_force()), end_text(block->until()), causes);
    say(Priority::error, text);
    if (sinks_.event) sinks_.event({"not_effective", sinks_.clock(), "", text});
    ineffective_.push_back(text);
    if (ineffective_.size() > kMostSentences) ineffective_.erase(ineffective_.begin());
  }
}

EnforcementStatus Enforcement::status() const {
  const Instant now = sinks_.clock();
  EnforcementStatus status;
  status.enforcing = options_.enforcing;
  status.backend = options_.enforcing ? options_.backend : "";
  status.connected = firewall_ && firewall_->is_connected();
  status.problem = lost_ ? lost_->message() : "";
  book_.each([&](const BlockBook::Block& block) {
    if (block.until() <= now) return;
    ++status.standing;
    status.by_hand += book_.words(block).rule.empty() ? 1 : 0;
    status.in_force += block.enforced && block.is_in_force() ? 1 : 0;
    status.exempt += block.exempt ? 1 : 0;
    status.dropped += block.dropped;
  });
  status.not_effective = ineffective_count_;
  status.exemptions = book_.exemptions().size();
  return status;
}

std::vector<std::string> Enforcement::problems() const {
  std::vector<std::string> all;
  if (lost_) all.push_back(fmt::format("enforcing, but blocks do not reach the firewall: {}", lost_->message()));
  for (const std::string& service : without_ports_)
    all.push_back(
        fmt::format("the ports of the service \"{}\" are not known, so blocks of it shut nothing; name them in "
                    "[enforce]",
                    printable(service)));
  if (failed_ > 0) all.push_back(fmt::format("{} blocks were not taken by the {}", failed_, options_.backend));
  if (taken_out_ > 0)
    all.push_back(fmt::format("{} blocks were taken out of the firewall before their time", taken_out_));
  if (left_alone_ > 0)
    all.push_back(
        fmt::format("{} blocks of the firewall are not known here: the ledger could not be read", left_alone_));
  if (made_room_ > 0) all.push_back(fmt::format("{} blocks were ended early to make room for others", made_room_));
  for (const std::string& text : ineffective_) all.push_back(text);
  return all;
}

}  // namespace tipstaff
