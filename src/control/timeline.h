// The attempts of several files as one timeline. Rules must see them in the order of their time, whether the files are
// rotated pieces of one log or logs written side by side; and the files should be read on all cores.
//
// Each file is read by a thread of its own into a queue; as many read at a time as there are jobs. A file takes part
// from the moment at which its first stamp is reached; files that follow are read ahead. The order depends on nothing
// but the files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "control/file_scan.h"

namespace tipstaff {

struct FileResult {
  FileCounts counts;
  Result<void> result;
};

/// Hands out the attempts of all files by window time (equal ones in the order of `paths`), with the index of the file.
/// Runs `sink` on the calling thread. Gives each file's counts and error, in the order of `paths`.
[[nodiscard]] std::vector<FileResult> read_timeline(const std::vector<std::string>& paths,
                                                    const FileScanOptions& options, unsigned jobs,
                                                    const std::function<void(const Attempt&, std::size_t file)>& sink,
                                                    const ProgressSink& progress);

}  // namespace tipstaff
