// The guard without its surroundings: records go in, rows for the ledger, sentences for the administrator and a status come
// out. It owns the rule engine, a pipeline for each source and the batch that is being filled; it knows no thread, no file,
// no socket and no clock but the times it is given, so tests drive it by hand.
//
// An attempt is judged once: as soon as it has an address, or, since without one it can shut nobody out, when no line can
// change it any more. A verdict's block goes to the enforcement at once and is written down; where nothing is enforced,
// that is as "would block".
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/enforcement.h"
#include "control/guard_pipeline.h"
#include "control/guard_status.h"
#include "control/log_sink.h"
#include "decide/engine.h"
#include "detect/detector.h"
#include "ledger/rows.h"
#include "sources/source.h"

namespace tipstaff {

/// What of a saved position is the guard's own: up to where lines were read. The rest is the source's.
struct SavedSource {
  Place resume;
  ReadMark read;
  std::string checkpoint;
};
[[nodiscard]] PositionRow to_position(const std::string& source, const SavedSource& saved);
/// A row of another version of Tipstaff counts as read up to its place.
[[nodiscard]] SavedSource from_position(const PositionRow& row);

class GuardCore {
 public:
  /// `checkpoint` of source number n at a place.
  using Checkpoint = std::function<std::string(std::size_t source, Place place)>;

  /// The enforcement holds the blocks that stand and may outlive this; without one, they are kept here and only watched.
  GuardCore(std::shared_ptr<const Config> config, std::shared_ptr<const DetectorSet> detectors, LogSink log,
            Instant now, std::shared_ptr<Enforcement> enforcement = nullptr);
  ~GuardCore();
  GuardCore(const GuardCore&) = delete;
  GuardCore& operator=(const GuardCore&) = delete;

  /// Gives the source's number, from 0. `read`: what was read before a restart.
  std::size_t add_source(const std::string& name, const TimeZone& zone, bool trust_network, ReadMark read, Instant now);

  /// Brings the rules to what they knew: first all that they said, in any order, then the attempts of the ledger, in the
  /// order in which they were recorded. To be called before the first record, when the blocks that stand are in the
  /// enforcement's book: what is not there does not stand.
  void restore_verdict(const StoredVerdict& row);
  void restore(const std::vector<StoredAttempt>& attempts, Instant now);
  /// The same with the book.
  void restore(const std::vector<StoredAttempt>& attempts, const std::vector<StoredVerdict>& verdicts, Instant now);
  /// How far back restore() wants attempts, counted from the last recorded: the longest window of a rule.
  [[nodiscard]] std::chrono::seconds memory() const;

  /// Exempt beside the configuration, from now on (decide/exemption_sources.h).
  void set_live_exemptions(std::shared_ptr<const Exemptions> live);
  /// All that is exempt from every rule, for who enforces.
  [[nodiscard]] std::vector<IpNetwork> exempt_networks() const;

  /// Where a source that nothing is saved of begins.
  void begin_at(std::size_t source, Place place);
  void take(std::size_t source, const Record& record);
  /// Once a second or so: closes what was silent for long.
  void pass(Instant now);

  /// What others did, to be written with the next batch.
  void add_row(VerdictRow row) { batch_.verdicts.push_back(std::move(row)); }
  void add_event(EventRow event) { batch_.events.push_back(std::move(event)); }
  /// The block of a rule was ended by hand: its address counts again, from nothing.
  void lift(const StandingBlock& block);

  /// Rows that wait to be written.
  [[nodiscard]] std::size_t waiting() const { return batch_.attempts.size() + batch_.verdicts.size(); }
  /// Whether anything is to be written, be it a place alone.
  [[nodiscard]] bool has_news() const { return moved_ || waiting() > 0 || !batch_.events.empty(); }
  /// What is to be written in one transaction: all changes since the last call and how far the sources are read.
  [[nodiscard]] Batch cut_batch(Instant now, const Checkpoint& checkpoint);

  /// Sources and rules; the caller adds what it knows of files and ledger.
  [[nodiscard]] GuardStatus status(Instant now) const;

 private:
  struct SourceState;
  struct Recent;
  struct Past;
  struct PastChange;
  void changed(SourceState& source, Change change, const Attempt& attempt, OpenAttempt& open, bool known);
  void write_row(SourceState& source, Change change, const Attempt& attempt, OpenAttempt& open);
  void judge(const SourceState& source, const Attempt& attempt, OpenAttempt& open);
  void count(const Attempt& attempt, const AttemptKey& key);
  void record(const Verdict& verdict, const AttemptKey& cause);
  void set_block(VerdictRow& row, const Verdict& verdict);
  void drop_ended(Instant now);
  [[nodiscard]] std::optional<Instant> ended_by_hand(const Past& past) const;
  [[nodiscard]] bool was_exempt(IpAddress address, Instant time) const;
  void list_blocks(GuardStatus& status, Instant now) const;
  std::string_view name(const std::string& text) { return *names_.insert(text).first; }
  void note_recent(const Attempt& attempt, const AttemptKey& key, std::size_t rule);
  void forget(const Recent& recent);
  [[nodiscard]] bool is(const Recent& recent, const AttemptKey& key) const;
  [[nodiscard]] Attempt attempt_of(const Recent& recent) const;
  [[nodiscard]] std::vector<AttemptKey> counted_for(const Verdict& verdict) const;
  void take_back(const AttemptKey& key, Instant at);

  std::shared_ptr<const Config> config_;
  std::shared_ptr<const DetectorSet> detectors_;
  LogSink log_;
  Instant started_;
  RuleEngine engine_;
  std::shared_ptr<const Exemptions> live_;
  std::shared_ptr<LineReaders> readers_;
  std::vector<std::unique_ptr<SourceState>> sources_;
  Batch batch_;
  std::uint64_t batch_number_ = 1;
  bool moved_ = false;  // a source has been read further
  Instant now_{};
  std::set<std::string> names_;  // services and the like of restored attempts
  std::deque<Recent> recent_;    // attempts that rules have counted, as they were judged
  TextPool recent_texts_;
  std::shared_ptr<Enforcement> enforcement_;
  std::vector<Past> past_;  // blocks of the ledger, until restore() has done with them
  std::vector<PastChange> past_changes_;
  TextPool past_texts_;
  std::vector<std::uint64_t> total_failed_;
  std::vector<std::uint64_t> total_verdicts_;
  std::uint64_t failures_ = 0, successes_ = 0, probes_ = 0;
  std::vector<Verdict> verdicts_;  // scratch
};

}  // namespace tipstaff
