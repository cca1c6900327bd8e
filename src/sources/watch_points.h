// Which directories have to be watched so that nothing happens to a name unseen: for /var/log/app/auth.log these are
// the directory that holds the file, those that hold a symbolic link on the way to it, and, where the way ends early,
// the deepest directory that exists. Pure looking; file_watch.h does the watching.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

/// A name in a directory; an empty name stands for every name in it.
struct WatchPoint {
  std::string directory;
  std::string name;

  bool operator==(const WatchPoint&) const = default;
};

/// The points of an absolute path, in the order of the way. At most 40 links are followed, as the kernel does.
[[nodiscard]] std::vector<WatchPoint> watch_points(const std::string& path);

}  // namespace tipstaff
