// Finds the rows of a report, of each attempt the newest version, and counts them. A network may be the whole internet:
// so rows are looked at in the order in which they lie in the file, as numbers, and names are looked up once for each
// id. Of each row that may be in the report a small entry is kept; the row itself is read again when it is printed.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "ledger/reader.h"
#include "ledger/reader_state.h"

namespace tipstaff {

/// Counts tries by name. Attackers choose names, so only the first 10,000 are told apart.
class NameTally {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;  ///< no name, or one too many
  static constexpr std::size_t kMostNames = 10'000;

  [[nodiscard]] std::uint32_t number(const std::string& name);
  /// A name that was not there before is one too many.
  [[nodiscard]] bool full() const { return tries_.size() == kMostNames; }
  void leave_out() { more_ = true; }
  void count(std::uint32_t number, std::uint32_t tries) {
    if (number != kNone) tries_[number] += tries;
  }
  [[nodiscard]] NameCounts result() const;

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::int64_t> tries_;
  bool more_ = false;
};

class Gathering {
 public:
  /// Rows that may be in one report; 56 bytes each are held.
  static constexpr std::size_t kMostRows = 5'000'000;

  /// `query` must outlive this.
  explicit Gathering(const ReportQuery& query);

  /// Takes the month's rows that fit. Months in their order.
  void look_into(OpenMonth& month);
  [[nodiscard]] bool too_many() const { return entries_.size() > kMostRows; }
  /// All that fit; verdicts are not looked for here.
  [[nodiscard]] ReportIndex finish();

 private:
  struct Entry {
    std::uint64_t key;
    Instant when;
    ReportIndex::Place place;
    std::uint32_t version, count, address, account, host;
    RowOutcome outcome;
    bool fits;
  };
  using Numbers = std::unordered_map<std::uint64_t, std::uint32_t>;  // of names, by their ids in the month

  void look_into_network(OpenMonth& month);
  void add_rows(std::vector<std::uint64_t> found);
  bool walk();
  bool take(const AttemptFacts& row);

  const ReportQuery& query_;
  std::string account_;  // as stored
  std::vector<Entry> entries_;
  NameTally addresses_, accounts_, hosts_;
  bool sampled_ = false;
  ReportIndex index_;
  // of the month in hand
  OpenMonth* month_ = nullptr;
  std::uint64_t account_id_ = 0;         // of the account asked for
  std::vector<std::uint64_t> subjects_;  // ids of the addresses asked for, rising
  std::vector<std::uint64_t> rows_;      // to be looked at
  Numbers address_numbers_, account_numbers_, host_numbers_;
  std::unordered_map<std::uint64_t, std::uint64_t> sources_;  // hashes of their names
};

/// The last address of a network, as bytes.
[[nodiscard]] std::string last_of(const IpNetwork& network);

}  // namespace tipstaff
