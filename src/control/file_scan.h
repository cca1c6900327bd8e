// Reads one log file from its first line to its last and hands out its attempts: reader, header split, recognizer,
// clock and folder wired up for a scan. Each file has its own, so several can run side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "detect/attempt.h"
#include "detect/recognizer.h"

namespace tipstaff {

/// What is the same for all files of a scan.
struct FileScanOptions {
  const DetectorSet* detectors = nullptr;
  RecognizerOptions recognizer;
  TimeZone zone;            ///< of stamps without one
  std::optional<int> year;  ///< of the first year-less stamp
};

struct FileCounts {
  std::uint64_t lines = 0;
  std::uint64_t known_program = 0;
  std::uint64_t understood = 0;
  std::uint64_t cut = 0;        ///< lines longer than LineReader::kMaxLine
  std::uint64_t ambiguous = 0;  ///< attempts whose address could be forged, so they have none
  std::uint64_t given_up = 0;   ///< see Folder::given_up

  FileCounts& operator+=(const FileCounts& other);
};

/// Called now and then with the share of the file that is read, where it is known.
using ProgressSink = std::function<void(std::optional<double>)>;

/// Scans `path` ("-": standard input). What was read before an error is handed out and counted all the same.
[[nodiscard]] Result<void> scan_file(const std::string& path, const FileScanOptions& options,
                                     const std::function<void(const Attempt&)>& sink, FileCounts& counts,
                                     const ProgressSink& progress);

/// The first readable stamp among the file's first lines; none where there is none or the file cannot be read.
[[nodiscard]] std::optional<Instant> first_stamp(const std::string& path, const FileScanOptions& options);

}  // namespace tipstaff
