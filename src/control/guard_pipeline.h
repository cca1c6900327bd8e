// One source of the guard: its records become attempts, told of at once and amended later. Here a line gets its key (the
// place that survives a restart), its time (design: min(log time, arrival), what is implausible does not count) and its
// trust; and it is known from where reading has to go on after a restart. Nothing is judged or written here.
//
// After a restart reading goes on at the oldest line of a connection that was open, so some lines are read twice. What
// they tell of was recorded and judged then; they only bring the folder back to what it knew, and are told of as `known`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.h"
#include "detect/attempt.h"
#include "detect/coverage.h"
#include "detect/folder.h"
#include "detect/recognizer.h"
#include "detect/stamp.h"
#include "sources/source.h"

namespace tipstaff {

/// A place as one number, so that it can be the number of a line: 20 bits of generation, 44 of offset. They order alike.
/// What does not fit is set to the largest.
[[nodiscard]] std::uint64_t pack(Place place);
[[nodiscard]] Place unpack(std::uint64_t packed);

/// What of a source was read: of its last generations each, up to where. A file that was rotated away may still be written
/// to, so its lines can come after those of its successor.
class ReadMark {
 public:
  static constexpr std::size_t kMostGenerations = 8;
  /// Everything of this generation before `place` was read.
  void note(Place place);
  /// Whether the line that begins at `place` was read.
  [[nodiscard]] bool covers(Place place) const;
  /// One for each generation, rising; empty: nothing was read.
  [[nodiscard]] const std::vector<Place>& places() const { return places_; }
  bool operator==(const ReadMark&) const = default;

 private:
  std::vector<Place> places_;
};

/// What is kept of an attempt while lines may change it.
struct OpenAttempt {
  std::uint32_t version = 0;     ///< changes so far
  std::vector<std::string> raw;  ///< the lines that told of it
  bool unsure = false;           ///< nobody vouches for who wrote it: it counts for nothing
  bool judged = false;           ///< the rules have seen it; for the receiver to set
  std::uint64_t batch = 0;       ///< for the receiver: the batch it was last written to, and its row there
  std::size_t row = 0;
};

struct PipelineOptions {
  std::shared_ptr<LineReaders> readers;  ///< those of the guard's thread
  TimeZone zone;                         ///< of stamps without one
  Instant started{};                     ///< now
  bool trust_network = false;            ///< records that anybody could have sent count like others
  ReadMark read;                         ///< what was read before the restart
};

class GuardPipeline {
 public:
  /// How its times fare.
  struct Times {
    std::uint64_t implausible = 0;                  ///< lines whose stamp did not count
    std::optional<std::chrono::microseconds> skew;  ///< arrival minus stamp of the last line that was not caught up
    bool catching_up = false;
  };
  /// `known`: the change was recorded and judged before the restart.
  using Sink = std::function<void(Change, const Attempt&, OpenAttempt&, bool known)>;

  GuardPipeline(PipelineOptions options, Sink sink);
  GuardPipeline(const GuardPipeline&) = delete;
  GuardPipeline& operator=(const GuardPipeline&) = delete;

  /// Before the first record: reading begins here, so that a restart before that record does too.
  void begin_at(Place place);
  /// One record. True: a coverage alarm began or ended.
  bool take(const Record& record);
  /// Time goes by without a line: closes what was silent for long enough.
  void pass(Instant now);

  /// Where reading has to go on after a restart, and what was read; none before the first record.
  [[nodiscard]] std::optional<Place> resume_at() const;
  [[nodiscard]] const ReadMark& read() const { return read_; }

  [[nodiscard]] const Coverage& coverage() const { return coverage_; }
  [[nodiscard]] const Times& times() const { return times_; }
  [[nodiscard]] std::uint64_t ambiguous() const { return ambiguous_; }
  [[nodiscard]] std::uint64_t unsure() const { return unsure_; }
  [[nodiscard]] std::uint64_t given_up() const { return folder_.given_up(); }
  /// Raw lines that were not kept because an attempt, or all open ones together, had too many.
  [[nodiscard]] std::uint64_t raw_dropped() const { return raw_dropped_; }

 private:
  Instant window_time(const Record& record, std::optional<Instant> stamp);
  void changed(Change change, Attempt& attempt);
  void keep_raw(OpenAttempt& open);

  PipelineOptions options_;
  Sink sink_;
  SourceClock clock_;
  Coverage coverage_;
  Folder folder_;
  std::unordered_map<std::uint64_t, OpenAttempt> open_;  // by the number of the line that made it
  std::size_t raw_bytes_ = 0;
  // of the line in hand
  std::string_view line_;
  std::uint64_t line_number_ = 0;
  Instant line_window_{};
  bool line_known_ = false;
  bool line_unsure_ = false;

  std::optional<Place> at_;             // behind the last record
  ReadMark read_;                       // what was read, also before the restart
  std::optional<Instant> window_;       // of the line before
  std::optional<Instant> before_jump_;  // the window time before it rose by more than an hour with one line
  std::optional<Instant> last_stamp_;
  Instant last_arrival_{};
  Times times_;
  std::uint64_t ambiguous_ = 0;
  std::uint64_t unsure_ = 0;
  std::uint64_t raw_dropped_ = 0;
  std::string scratch_;
  Finding finding_;
};

}  // namespace tipstaff
