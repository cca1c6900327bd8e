// The blocks that stand, as the guard knows them: those of rules, watch-only or enforced, and those set by hand; the
// exemptions that support gave for a time. Keyed by what is shut, held compactly (100,000 blocks in some 17 MB), without a
// clock, a file or a firewall. What the firewall should hold follows from it; the ledger brings it back after a restart.
//
// A block is one slot of 128 bytes; texts are held once and counted. Slots of one network form a chain that a hash table
// leads to; a second table leads from the number to the slot, and a heap knows whose end comes next. Nothing here looks at
// all blocks but what says so.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "decide/exemptions.h"
#include "ledger/rows.h"

namespace tipstaff {

/// One block that stands. Two rules may have shut the same; then it is shown once for each.
struct StandingBlock {
  std::uint64_t id = 0;  ///< counts up while this guard runs; `explain` takes it as "#17"
  IpNetwork network;
  std::string service;  ///< what is shut; empty: the whole host
  std::string host;     ///< the host that was attacked; empty by hand
  std::string rule;     ///< empty: by hand
  std::string by;       ///< who set it by hand: "root", "uid 1000 (anna)"
  std::string why;      ///< by hand
  Instant at{};
  Instant until{};            ///< kForever
  bool enforced = false;      ///< false: would block
  bool exempt = false;        ///< observed only: the enforcer refused it, since it is on its own allowlist
  bool in_force = false;      ///< the enforcer has said so
  bool effective = true;      ///< false: an attempt got through although it is in force
  std::uint64_t dropped = 0;  ///< packets that would have opened a connection, as last heard from the enforcer
  AttemptKey cause;
};

/// An exemption for a time, given with a reason.
struct TimedExemption {
  IpNetwork network;
  Instant until{};
  std::string by;
  std::string why;
};

/// Texts held once, with a number each. 0 is the empty text.
class TextPool {
 public:
  TextPool() : texts_(1, {&empty_, 1}) {}
  /// Holds it once more. Each take() is ended by a drop().
  [[nodiscard]] std::uint32_t take(std::string_view text);
  void drop(std::uint32_t number);
  [[nodiscard]] const std::string& of(std::uint32_t number) const { return *texts_[number].text; }
  /// Its number, where it is held.
  [[nodiscard]] std::optional<std::uint32_t> find(std::string_view text) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Held {
    const std::string* text = nullptr;
    std::uint32_t count = 0;
  };
  static inline const std::string empty_;
  std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> numbers_;
  std::vector<Held> texts_;
  std::vector<std::uint32_t> free_;
};

/// Numbers of slots by hash, open addressing. What a slot is equal to is for the caller to say.
class SlotTable {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  template <class Fits>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, Fits&& fits) const {
    if (slots_.empty()) return kNone;
    for (std::size_t at = hash & mask();; at = (at + 1) & mask()) {
      if (slots_[at] == kNone || fits(slots_[at])) return slots_[at];
    }
  }
  /// `hash_of` gives the hash of a slot that is in the table.
  template <class HashOf>
  void add(std::uint64_t hash, std::uint32_t slot, HashOf&& hash_of) {
    if ((count_ + 1) * 10 > slots_.size() * 7) grow(hash_of);
    ++count_;
    put(hash, slot);
  }
  void replace(std::uint64_t hash, std::uint32_t old, std::uint32_t slot) { slots_[place_of(hash, old)] = slot; }
  template <class HashOf>
  void remove(std::uint64_t hash, std::uint32_t slot, HashOf&& hash_of) {
    std::size_t hole = place_of(hash, slot);
    --count_;
    for (std::size_t at = (hole + 1) & mask(); slots_[at] != kNone; at = (at + 1) & mask()) {
      const std::size_t home = hash_of(slots_[at]) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;  // its way does not lead over the hole
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = kNone;
  }

 private:
  [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
  [[nodiscard]] std::size_t place_of(std::uint64_t hash, std::uint32_t slot) const {
    std::size_t at = hash & mask();
    while (slots_[at] != slot) at = (at + 1) & mask();
    return at;
  }
  void put(std::uint64_t hash, std::uint32_t slot) {
    std::size_t at = hash & mask();
    while (slots_[at] != kNone) at = (at + 1) & mask();
    slots_[at] = slot;
  }
  template <class HashOf>
  void grow(HashOf&& hash_of) {
    std::vector<std::uint32_t> old(slots_.empty() ? 64 : slots_.size() * 2, kNone);
    std::swap(old, slots_);
    for (const std::uint32_t slot : old) {
      if (slot != kNone) put(hash_of(slot), slot);
    }
  }

  std::vector<std::uint32_t> slots_;
  std::size_t count_ = 0;
};

/// A block to be put into the book.
struct NewBlock {
  IpNetwork network;
  std::string_view service{}, host{}, rule{}, by{}, why{};
  Instant at{};
  Instant until{};
  bool enforced = false;
  AttemptKey cause{};
  std::vector<AttemptKey> attempts{};  ///< those it rests on
};

class BlockBook {
 public:
  static constexpr std::size_t kMost = 250'000;
  static constexpr std::size_t kMostExemptions = 10'000;
  static constexpr std::size_t kMostKeys = 65'536;   // of attempts that blocks rest on, together
  static constexpr std::chrono::hours kKeepKeys{1};  // an attempt that is older is not withdrawn any more

  /// A block as it is held. Texts are numbers for text().
  struct Block {
    IpNetwork network;
    Instant at{}, until{};
    Instant in_force{};  ///< since when; Instant::max(): it is not known to be
    std::uint64_t id = 0;
    std::uint64_t dropped = 0;
    std::uint64_t counter = 0;  ///< the firewall's own, as last heard
    std::uint64_t generation = 0, offset = 0;
    std::uint32_t index = 0, source = 0;  ///< with these: the cause
    std::uint32_t service = 0, host = 0, rule = 0, by = 0, why = 0;
    std::uint32_t next = SlotTable::kNone;  ///< of the same network
    bool used = false;
    bool enforced = false, exempt = false, ineffective = false;
    bool news = false;  ///< `dropped` has risen since it was written down
  };

  /// Puts it in and gives its number. What stands already (the same rule, network, service, host and time) is left as it
  /// is; a block by hand gives an earlier one of the same network and service its own end, time and words.
  std::uint64_t add(const NewBlock& block);
  /// Takes it out.
  std::optional<StandingBlock> remove(std::uint64_t id);
  /// Gives it another end.
  void set_until(std::uint64_t id, Instant until);
  /// The block whose end comes first, where the book is full; a call of remove() must follow.
  [[nodiscard]] std::optional<std::uint64_t> least_when_full();
  /// The next whose end is not after `time`; a call of remove() must follow.
  [[nodiscard]] std::optional<std::uint64_t> next_over(Instant time);

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] const std::string& text(std::uint32_t number) const { return texts_.of(number); }
  [[nodiscard]] const Block* find(std::uint64_t id) const;
  [[nodiscard]] Block* find(std::uint64_t id);
  /// Of a rule, by what a take-back names.
  [[nodiscard]] std::optional<std::uint64_t> find(const VerdictRow& row) const;
  [[nodiscard]] StandingBlock standing(const Block& block) const;

  /// Blocks of exactly this network.
  template <class Use>
  void each_of(const IpNetwork& network, Use&& use) const {
    for (std::uint32_t slot = head_of(network); slot != SlotTable::kNone; slot = slots_[slot].next) use(slots_[slot]);
  }
  template <class Use>
  void each_of(const IpNetwork& network, Use&& use) {
    for (std::uint32_t slot = head_of(network); slot != SlotTable::kNone; slot = slots_[slot].next) use(slots_[slot]);
  }
  /// Blocks of networks that hold the address, wide ones first.
  template <class Use>
  void each_covering(IpAddress address, Use&& use) const {
    const std::span<const std::uint32_t> widths =
        address.is_v4() ? std::span<const std::uint32_t>(widths4_) : std::span<const std::uint32_t>(widths6_);
    for (unsigned bits = 0; bits < widths.size(); ++bits) {
      if (widths[bits] > 0) each_of(IpNetwork(address, bits), use);
    }
  }
  /// All, in no order.
  template <class Use>
  void each(Use&& use) const {
    for (const Block& block : slots_) {
      if (block.used) use(block);
    }
  }
  template <class Use>
  void each(Use&& use) {
    for (Block& block : slots_) {
      if (block.used) use(block);
    }
  }

  /// Blocks that rest on the attempt, as far as that is still known.
  [[nodiscard]] std::vector<std::uint64_t> resting_on(const AttemptKey& key) const;
  /// What the block rests on, as far as that is still known.
  [[nodiscard]] std::vector<AttemptKey> attempts_of(std::uint64_t id) const;

  /// Takes the place of an exemption of the same network. False: there are kMostExemptions, or its end is not after `now`
  /// (then the network is not exempt any more).
  bool exempt(const TimedExemption& exemption, Instant now);
  [[nodiscard]] bool is_exempt(IpAddress address) const { return exempt_.contains(address); }
  [[nodiscard]] const std::vector<TimedExemption>& exemptions() const { return exemptions_; }
  /// Time goes by: exemptions end, keys of attempts are forgotten. True: exemptions have changed.
  bool pass(Instant now);

 private:
  struct Ending {
    Instant until;
    std::uint32_t slot;
    std::uint32_t stamp;  // low half of the id
    bool operator>(const Ending& other) const { return until > other.until; }
  };
  struct Key {
    std::uint32_t source = 0, index = 0;
    std::uint64_t generation = 0, offset = 0;
    bool operator==(const Key&) const = default;
  };
  struct Resting {
    std::uint64_t id = 0;
    Instant at{};
    std::vector<Key> keys;
  };

  [[nodiscard]] std::uint32_t head_of(const IpNetwork& network) const {
    return by_network_.find(std::hash<IpNetwork>()(network),
                            [&](std::uint32_t slot) { return slots_[slot].network == network; });
  }
  [[nodiscard]] std::uint32_t slot_of(std::uint64_t id) const;
  void link(std::uint32_t slot);
  void unlink(std::uint32_t slot);
  void note_end(std::uint32_t slot);
  [[nodiscard]] bool is_current(const Ending& ending) const;
  void keep_keys(std::uint64_t id, const NewBlock& block);
  void forget_oldest_keys();
  void merge_exemptions();

  std::deque<Block> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t count_ = 0;
  std::uint64_t last_id_ = 0;
  SlotTable by_network_, by_id_;
  std::array<std::uint32_t, 33> widths4_{};  // networks of each prefix length
  std::array<std::uint32_t, 129> widths6_{};
  std::vector<Ending> endings_;  // a heap, the next on top; those that have changed are passed over
  TextPool texts_;
  std::deque<Resting> resting_;  // oldest first
  std::size_t keys_ = 0;
  std::unordered_multimap<std::uint64_t, std::uint64_t> by_key_;  // hash of a key -> id
  std::vector<TimedExemption> exemptions_;
  Exemptions exempt_;
};

}  // namespace tipstaff
