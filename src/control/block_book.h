// The blocks that stand, as the guard knows them: those of rules, watch-only or enforced, and those set by hand; the
// exemptions that support gave for a time. Keyed by what is shut, held compactly (100,000 blocks in some 8 MB), without a
// clock, a file or a firewall. What the firewall should hold follows from it; the ledger brings it back after a restart.
//
// A block is one slot of 64 bytes; what many have in common (rule, service, host, who and why) is held once and counted.
// Slots lie in the order of their numbers, so a number is found by halving; those that became free are taken out together
// when there is no more room. Slots of one network form a chain that a hash table leads to, and a heap knows whose end
// comes next. Nothing here looks at all blocks but what says so.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
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

/// What blocks have in common, held once for all of them.
struct BlockWords {
  std::string service, host, rule, by, why;  ///< as in StandingBlock
  auto operator<=>(const BlockWords&) const = default;
};

/// Numbers of slots by hash, open addressing over cells of 24 bits of a number and 8 of its hash, which spare most looks at
/// the slot. What a slot is equal to is for the caller to say.
class SlotTable {
 public:
  static constexpr std::uint32_t kNone = (1U << 24U) - 1;  ///< beyond all slots
  template <class Fits>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, Fits&& fits) const {
    if (cells_.empty()) return kNone;
    for (std::size_t at = hash & mask(); cells_[at] != kFree; at = (at + 1) & mask()) {
      if (cells_[at] >> 24U == hash >> 56U && fits(slot_at(at))) return slot_at(at);
    }
    return kNone;
  }
  /// `hash_of` gives the hash of a slot that is in the table.
  template <class HashOf>
  void add(std::uint64_t hash, std::uint32_t slot, HashOf&& hash_of) {
    if ((count_ + 1) * 5 > cells_.size() * 4) grow(hash_of);
    ++count_;
    put(hash, slot);
  }
  void replace(std::uint64_t hash, std::uint32_t old, std::uint32_t slot) {
    cells_[place_of(hash, old)] = cell_of(hash, slot);
  }
  template <class HashOf>
  void remove(std::uint64_t hash, std::uint32_t slot, HashOf&& hash_of) {
    std::size_t hole = place_of(hash, slot);
    --count_;
    for (std::size_t at = (hole + 1) & mask(); cells_[at] != kFree; at = (at + 1) & mask()) {
      const std::size_t home = hash_of(slot_at(at)) & mask();
      if (((at - home) & mask()) < ((at - hole) & mask())) continue;  // its way does not lead over the hole
      cells_[hole] = cells_[at];
      hole = at;
    }
    cells_[hole] = kFree;
  }
  void clear() { *this = SlotTable(); }

 private:
  static constexpr std::uint32_t kFree = UINT32_MAX;
  static std::uint32_t cell_of(std::uint64_t hash, std::uint32_t slot) {
    return static_cast<std::uint32_t>(hash >> 56U) << 24U | slot;
  }
  [[nodiscard]] std::size_t mask() const { return cells_.size() - 1; }
  [[nodiscard]] std::uint32_t slot_at(std::size_t at) const { return cells_[at] & kNone; }
  [[nodiscard]] std::size_t place_of(std::uint64_t hash, std::uint32_t slot) const {
    std::size_t at = hash & mask();
    while (slot_at(at) != slot) at = (at + 1) & mask();
    return at;
  }
  void put(std::uint64_t hash, std::uint32_t slot) {
    std::size_t at = hash & mask();
    while (cells_[at] != kFree) at = (at + 1) & mask();
    cells_[at] = cell_of(hash, slot);
  }
  template <class HashOf>
  void grow(HashOf&& hash_of) {
    std::vector<std::uint32_t> old(cells_.empty() ? 64 : cells_.size() * 2, kFree);
    std::swap(old, cells_);
    for (const std::uint32_t cell : old) {
      if (cell != kFree) put(hash_of(cell & kNone), cell & kNone);
    }
  }

  std::vector<std::uint32_t> cells_;  // a power of two
  std::size_t count_ = 0;
};

/// A block to be put into the book.
struct NewBlock {
  IpNetwork network;
  std::string_view service{}, host{}, rule{}, by{}, why{};
  Instant at{};
  Instant until{};
  bool enforced = false;
  std::vector<AttemptKey> attempts{};  ///< those it rests on
};

class BlockBook {
 public:
  static constexpr std::size_t kMost = 250'000;
  static constexpr std::size_t kMostExemptions = 10'000;
  // Of attempts that blocks rest on, together. One is withdrawn only while its connection is open, and of these a source
  // has some 2,000.
  static constexpr std::size_t kMostKeys = 16'384;
  static constexpr std::chrono::hours kKeepKeys{1};  // an attempt that is older is not withdrawn any more

