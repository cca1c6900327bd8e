// Rows of one month's file as values again, ids turned back into texts. Readers, verify and the writer's look at older
// versions share it. A file may be damaged or hostile: what an id does not name becomes "?", numbers are cut to their
// type, and whether a row is what was written is for its digest to say.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ledger/rows.h"
#include "ledger/sqlite.h"

namespace tipstaff {

/// Texts of a table by id; those used last are kept.
class NameTable {
 public:
  NameTable(Database& database, const char* sql) : read_(database, sql) {}
  /// "?" where there is none; then `odd` becomes true. Valid until the next call.
  [[nodiscard]] const std::string& of(std::uint64_t id, bool& odd);

 private:
  Statement read_;
  std::array<std::pair<std::uint64_t, const std::string*>, 64> last_{};  // among the young, by the id's last bits
  std::unordered_map<std::uint64_t, std::string> young_,
      old_;  // old: before the young were last half as many as may be
};

/// A row with what its digest needs beside it.
template <class Row>
struct Found {
  Row row;
  std::string account;  ///< as stored; empty: none
  std::string salt;
  std::string detail;                            ///< of an event
  std::uint64_t address_id = 0, account_id = 0;  ///< of an attempt; 0: none
  bool odd = false;  ///< it holds what no writer writes: a number out of range, an id without text
};

/// An attempt as numbers: what can be told without looking anything up. Ids of 0 stand for none.
struct AttemptFacts {
  std::uint64_t id = 0, source = 0, generation = 0, offset = 0;
  std::uint32_t index = 0, version = 0, count = 0;
  RowOutcome outcome = RowOutcome::failure;
  bool withdrawn = false;
  std::uint64_t address = 0, account = 0, host = 0;
  Instant when{};
};

class RowReader {
 public:
  explicit RowReader(Database& database);

  /// Many rows at once: neighbours are read in one go. `ids` rising; those that are not there are passed over. `use` gives
  /// false to end.
  void each_facts(const std::vector<std::uint64_t>& ids, const std::function<bool(const AttemptFacts&)>& use);
  /// The same with little of each row: `id`, `withdrawn`, `address`, `account`, `host`.
  void each_names(const std::vector<std::uint64_t>& ids, const std::function<bool(const AttemptFacts&)>& use);
  void each_attempt(const std::vector<std::uint64_t>& ids, const std::function<bool(Found<StoredAttempt>&)>& use);
  /// Texts by their ids; "?" where there is none.
  [[nodiscard]] const std::string& source_name(std::uint64_t id) { return sources_.of(id, odd_); }
  [[nodiscard]] const std::string& account_name(std::uint64_t id) { return accounts_.of(id, odd_); }
  [[nodiscard]] const std::string& text(std::uint64_t id) { return texts_.of(id, odd_); }
  [[nodiscard]] IpAddress address_of_id(std::uint64_t id);

  /// Attempts with ids in [first, last], in order. `next` gives false at the end. Without raw lines.
  void start_attempts(std::uint64_t first, std::uint64_t last);
  [[nodiscard]] bool next(Found<StoredAttempt>& found);
  void start_verdicts(std::uint64_t first, std::uint64_t last);
  [[nodiscard]] bool next(Found<StoredVerdict>& found);
  void start_events(std::uint64_t first, std::uint64_t last);
  [[nodiscard]] bool next(Found<StoredEvent>& found);

  /// Fills a verdict or event from a row of select_verdicts() or select_events().
  void fill(const Statement& statement, Found<StoredVerdict>& found);
  static void fill(const Statement& statement, Found<StoredEvent>& found);

  /// One attempt; none: there is no such row.
  [[nodiscard]] std::optional<Found<StoredAttempt>> attempt(std::uint64_t id);

  /// The batch of a row.
  struct BatchOf {
    std::uint64_t batch = 0, first = 0;
    Instant recorded{};
  };
  [[nodiscard]] BatchOf batch_of(std::uint64_t row);

 private:
  void fill(const Statement& statement, Found<StoredAttempt>& found);

  NameTable sources_, addresses_, accounts_, texts_;
  Statement attempts_, facts_, names_, verdicts_, events_, batch_;
  bool odd_ = false;
  BatchOf last_batch_;
  std::uint64_t last_end_ = 0;  // first row behind last_batch_
};

/// The `flags` of a verdict's row: bit 1: watch-only; bits 0, 2 and 3: the kind.
[[nodiscard]] unsigned verdict_flags(const VerdictRow& row);
/// SQL that gives the columns fill() reads; `rest` begins with WHERE or ORDER BY.
[[nodiscard]] std::string select_verdicts(const std::string& rest);
[[nodiscard]] std::string select_events(const std::string& rest);

}  // namespace tipstaff
