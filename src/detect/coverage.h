// Watches that a source is still understood. Silence must not look like safety: when a service is updated and words its
// lines anew, when its program gets another name or the stamps another form, no attempt is found any more and nothing else
// would tell. Three things are watched, and each raises an alarm within 50 lines:
//
//   reworded  lines of a known program, of which normally most are understood, and now none of a long run is;
//   renamed   a program that no detector knows writes lines that read like those of a service;
//   headless  lines had a header that could be read, and now none of a long run has.
//
// An alarm ends when such lines are understood again. Lines are counted, not time: a quiet source raises no alarm.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "detect/recognizer.h"

namespace tipstaff {

/// What is no longer understood.
struct CoverageAlarm {
  enum class Kind : std::uint8_t { reworded, renamed, headless };
  Kind kind = Kind::reworded;
  std::string service;      ///< name of the detector; empty: headless
  std::string program;      ///< renamed: the name it has now
  std::uint64_t lines = 0;  ///< in a row, when the alarm was raised
  Instant since{};          ///< arrival of the first of them
  std::string sample;       ///< the line that raised it, as logged, at most 200 bytes
  /// A sentence for the administrator: what is wrong and what to do.
  [[nodiscard]] std::string to_text() const;
};

/// Reads lines as they are, and as those of one service, whatever program they name. It keeps nothing of the lines, so the
/// sources of one thread can share one, which saves a megabyte for each.
class LineReaders {
 public:
  /// `detectors` must outlive it.
  LineReaders(const DetectorSet& detectors, RecognizerOptions options);
  [[nodiscard]] const DetectorSet& detectors() const { return detectors_; }
  [[nodiscard]] Recognizer& all() { return all_; }
  /// By the detector's index; all are made when the first is asked for.
  [[nodiscard]] Recognizer& as(std::size_t detector);

 private:
  const DetectorSet& detectors_;
  RecognizerOptions options_;
  Recognizer all_;
  std::vector<Recognizer> as_;
};

class Coverage {
 public:
  struct Counts {
    std::uint64_t lines = 0;
    std::uint64_t known_program = 0;
    std::uint64_t understood = 0;
  };

  explicit Coverage(std::shared_ptr<LineReaders> readers);

  /// One line and what was made of it. True: an alarm began or ended.
  bool note(const Header& header, const Finding& finding, std::string_view line, Instant arrival);

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const std::vector<CoverageAlarm>& alarms() const { return alarms_; }

 private:
  static constexpr std::size_t kMostPrograms = 64;  // unknown ones that are looked at

  // How often something was so, and since when it was not.
  struct Habit {
    float share = 0;  // of the lines before the run; the newest few hundred count most
    std::uint32_t seen = 0;
    std::uint64_t run = 0;  // lines in a row that were not
    Instant since{};
    bool alarmed = false;
  };
  struct Stranger {
    struct Alike {
      std::uint32_t read = 0;     // lines that the detector understands
      std::uint32_t telling = 0;  // of these, not harmless
    };
    std::uint32_t looked_at = 0;
    std::vector<Alike> alike;  // by detector
    Instant since{};
  };
  [[nodiscard]] bool reads_like(std::size_t detector, const Header& header, Stranger::Alike& alike);
  static bool is_broken(Habit& habit, bool yes, std::uint64_t shortest, Instant arrival);
  void look_at_stranger(const Header& header, std::string_view line, Instant arrival);
  void raise(CoverageAlarm alarm, std::string_view line);
  void end(CoverageAlarm::Kind kind, std::string_view service);

  std::shared_ptr<LineReaders> readers_;
  Counts counts_;
  Habit headed_;
  std::map<const Detector*, Habit> services_;
  std::map<std::string, Stranger, std::less<>> strangers_;
  std::vector<CoverageAlarm> alarms_;
};

}  // namespace tipstaff
