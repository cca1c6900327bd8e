#include "enforce/enforcer/enforcer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace tipstaff {
namespace {

// Blocks that end in one transaction.
constexpr std::size_t kMostAtOnce = 10'000;
// The firewall may change while it is read.
constexpr int kReadTries = 10;

std::vector<IpNetwork> with_loopback(std::vector<IpNetwork> networks) {
  networks.push_back(IpNetwork(IpAddress::v4(0x7f00'0000), 8));
  networks.push_back(IpNetwork(IpAddress(0, 1), 128));
  return networks;
}

Entry entry_of(const FirewallBlock& block) {
  return {.key = block.key, .until = block.until, .dropped = block.dropped};
}

}  // namespace

Enforcer::Enforcer(Firewall& firewall, Events events, EnforcerLog log)
    : firewall_(firewall), events_(std::move(events)), log_(std::move(log)), own_(with_loopback({})) {}

void Enforcer::say(bool bad, const std::string& text) const {
  if (log_) log_(bad, text);
}

NetworkSet Enforcer::exempt() const {
  std::vector<IpNetwork> all = own_.networks();
  all.insert(all.end(), allowed_.networks().begin(), allowed_.networks().end());
  return NetworkSet(std::move(all));
}

void Enforcer::tell_ended(std::vector<Entry> ended) {
  figures_.ended += ended.size();
  if (!ended.empty() && events_.ended) events_.ended(std::move(ended));
}

// --- start -------------------------------------------------------------------------------------------------------------

// While the kernel makes a set larger, which goes on for a moment after many were added, a reading of it can leave some out.
// So it is read until a reading finds nothing that those before it have not.
Result<void> Enforcer::read_standing(Instant now) {
  blocks_.clear();
  for (int tries = kReadTries; tries > 0; --tries) {
    const std::size_t before = blocks_.size();
    auto read = firewall_.read_blocks(now, [&](const BlockKey& key, Instant until) {
      if (blocks_.size() < kMostBlocks || blocks_.find(key)) blocks_.set(key, until);
    });
    if (!read && (read.error().kind != ErrorKind::conflict || tries == 1)) return read;
    if (read && blocks_.size() == before) break;
  }
  return {};
}

Result<void> Enforcer::start(std::vector<IpNetwork> own, Instant now) {
  own_ = NetworkSet(with_loopback(std::move(own)));
  if (auto read = read_standing(now); !read) return read;
  std::vector<DropCount> over;  // of blocks whose time came while no enforcer ran
  for (int tries = kReadTries;; --tries) {
    over.clear();
    auto read = firewall_.read_counts([&](const BlockKey& key, std::uint64_t packets) {
      if (!blocks_.set_dropped(key, packets)) over.push_back({key, packets});
    });
    if (read) break;
    if (read.error().kind != ErrorKind::conflict || tries == 0) return read;
  }
  std::ranges::sort(over, {}, &DropCount::key);
  const auto twice = std::ranges::unique(over, {}, &DropCount::key);
  over.erase(twice.begin(), twice.end());
  if (const auto adopted = firewall_.adopt(exempt())) {
    std::vector<BlockKey> keys;
    for (const DropCount& count : over) keys.push_back(count.key);
    if (auto taken = firewall_.take_counts(keys)) over = std::move(*taken);
  } else {
    if (adopted.error().kind != ErrorKind::not_found) say(true, adopted.error().message() + "; it is made anew");
    if (auto rebuilt = firewall_.rebuild(blocks_, exempt(), now); !rebuilt) return rebuilt;
  }
  if (blocks_.size() > 0) say(false, fmt::format("took over {} blocks", blocks_.size()));
  std::vector<Entry> ended;
  for (const DropCount& count : over) ended.push_back({.key = count.key, .until = now, .dropped = count.packets});
  tell_ended(std::move(ended));
  end_due(now);
  end_exempt(now);
  return {};
}

// --- asked for ---------------------------------------------------------------------------------------------------------

EntryResult Enforcer::judge(const BlockKey& key, Instant until, Instant now) const {
  if (own_.covers(key.network)) return EntryResult::exempt;
  if (allowed_.covers(key.network)) return EntryResult::allowed;
  return until <= now ? EntryResult::over : EntryResult::good;
}

std::vector<Entry> Enforcer::block(std::span<const Entry> entries, Instant now) {
  std::vector<Entry> refused;
  std::vector<BlockChange> changes;
  std::unordered_map<BlockKey, std::size_t> places;  // of the changes; the last entry of a key counts
  std::size_t added = 0;
  for (const Entry& entry : entries) {
    EntryResult result = judge(entry.key, entry.until, now);
    if (result == EntryResult::good) {
      const auto [place, is_new] = places.try_emplace(entry.key, changes.size());
      if (!is_new) {
        changes[place->second].until = entry.until;
        continue;
      }
      const bool exists = blocks_.find(entry.key).has_value();
      if (exists || blocks_.size() + added < kMostBlocks) {
        changes.push_back({.key = entry.key, .until = entry.until, .exists = exists});
        added += exists ? 0 : 1;
        continue;
      }
      places.erase(place);
      result = EntryResult::full;
    }
    if (result == EntryResult::exempt || result == EntryResult::allowed) ++figures_.refused;
    refused.push_back({.key = entry.key, .until = entry.until, .result = result});
  }
  std::erase_if(changes, [&](const BlockChange& change) {  // nothing new
    return change.exists && blocks_.find(change.key)->until == change.until;
  });
  if (changes.empty()) return refused;

  auto done = is_cleared_ ? Result<void>() : firewall_.set(changes, now);
  std::vector<std::optional<FirewallBlock>> before;
  if (!done) {
    for (const BlockChange& change : changes) before.push_back(blocks_.find(change.key));
  }
  for (const BlockChange& change : changes) blocks_.set(change.key, change.until);
  ++version_;
  figures_.set += changes.size();
  if (is_cleared_) {
    done = firewall_.rebuild(blocks_, exempt(), now);
    is_cleared_ = !done;
  }
  if (done) return refused;

  // Somebody took away what should be there, or the kernel has no memory left. All anew, or none of it.
  say(true, done.error().message());
  repair(now, "a block could not be set");
  if (!figures_.broken) return refused;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (before[i]) {
      blocks_.set(changes[i].key, before[i]->until);
    } else {
      blocks_.erase(changes[i].key);
    }
    refused.push_back({.key = changes[i].key, .until = changes[i].until, .result = EntryResult::failed});
  }
  figures_.set -= changes.size();
  figures_.failed += changes.size();
  return refused;
}

std::vector<Entry> Enforcer::unblock(std::span<const Entry> entries, Instant now) {
  std::vector<BlockKey> keys;
  std::vector<Entry> unknown;
  for (const Entry& entry : entries) {
    if (blocks_.find(entry.key)) {
      keys.push_back(entry.key);
    } else {
      unknown.push_back({.key = entry.key, .result = EntryResult::unknown});
    }
  }
  std::ranges::sort(keys);
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  std::vector<Entry> all = end_blocks(keys, now);
  figures_.ended += all.size();
  all.insert(all.end(), unknown.begin(), unknown.end());
  return all;
}

// First the blocks go, then their counts are read, then these go: no packet is dropped without being counted.
std::vector<Entry> Enforcer::end_blocks(std::span<const BlockKey> keys, Instant now) {
  std::vector<Entry> ended;
  if (keys.empty()) return ended;
  const auto removed = firewall_.remove(keys);
  if (removed) {
    if (const auto counts = firewall_.take_counts(keys)) {
      for (const DropCount& count : *counts) blocks_.set_dropped(count.key, count.packets);
    } else {
      say(true, counts.error().message());
    }
  } else {
    keep_counts();
  }
  for (const BlockKey& key : keys) {
    if (const auto erased = blocks_.erase(key)) ended.push_back(entry_of(*erased));
  }
  ++version_;
  if (!removed) {
    say(true, removed.error().message());
    repair(now, "a block could not be ended");
  }
  return ended;
}

std::vector<Entry> Enforcer::allow(std::span<const Entry> entries, bool first, Instant now) {
  std::vector<IpNetwork> networks;
  if (!first) networks = allowed_.networks();
  std::vector<Entry> refused;
  for (const Entry& entry : entries) {
    if (networks.size() < kMostAllowed) {
      networks.push_back(entry.key.network);
    } else {
      refused.push_back({.key = entry.key, .result = EntryResult::full});
    }
  }
  NetworkSet wanted(std::move(networks));
  if (wanted != allowed_) {
    allowed_ = std::move(wanted);
    is_exempt_stale_ = true;
  }
  // a full message is followed by another: the firewall's sets are written once
  if (entries.size() < Message::kMostEntries) apply_exemptions(now);
  return refused;
}

void Enforcer::set_own(std::vector<IpNetwork> networks, Instant now) {
  NetworkSet wanted(with_loopback(std::move(networks)));
  if (wanted == own_) return;
  own_ = std::move(wanted);
  is_exempt_stale_ = true;
  apply_exemptions(now);
}

void Enforcer::apply_exemptions(Instant now) {
  if (!is_exempt_stale_) return;
  is_exempt_stale_ = false;
  if (is_cleared_) return;
  if (const auto done = firewall_.set_exempt(exempt()); !done) {
    say(true, done.error().message());
    repair(now, "the exemptions could not be changed");
  }
  end_exempt(now);
}

void Enforcer::end_exempt(Instant now) {
  std::vector<BlockKey> keys;
  for (const BlockTable::Slot& slot : blocks_.slots()) {
    const BlockKey key = slot.key();
    if (own_.covers(key.network) || allowed_.covers(key.network)) keys.push_back(key);
  }
  std::vector<Entry> ended = end_blocks(keys, now);
  for (Entry& entry : ended) entry.result = own_.covers(entry.key.network) ? EntryResult::exempt : EntryResult::allowed;
  if (!ended.empty()) say(false, fmt::format("{} blocks ended, since they are exempt now", ended.size()));
  tell_ended(std::move(ended));
}

Result<void> Enforcer::clear() {
  keep_counts();
  if (auto done = firewall_.clear(); !done) return done;
  std::vector<Entry> ended;
  for (const BlockTable::Slot& slot : blocks_.slots()) ended.push_back(entry_of(slot.block()));
  blocks_.clear();
  ++version_;
  is_cleared_ = true;
  figures_.broken = false;
  say(true, fmt::format("cleared: {} blocks ended, the table inet tipstaff is away", ended.size()));
  tell_ended(std::move(ended));
  return {};
}

// --- by itself ---------------------------------------------------------------------------------------------------------

std::optional<Instant> Enforcer::next_end() const {
  const auto earliest = blocks_.earliest();
  if (!earliest) return std::nullopt;
  return earliest->until;
}

void Enforcer::end_due(Instant now) {
  std::vector<FirewallBlock> due;
  for (auto next = blocks_.earliest(); next && next->until <= now && due.size() < kMostAtOnce;
       next = blocks_.earliest()) {
    due.push_back(*next);
    blocks_.set(next->key, kForever);  // out of the way, for the one that is due after it
  }
  std::vector<BlockKey> keys;
  for (const FirewallBlock& block : due) keys.push_back(block.key);
  std::vector<Entry> ended = end_blocks(keys, now);
  for (std::size_t i = 0; i < ended.size(); ++i) ended[i].until = due[i].until;
  tell_ended(std::move(ended));
}

Result<void> Enforcer::refresh_counts() {
  return firewall_.read_counts([&](const BlockKey& key, std::uint64_t packets) { blocks_.set_dropped(key, packets); });
}

// What can still be read of the counts, before the table is made anew; they never fall.
void Enforcer::keep_counts() {
  const auto read = firewall_.read_counts([&](const BlockKey& key, std::uint64_t packets) {
    if (const auto block = blocks_.find(key); block && packets > block->dropped) blocks_.set_dropped(key, packets);
  });
  if (!read) say(true, "counts may be lost: " + read.error().message());
}

bool Enforcer::rebuild(Instant now) {
  keep_counts();
  const auto done = firewall_.rebuild(blocks_, exempt(), now);
  if (!done && !figures_.broken) say(true, "THE FIREWALL DOES NOT HOLD THE BLOCKS: " + done.error().message());
  figures_.broken = !done;
  return done.has_value();
}

void Enforcer::repair(Instant now, const std::string& why) {
  if (is_cleared_) return;
  end_due(now);
  if (!rebuild(now)) return;
  ++figures_.repaired;
  figures_.last_repair = now;
  const std::string what = fmt::format("{}: the table inet tipstaff was made anew with {} blocks", why, blocks_.size());
  say(true, what);
  if (events_.repaired) events_.repaired(what);
}

void Enforcer::check(Instant now, const std::string& why) {
  if (is_cleared_) return;
  if (figures_.broken) return repair(now, why);
  const auto whole = firewall_.is_whole();
  if (!whole) {
    if (whole.error().kind != ErrorKind::conflict) say(true, whole.error().message());
    return;  // it changed while it was read: the next check comes
  }
  if (!*whole) repair(now, why);
}

void Enforcer::audit(Instant now, const std::string& why) {
  check(now, why);
  if (figures_.broken || is_cleared_) return;
  bool same = false;
  for (int tries = kReadTries; !same && tries > 0; --tries) {  // a reading may leave some out: see read_standing()
    std::size_t found = 0;
    bool strange = false;
    const auto read = firewall_.read_blocks(now, [&](const BlockKey& key, Instant until) {
      ++found;
      const auto block = blocks_.find(key);
      if (!block || block->until != until) strange = true;
    });
    if (!read) {
      if (read.error().kind != ErrorKind::conflict) say(true, read.error().message());
      return;
    }
    if (strange) break;
    same = found == blocks_.size();
  }
  if (!same) return repair(now, why);
  if (const auto counts = refresh_counts(); !counts && counts.error().kind != ErrorKind::conflict) {
    say(true, counts.error().message());
  }
}

}  // namespace tipstaff
