// One month's file in the hands of the writer: turns a batch into rows, ids, postings, raw block, digests and one link of
// the chain, all inside a transaction that the caller begins and commits. What it keeps in memory (ids, the chain's end)
// is true only while its transactions succeed; after one that failed it must be made anew.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "ledger/digest.h"
#include "ledger/encode.h"
#include "ledger/posting.h"
#include "ledger/recent.h"
#include "ledger/row_reader.h"
#include "ledger/rows.h"
#include "ledger/sqlite.h"
#include "ledger/writer.h"

namespace tipstaff {

/// Where the chain has got to.
struct ChainEnd {
  std::uint64_t batch = 0;
  std::uint64_t row = 0;
  Digest link{};
};

/// Ids of values in a table of (id, value), made as they come.
class Interner {
 public:
  Interner(Database& database, const std::string& table);
  [[nodiscard]] std::uint64_t id_of(std::string_view value);

  /// A column's value and its id: rows that follow one another mostly have the same.
  class Column {
   public:
    explicit Column(Interner& texts) : texts_(texts) {}
    [[nodiscard]] std::uint64_t id_of(std::string_view value);

   private:
    Interner& texts_;
    std::string value_;
    std::uint64_t id_ = 0;
  };

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return hash_of(text); }
  };
  Database& database_;
  Statement find_, add_;
  using Table = std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>>;
  Table young_, old_;  // those used since, and those used before, the young were last half as many as may be kept
};

/// An event with bytes that are for the program: erased ids, the last root of a file that is gone.
struct DetailedEvent {
  EventRow event;
  std::string detail;
};

/// A position as a file holds it: with the farthest place recorded in files before this one.
struct StoredPosition {
  PositionRow position;
  bool saved = false;  ///< a position was saved at all
  LedgerPlace seen;    ///< {0, 0}: nothing
};

/// The rows of a statement whose columns are source, generation, offset, checkpoint and the place seen.
[[nodiscard]] std::vector<StoredPosition> read_positions(Statement& all);

class MonthWriter {
 public:
  /// What the writer knows beyond this month.
  struct Around {
    RecentKeys& recent;
    std::string_view account_key;  ///< for the digests of passwords
    /// Newest version of an attempt in files before this one.
    std::function<std::optional<RecentKeys::Known>(const AttemptKey&)> find_older;
    /// A row of a file before this one.
    std::function<std::optional<Found<StoredAttempt>>(std::uint64_t row)> older_row;
    /// Whether a file before this one has the rule's verdict on that attempt.
    std::function<bool(const AttemptKey& cause, const std::string& rule)> older_verdict;
  };

  /// Makes the file's first row: where the chain comes from, and the sources' positions.
  [[nodiscard]] static Result<void> begin_file(Database& database, const std::string& host, const ChainEnd& end,
                                               const std::vector<StoredPosition>& sources, Instant now);

  MonthWriter(Database database, std::string name);

  [[nodiscard]] Database& database() { return database_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// "" where the file was never begun.
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] const ChainEnd& begin() const { return begin_; }
  [[nodiscard]] const ChainEnd& end() const { return end_; }

  [[nodiscard]] std::vector<StoredPosition> sources();
  /// Puts the newest rows' keys into `recent`, and how far sources go beyond them.
  void load_recent(RecentKeys& recent);
  /// Newest version of an attempt in this file.
  [[nodiscard]] std::optional<RecentKeys::Known> find(const AttemptKey& key);
  /// Whether this file has the rule's verdict on that attempt.
  [[nodiscard]] bool has_verdict(const AttemptKey& cause, const std::string& rule);

  /// Inside a transaction. Errors stick to database().
  WriteCounts append(const Batch& batch, const std::vector<DetailedEvent>& events, Around& around);
  /// Forgets what append() has gathered, after its transaction failed.
  void discard() { postings_.discard(); }
  [[nodiscard]] PostingWriter& postings() { return postings_; }
  [[nodiscard]] RowReader& rows() { return rows_; }

 private:
  struct SourceIds {
    std::uint64_t id = 0;
    std::uint32_t number = 0;
  };
  struct Build;  // of one batch
  SourceIds source(const std::string& name, RecentKeys& recent);
  void add_attempt(const AttemptRow& given, Build& build, Around& around);
  void take_back(std::uint64_t old_row, std::uint64_t row, const std::optional<std::uint64_t>& address,
                 const std::optional<std::uint64_t>& account, Around& around);
  void add_verdict(const VerdictRow& verdict, Build& build, Around& around);
  void add_event(const EventRow& event, std::string_view detail, Build& build);
  void finish(const Batch& batch, Build& build);
  void save(const PositionRow& position, RecentKeys& recent);

  Database database_;
  std::string name_, host_;
  ChainEnd begin_, end_;
  Hasher hasher_;
  Interner addresses_, accounts_, texts_;
  Interner::Column services_, detectors_, origins_, extras_, hosts_;  // of attempts
  PostingWriter postings_;
  RowReader rows_;
  std::unordered_map<std::string, SourceIds> sources_;
  Statement find_source_, add_source_, save_position_, add_attempt_, add_verdict_, add_event_, add_batch_, add_raw_,
      add_batch_source_, covering_, in_batch_, same_verdict_, old_attempt_;
};

}  // namespace tipstaff
