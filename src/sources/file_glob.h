// Which files fit a pattern like /var/log/*.log, now and later: who follows such files is told when there are new ones,
// as soon as they appear. Files that were put aside (auth.log.1, auth.log-20260107, anything packed) belong to the log
// that they came from and fit no pattern.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sources/file_watch.h"

namespace tipstaff {

/// True where a path has *, ? or [.
[[nodiscard]] bool is_pattern(const std::string& path);

/// The paths of the files, and of links to files, that fit now, sorted; at most kMostFitting. `*` fits no leading dot
/// and no slash. A name with a date before its extension (app-20260107.log) is left out where the same name without the
/// date exists beside it: then that is the log.
[[nodiscard]] std::vector<std::string> files_that_fit(const std::string& pattern);
inline constexpr std::size_t kMostFitting = 1000;

class FileGlob {
 public:
  /// `changed` is called from the loop whenever files fit that did not before; files_that_fit() tells which. `watch`
  /// must outlive this.
  FileGlob(FileWatch& watch, std::string pattern, std::function<void()> changed);

 private:
  void look();

  std::string pattern_;
  std::function<void()> changed_;
  std::set<std::string> known_;
  std::unique_ptr<FileWatch::Listener> listener_;
};

}  // namespace tipstaff
