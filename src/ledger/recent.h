// Which attempts are known already, without an index over ten million keys. Sources are read forward, so a row beyond
// everything recorded of its source is new. The keys of the last 8 Ki to 16 Ki rows are kept here; for what lies before
// these, and only for that, the caller has to look into the files. It never guesses: the answer is exact.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tipstaff {

/// Where in a source.
struct LedgerPlace {
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const LedgerPlace&) const = default;
};

class RecentKeys {
 public:
  /// The newest version of an attempt and its row.
  struct Known {
    std::uint32_t version = 0;
    std::uint64_t row = 0;
  };
  static constexpr std::size_t kHalf = 8'192;

  /// A number for a source's name, the same until clear().
  [[nodiscard]] std::uint32_t number_of(std::string_view source);

  /// The attempt, where its key is among those kept.
  [[nodiscard]] std::optional<Known> find(std::uint32_t source, LedgerPlace place, std::uint32_t index) const;
  /// True where rows of this place may be in the files though find() does not know them.
  [[nodiscard]] bool may_be_older(std::uint32_t source, LedgerPlace place) const {
    return sources_[source].any && place <= sources_[source].forgotten;
  }
  void add(std::uint32_t source, LedgerPlace place, std::uint32_t index, Known known);
  /// Says that rows up to this place are in the files and not kept here.
  void note_older(std::uint32_t source, LedgerPlace place);
  /// The farthest place recorded of a source; none: nothing is.
  [[nodiscard]] std::optional<LedgerPlace> farthest(std::uint32_t source) const;
  void clear();

 private:
  struct Key {
    std::uint32_t source, index;
    LedgerPlace place;
    bool operator==(const Key&) const = default;
  };
  struct Slot {
    Key key{};
    Known known{};  // row 0: free
  };
  // Open addressing, at most half full, filled once and then dropped whole.
  class Table {
   public:
    [[nodiscard]] const Slot* find(const Key& key) const;
    void put(const Key& key, Known known);
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] const std::vector<Slot>& slots() const { return slots_; }
    void clear();

   private:
    [[nodiscard]] std::size_t place_of(const Key& key) const;
    std::vector<Slot> slots_;
    std::size_t size_ = 0;
  };
  struct Source {
    bool any = false;  // something of it is only in the files
    LedgerPlace forgotten;
    std::optional<LedgerPlace> farthest;
  };
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::vector<Source> sources_;
  Table young_, old_;
};

}  // namespace tipstaff
