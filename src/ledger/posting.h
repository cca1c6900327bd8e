// Which rows tell of an address or an account, without an index that every row would have to be put into. Each batch
// appends one sorted list of entries (a segment, level 0); when sixteen segments of a level have come together they are
// merged into one of the next, so each entry is written a few times in sequence instead of once at a random place. At the
// first merge the counts go into a summary for each address and account. A question looks into every segment: at 10
// million rows these are about a hundred.
#pragma once

#include <array>
#include <cstdint>
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

/// Collects what a batch tells and writes it as a segment. Inside the caller's transaction.
class PostingWriter {
 public:
  explicit PostingWriter(Database& database);
  /// Adds to the counts and rows of a subject.
  void add(SubjectKind kind, std::uint64_t subject, const Posting& what);
  /// Writes what was added, and merges where enough has come together.
  void flush();
  /// Drops what was added, after a transaction that failed.
  void discard();

 private:
  using Lists = std::array<std::vector<Posting>, 2>;
  void write_segment(unsigned level, const Lists& lists, std::uint64_t rows);
  bool merge(unsigned level);
  void add_to_summary(SubjectKind kind, const std::vector<Posting>& postings);

  Database& database_;
  Lists added_;
  Statement new_segment_, new_posting_, count_level_, read_level_, drop_postings_, drop_segments_;
  Statement read_summary_, write_summary_, drop_summary_;
};

/// Answers from the segments and the summary.
class PostingReader {
 public:
  explicit PostingReader(Database& database);
  /// Everything about a subject, its rows ascending.
  [[nodiscard]] Posting find(SubjectKind kind, std::uint64_t subject);
  /// The counts alone.
  [[nodiscard]] Posting summary(SubjectKind kind, std::uint64_t subject);
  /// Addresses with most failures, most first; no rows in them.
  [[nodiscard]] std::vector<Posting> busiest(std::size_t most);

 private:
  void look_up(Statement& segments, SubjectKind kind, std::uint64_t subject, Posting& found);

  Statement all_segments_, young_segments_, chunk_, summary_, top_, young_chunks_;
};

}  // namespace tipstaff
