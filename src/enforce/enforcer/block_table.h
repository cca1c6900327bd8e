// The blocks that stand, in compact memory: some 60 bytes for each, so that 100,000 take 6 MB. Slots lie side by side
// without holes; an open-addressing index finds one by its key, and a heap of slot numbers knows which ends next. No clock,
// no firewall.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "enforce/block.h"

namespace tipstaff {

/// What blocks share that lie in one set of the kernel: family, prefix length, scope.
struct BlockShape {
  bool v6 = false;
  bool service = false;
  std::uint8_t bits = 32;  ///< in the family's own count
  auto operator<=>(const BlockShape&) const = default;
};

[[nodiscard]] inline BlockShape shape_of(const BlockKey& key) {
  return {.v6 = !key.network.address().is_v4(),
          .service = key.is_service(),
          .bits = static_cast<std::uint8_t>(key.network.bits())};
}

class BlockTable {
 public:
  /// 40 bytes; the key's parts without its padding.
  class Slot {
   public:
    Slot() = default;
    [[nodiscard]] BlockKey key() const { return {IpNetwork(address_, bits_), protocol_, port_}; }
    [[nodiscard]] Instant until() const { return until_; }
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
    [[nodiscard]] FirewallBlock block() const { return {key(), until_, dropped_}; }

   private:
    friend class BlockTable;
    IpAddress address_;
    Instant until_{};
    std::uint64_t dropped_ = 0;
    std::uint32_t heap_at_ = 0;
    std::uint16_t port_ = 0;
    std::uint8_t bits_ = 0;
    std::uint8_t protocol_ = 0;
  };

  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  [[nodiscard]] std::span<const Slot> slots() const { return slots_; }
  /// How many blocks there are of each shape; none with 0.
  [[nodiscard]] const std::map<BlockShape, std::size_t>& shapes() const { return shapes_; }
  [[nodiscard]] std::optional<FirewallBlock> find(const BlockKey& key) const;
  /// Adds it, or gives it a new end; its count goes on.
  void set(const BlockKey& key, Instant until);
  /// False: there is no such block.
  bool set_dropped(const BlockKey& key, std::uint64_t dropped);
  /// Gives what was erased.
  std::optional<FirewallBlock> erase(const BlockKey& key);
  /// The block that ends next; none where there is none, or all stand for ever.
  [[nodiscard]] std::optional<FirewallBlock> earliest() const;
  void clear();
  /// Bytes held.
  [[nodiscard]] std::size_t memory() const;

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  [[nodiscard]] bool is_at(std::uint32_t slot, const BlockKey& key) const;
  [[nodiscard]] std::size_t place_of(const BlockKey& key) const;  // in index_: its own, or the free one it would take
  void grow_index();
  void free_place(std::size_t place);
  [[nodiscard]] bool is_before(std::uint32_t a, std::uint32_t b) const { return slots_[a].until_ < slots_[b].until_; }
  void put_in_heap(std::size_t at, std::uint32_t slot);
  void sift(std::size_t at);

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> index_;  // slot numbers; a power of two, at most half full
  std::vector<std::uint32_t> heap_;   // slot numbers
  std::map<BlockShape, std::size_t> shapes_;
};

}  // namespace tipstaff
