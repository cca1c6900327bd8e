// Where reading stands in a journal, in numbers and in text. Sequence numbers rise within a run (what journald counts
// without beginning anew: its "seqnum id"); a Place has the run as generation and the sequence number as offset. A
// journal that was deleted begins a new run. The checkpoint holds what the numbers do not: the names of the runs, and
// times, for when the run is no longer there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "sources/source.h"

namespace tipstaff {

/// The runs that were met, with their generations, which rise from 1.
class JournalRuns {
 public:
  /// More at a time (a folder with the journals of many machines) make the oldest be forgotten: its next entry then
  /// counts as of a new run. Not more than the guard keeps reading marks for.
  static constexpr std::size_t kMost = 8;

  struct Run {
    std::uint64_t generation = 0;
    std::string id;
    bool operator==(const Run&) const = default;
  };

  /// Its generation; a new one for a run that is not known.
  std::uint64_t generation_of(std::string_view id);
  /// Empty: not known.
  [[nodiscard]] std::string id_of(std::uint64_t generation) const;
  /// A run that is met next has a generation above this one.
  void begin_above(std::uint64_t generation) { last_ = std::max(last_, generation); }
  void restore(Run run);
  [[nodiscard]] const std::vector<Run>& all() const { return runs_; }
  [[nodiscard]] std::uint64_t forgotten() const { return forgotten_; }

 private:
  std::vector<Run> runs_;  // rising generations
  std::uint64_t last_ = 0;
  std::uint64_t forgotten_ = 0;
};

/// What is saved beside a place.
struct JournalCheckpoint {
  Instant from{};  ///< not later than the entry at the place: where reading goes on in files of other runs
  Instant last{};  ///< time of the last entry that was read
  Place behind;    ///< behind that entry
  Instant end{};   ///< everything that was logged before was read
  std::vector<JournalRuns::Run> runs;

  bool operator==(const JournalCheckpoint&) const = default;
};

/// "from=MICROSECONDS;last=...;end=...;run=GENERATION;number=NUMBER;1=ID;2=ID", at most 640 bytes. `run` and `number`
/// are `behind`.
[[nodiscard]] std::string to_text(const JournalCheckpoint& checkpoint);
[[nodiscard]] Result<JournalCheckpoint> parse_journal_checkpoint(std::string_view text);

/// Times of places, coarse: one a second, of the last kMost such seconds. They are needed for places as old as the
/// oldest open connection, 10 minutes.
class JournalTimes {
 public:
  static constexpr std::size_t kMost = 4096;
  void note(Place place, Instant time);
  /// A time not later than that of the entry at the place, as far as is known; none: nothing was noted.
  [[nodiscard]] std::optional<Instant> not_after(Place place) const;

 private:
  struct Noted {
    Place place;
    Instant time;
  };
  std::deque<Noted> noted_;
};

}  // namespace tipstaff
