// The only file that speaks to sd-journal: opens journal files, moves through their entries and reads the few fields
// that matter, as plain values. All entries are read: that costs 1.7 us each, and sd-journal's matches cannot say which
// ones the detectors read (some read every program). Which entry is next after a restart, and whether one was lost, is
// decided by journal.cc; what a line says, by later stages.
//
// Fields whose name begins with "_" are written by journald itself, all others by whoever logs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "sources/source.h"

struct sd_journal;

namespace tipstaff {

struct SdJournal;

/// One entry. The texts are valid until the reader moves.
struct JournalEntry {
  std::string_view run;      ///< the sequence number's id, 32 hexadecimal digits: numbers compare within one run only
  std::uint64_t number = 0;  ///< sequence number, rises by one with each entry of the run
  Instant realtime{};        ///< when journald received it
  std::string_view message;  ///< one line: line feeds and NUL bytes are blanks here; no blanks at either end
  bool has_message = false;  ///< else none was written, or it is damaged
  bool cut = false;          ///< the message was longer than kMaxLine
  std::string_view host;
  std::string_view program;  ///< SYSLOG_IDENTIFIER, else _COMM
  std::uint32_t pid = 0;     ///< _PID, else SYSLOG_PID; 0: none
  Writer writer;
};

/// A decimal number that covers the whole text; none if it does not fit.
[[nodiscard]] std::optional<std::uint32_t> journal_number(std::string_view text);

/// What an entry says about itself, gathered field by field. Its views point into itself.
class JournalFields {
 public:
  void clear();
  /// "NAME=value", as it lies in the journal. Of a name that comes twice the first value counts; others are ignored.
  void add(std::string_view field);
  /// Fills what the fields tell: all but run, number and realtime.
  void describe(JournalEntry& entry);

 private:
  enum Name : std::uint8_t { message, host, unit, comm, uid, identifier, pid, syslog_pid, names };
  static constexpr std::array<std::string_view, names> kNames = {
      "MESSAGE", "_HOSTNAME", "_SYSTEMD_UNIT", "_COMM", "_UID", "SYSLOG_IDENTIFIER", "_PID", "SYSLOG_PID"};

  std::array<std::string, names> values_;
  std::array<bool, names> has_{};
};

class JournalReader {
 public:
  /// A directory of journal files, or, if empty, this machine's journal. Errors: not_found, denied, unavailable.
  [[nodiscard]] static Result<JournalReader> open(const std::string& directory);

  /// Readable when process() should be called.
  [[nodiscard]] int descriptor() const { return descriptor_; }

  /// What has happened to the files since it was asked last; the reader goes by it from then on.
  enum class Change : std::uint8_t { nothing, entries, files };
  Change process();
  /// Whether sd-journal can open this file at all.
  [[nodiscard]] static bool can_open(const std::string& file);

  void seek_head();
  /// The first entry from this time on.
  void seek_time(Instant time);
  /// The entry `number` of `run`, or the first one behind it; in files of other runs, the first from `time` on.
  void seek_number(const std::string& run, std::uint64_t number, Instant time);
  /// Moves to the last entry, so that next() gives what comes later. False: there is none.
  [[nodiscard]] bool move_to_last();
  /// Whether the run has an entry before `number`, and the number of the first from there on. Moves.
  struct Around {
    bool before = false;
    std::optional<std::uint64_t> from;
  };
  [[nodiscard]] Around look_around(const std::string& run, std::uint64_t number);

  /// The next entry; null at the end. Errors: corrupt (this entry cannot be read, the next may), unavailable.
  [[nodiscard]] Result<const JournalEntry*> next();
  /// The entry it stands on, as next() gives it.
  [[nodiscard]] Result<const JournalEntry*> entry();

  /// Time of the oldest entry of all files; none: there are no entries.
  [[nodiscard]] std::optional<Instant> oldest() const;
  /// libsystemd gave up within a call, and nothing more can be read with this reader. Then, if it was at an entry, its
  /// run and number.
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] std::optional<std::pair<std::string, std::uint64_t>> broken_at() const;
  /// Disk space of the files that are read, in bytes. A file that proved damaged is not among them any more.
  [[nodiscard]] std::uint64_t disk_space() const;

 private:
  struct Close {
    const SdJournal* sd;
    void operator()(sd_journal* journal) const;
  };
  JournalReader() = default;
  [[nodiscard]] bool read_cursor();
  /// A call into sd-journal; negative: an error, as theirs.
  template <class Function, class... Arguments>
  int call(Function function, Arguments... arguments) const;

  const SdJournal* sd_ = nullptr;
  std::unique_ptr<sd_journal, Close> journal_;
  int descriptor_ = -1;
  mutable bool broken_ = false;
  bool at_entry_ = false;  // `run_` and the entry's number are those of where it stands
  std::string run_;
  JournalEntry entry_;
  JournalFields fields_;
};

}  // namespace tipstaff
