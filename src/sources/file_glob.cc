// See file_glob.h. glob(3) finds the files. To hear of new ones, every directory in which a name with a wildcard stands
// is watched, and for a name without one, the directory where it is missing.
#include "sources/file_glob.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sources/rotated_names.h"

namespace tipstaff {
namespace {

std::vector<std::string> expand(const std::string& pattern, int flags) {
  std::vector<std::string> paths;
  glob_t found{};
  if (glob(pattern.c_str(), flags, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (paths.size() > kMostFitting) paths.resize(kMostFitting);
  return paths;
}

bool is_file(const std::string& path) {
  struct stat facts{};
  return stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode);
}

bool belongs_to_another(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (is_put_aside(name)) return true;
  const auto log = without_date(name);
  return log && is_file(path.parent_path() / *log);
}

std::vector<WatchPoint> points_of(const std::string& pattern) {
  std::vector<WatchPoint> points;
  std::vector<std::string> directories = {"/"};
  for (const auto& part : std::filesystem::path(pattern).relative_path()) {
    const std::string name = part.string();
    const bool open = is_pattern(name);
    std::vector<std::string> next;
    for (const std::string& directory : directories) {
      const std::string path = std::filesystem::path(directory) / part;
      std::error_code error;
      if (open) {
        for (std::string& child : expand(path, GLOB_ONLYDIR)) {
          if (std::filesystem::is_directory(child, error)) next.push_back(std::move(child));
        }
      } else if (std::filesystem::is_directory(path, error)) {
        next.push_back(path);
        continue;
      }
      points.push_back({directory, open ? "" : name});
    }
    directories = std::move(next);
  }
  return points;
}

}  // namespace

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

std::vector<std::string> files_that_fit(const std::string& pattern) {
  std::vector<std::string> paths = expand(pattern, 0);
  std::erase_if(paths, [](const std::string& path) { return !is_file(path) || belongs_to_another(path); });
  return paths;
}

FileGlob::FileGlob(FileWatch& watch, std::string pattern, std::function<void()> changed)
    : pattern_(std::move(pattern)), changed_(std::move(changed)), listener_(watch.listen([this](FileWatch::Wake why) {
        if (why == FileWatch::Wake::names) look();
      })) {
  listener_->watch_names([this] { return points_of(pattern_); });
  const auto files = files_that_fit(pattern_);
  known_.insert(files.begin(), files.end());
}

void FileGlob::look() {
  listener_->watch_names([this] { return points_of(pattern_); });
  bool more = false;
  for (std::string& file : files_that_fit(pattern_)) {
    if (known_.size() < kMostFitting) more = known_.insert(std::move(file)).second || more;
  }
  if (more) changed_();
}

}  // namespace tipstaff