  /// A block as it is held.
  struct Block {
    static constexpr std::int32_t kEver = INT32_MAX;
    IpAddress address;
    Instant at{};
    std::uint64_t id = 0;
    std::uint64_t dropped = 0;
    std::uint64_t counter : 48 = 0;  ///< the firewall's own, as last heard
    std::uint8_t bits = 0;           ///< of its network
    bool enforced : 1 = false, exempt : 1 = false, ineffective : 1 = false;
    bool news : 1 = false;  ///< `dropped` has risen since it was written down
    bool used : 1 = false;
    std::int32_t lasts = 0;                 ///< seconds; kEver
    std::int32_t forced = kEver;            ///< seconds after `at`, rounded up; kEver: it is not known to be in force
    std::uint32_t words = 0;                ///< what it has in common with others
    std::uint32_t next = SlotTable::kNone;  ///< of the same network

    [[nodiscard]] IpNetwork network() const { return {address, bits}; }
    [[nodiscard]] Instant until() const { return lasts == kEver ? Instant::max() : at + std::chrono::seconds(lasts); }
    [[nodiscard]] bool is_in_force() const { return forced != kEver; }
    /// Of one that is.
    [[nodiscard]] Instant in_force() const { return at + std::chrono::seconds(forced); }
    void set_in_force(Instant since);
    void set_counter(std::uint64_t count) { counter = count & ((1ULL << 48U) - 1); }
  };
  static_assert(sizeof(Block) == 64);

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
  [[nodiscard]] const BlockWords& words(const Block& block) const { return *words_[block.words].words; }
  /// References to blocks hold until the next add().
  [[nodiscard]] const Block* find(std::uint64_t id) const;
  [[nodiscard]] Block* find(std::uint64_t id);
  /// Of a rule, by what a take-back names.
  [[nodiscard]] std::optional<std::uint64_t> find(const IpNetwork& network, std::string_view rule,
                                                  std::string_view service, std::string_view host, Instant at) const;
  [[nodiscard]] std::optional<std::uint64_t> find(const VerdictRow& row) const {
    return row.network ? find(*row.network, row.rule, row.service, row.host, row.at) : std::nullopt;
  }
  [[nodiscard]] StandingBlock standing(const Block& block) const;
  /// The same, over one that was told before: what many have in common is then copied without being allocated.
  void tell(const Block& block, StandingBlock& one) const;

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
  /// All, oldest first.
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
    std::uint32_t second;  // of the end, rounded down
    std::uint32_t slot;
    bool operator>(const Ending& other) const { return second > other.second; }
  };
  struct Resting {  // on one attempt
    std::uint64_t id;
    std::uint64_t generation, offset;
    std::uint32_t source, index;
  };
  struct HeldWords {
    const BlockWords* words = nullptr;
    std::uint32_t count = 0;
  };

  [[nodiscard]] std::uint32_t head_of(const IpNetwork& network) const {
    return by_network_.find(std::hash<IpNetwork>()(network),
                            [&](std::uint32_t slot) { return slots_[slot].network() == network; });
  }
  [[nodiscard]] std::uint32_t slot_of(std::uint64_t id) const;
  [[nodiscard]] static std::uint32_t second_of(Instant time);
  [[nodiscard]] std::uint32_t take_words(BlockWords words);
  void drop_words(std::uint32_t number);
  void make_room();
  void link(std::uint32_t slot);
  void unlink(std::uint32_t slot);
  void note_end(std::uint32_t slot);
  void note_ends_anew();
  void keep_keys(std::uint64_t id, const NewBlock& block);
  void forget_oldest_keys();
  void merge_exemptions();

  std::vector<Block> slots_;  // in the order of their numbers, with those that are not used any more
  std::size_t count_ = 0;     // used
  std::uint64_t last_id_ = 0;
  SlotTable by_network_;
  std::array<std::uint32_t, 33> widths4_{};  // networks of each prefix length
  std::array<std::uint32_t, 129> widths6_{};
  std::vector<Ending> endings_;  // a heap, the next on top; those that have changed are passed over
  std::map<BlockWords, std::uint32_t> word_numbers_;
  std::vector<HeldWords> words_;
  std::vector<std::uint32_t> free_words_;
  std::deque<Resting> resting_;  // in the order of the blocks' numbers
  TextPool sources_;             // of these
  std::vector<TimedExemption> exemptions_;
  Exemptions exempt_;
};

}  // namespace tipstaff
