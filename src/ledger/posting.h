// Which rows tell of an address or an account, without an index that every row would have to be put into. Each batch
// appends one sorted list of entries (a segment, level 0); when sixteen segments of a level have come together they are
// merged into one of the next, so each entry is written a few times in sequence instead of once at a random place. At the
// second merge the counts go into a summary for each address. A question looks into every segment: at 10
// million rows these are about a hundred.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "ledger/sqlite.h"

namespace tipstaff {

enum class SubjectKind : std::uint8_t { address, account };

/// Counts of a subject and the rows they came from. Counts may be negative: an amendment takes back what it replaces.
struct Posting {
  std::uint64_t subject = 0;
  std::int64_t failures = 0, successes = 0, probes = 0;
  std::int64_t first = INT64_MAX, last = INT64_MIN;  ///< microseconds; first > last: no time
  std::vector<std::uint64_t> rows;                   ///< ascending

  /// Takes over the other's counts, times and rows.
  void join(const Posting& other);
};

/// Postings in the making: what they count, and their rows in one list beside, so that a row costs no allocation.
class PostingList {
 public:
  /// Adds to a subject; `rows` ascending, and beyond those given for it before.
  void add(const Posting& counts, std::uint64_t subject, const std::uint64_t* rows, std::size_t count);
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  void clear();
  /// Calls `use(posting)` for each subject in their order, its entries joined.
  template <class Use>
  void each_subject(Use&& use);

 private:
  struct Entry {
    std::uint64_t subject;
    std::int64_t failures, successes, probes, first, last;
    std::uint32_t rows_at, rows;
  };
  std::vector<Entry> entries_;
  std::vector<std::uint64_t> rows_;
};

/// Collects what a batch tells and writes it as a segment. Inside the caller's transaction.
class PostingWriter {
 public:
  explicit PostingWriter(Database& database);
  /// Adds to the counts of a subject, and the row where it is not 0.
  void add(SubjectKind kind, std::uint64_t subject, const Posting& counts, std::uint64_t row);
  /// Writes what was added, and merges where enough has come together.
  void flush();
  /// Drops what was added, after a transaction that failed.
  void discard();

 private:
  using Lists = std::array<PostingList, 2>;
  void write_segment(unsigned level, Lists& lists, std::uint64_t rows);
  bool merge(unsigned level);
  void add_to_summary(const Posting& posting);

  Database& database_;
  Lists added_;
  Statement new_segment_, new_posting_, count_level_, read_level_, drop_postings_, drop_segments_;
  Statement add_summary_, drop_summary_;
};

/// Answers from the segments and the summary.
class PostingReader {
 public:
  explicit PostingReader(Database& database);
  /// Everything about a subject, its rows ascending.
  [[nodiscard]] Posting find(SubjectKind kind, std::uint64_t subject);
  /// Its newest rows: all, or at least `enough`; ascending. The counts are those of the segments that were read for it.
  [[nodiscard]] Posting find_newest(SubjectKind kind, std::uint64_t subject, std::size_t enough);
  /// The rows of many subjects (`subjects` rising), without looking for each of them in each segment: every posting is
  /// read once, in its order. `use` gets the rows of one segment at a time, in no order, and gives false to end.
  void each_segment(SubjectKind kind, const std::vector<std::uint64_t>& subjects,
                    const std::function<bool(std::vector<std::uint64_t>)>& use);
  /// The counts of an address alone.
  [[nodiscard]] Posting summary(std::uint64_t address);
  /// The counts of all addresses together.
  [[nodiscard]] Posting total();
  /// Addresses with most failures, most first; no rows in them.
  [[nodiscard]] std::vector<Posting> busiest(std::size_t most);

 private:
  template <class Use>
  void each_young(Use&& use);
  void look_up(Statement& segments, SubjectKind kind, std::uint64_t subject, Posting& found,
               std::size_t enough = SIZE_MAX);

  Statement all_segments_, newest_segments_, young_segments_, chunk_, summary_, top_, rest_, total_, young_chunks_,
      chunks_;
};

}  // namespace tipstaff
