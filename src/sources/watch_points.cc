// See watch_points.h. The walk is the kernel's own (path_resolution(7)): one name at a time from "/", a link puts its
// target's names in front of those still to go.
#include "sources/watch_points.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <string_view>
#include <utility>

namespace tipstaff {
namespace {

constexpr int kMaxLinks = 40;

void put_in_front(std::string_view path, std::deque<std::string>& names) {
  auto at = names.begin();
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") at = names.emplace(at, name) + 1;
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
}

}  // namespace

std::vector<WatchPoint> watch_points(const std::string& path) {
  std::vector<WatchPoint> points;
  std::deque<std::string> names;
  put_in_front(path, names);
  std::string here;  // without links, without a slash at its end
  int links = 0;
  const auto watch = [&](const std::string& name) { points.push_back({here.empty() ? "/" : here, name}); };

  while (!names.empty()) {
    const std::string name = std::move(names.front());
    names.pop_front();
    if (name == "..") {
      here.erase(here.empty() ? 0 : here.rfind('/'));
      continue;
    }
    std::string there = here;
    there.append("/").append(name);
    struct stat facts{};
    if (lstat(there.c_str(), &facts) != 0) {
      watch(name);
      return points;
    }
    if (S_ISLNK(facts.st_mode)) {
      watch(name);
      std::array<char, PATH_MAX> target{};
      const ssize_t size = readlink(there.c_str(), target.data(), target.size());
      if (size <= 0 || ++links > kMaxLinks) return points;
      if (target[0] == '/') here.clear();
      put_in_front({target.data(), static_cast<std::size_t>(size)}, names);
    } else if (names.empty() || !S_ISDIR(facts.st_mode)) {
      watch(name);
      return points;
    } else {
      here = std::move(there);
    }
  }
  return points;
}

}  // namespace tipstaff
