// See read_right.h.
#include "sources/read_right.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace tipstaff {
namespace {

std::string group_name(gid_t id) {
  const auto* const entry = getgrgid(id);
  return entry != nullptr ? entry->gr_name : std::to_string(id);
}

std::string user_name() {
  const auto* const entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

std::string join_sentence(const std::string& what, const std::string& path, const struct stat& facts, mode_t bit) {
  const std::string group = group_name(facts.st_gid);
  const std::string user = user_name();
  if (facts.st_gid == 0 || (facts.st_mode & bit) == 0) {
    return fmt::format("{}; no group but root's may read it: setfacl -m u:{}:{} {}", what, user,
                       S_ISDIR(facts.st_mode) ? "rx" : "r", path);
  }
  return fmt::format("{}; members of the group {} may: usermod -aG {} {}, then start again", what, group, group, user);
}

}  // namespace

std::string why_denied(const std::string& path) {
  std::filesystem::path here = "/";
  struct stat facts{};
  for (const auto& part : std::filesystem::path(path).parent_path().relative_path()) {
    here /= part;
    if (stat(here.c_str(), &facts) == 0 && access(here.c_str(), X_OK) != 0) {
      return join_sentence(fmt::format("{} may not enter {}", user_name(), here.string()), here.string(), facts,
                           S_IXGRP);
    }
  }
  if (stat(path.c_str(), &facts) != 0) return "may not be read; run as a user who may";
  return join_sentence(fmt::format("{} may not read it", user_name()), path, facts, S_IRGRP);
}

}  // namespace tipstaff
