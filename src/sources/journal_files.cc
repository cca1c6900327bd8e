// See journal_files.h. Users' own journals that may not be read are no loss: services do not write there.
#include "sources/journal_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

namespace tipstaff {
namespace {

bool is_machine_id(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_journal(std::string_view name) { return name.ends_with(".journal") || name.ends_with(".journal~"); }

std::uint64_t space(const struct stat& facts) { return static_cast<std::uint64_t>(facts.st_blocks) * 512; }

void look_into(const std::string& directory, bool below, JournalFiles& found) {
  struct stat facts{};
  if (stat(directory.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode)) return;
  found.directories.emplace_back(facts.st_dev, facts.st_ino);
  if (access(directory.c_str(), R_OK | X_OK) != 0) {
    found.denied = directory;
    return;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    const std::string& path = at->path().native();
    if (below && is_machine_id(name)) look_into(path, false, found);
    if (!is_journal(name) || stat(path.c_str(), &facts) != 0 || facts.st_size == 0) continue;
    if (access(path.c_str(), R_OK) == 0) {
      found.readable.push_back(path);
      found.disk_space += space(facts);
    } else if (!name.starts_with("user-")) {
      found.denied = path;
    }
  }
}

}  // namespace

std::vector<std::string> journal_directories(const std::string& directory) {
  if (!directory.empty()) return {directory};
  std::string machine;
  std::getline(std::ifstream("/etc/machine-id"), machine);
  if (!is_machine_id(machine)) return {"/var/log/journal", "/run/log/journal"};
  return {"/var/log/journal/" + machine, "/run/log/journal/" + machine};
}

JournalFiles look_for_journal_files(const std::vector<std::string>& directories) {
  JournalFiles found;
  for (const std::string& directory : directories) look_into(directory, true, found);
  std::ranges::sort(found.readable);
  return found;
}

std::uint64_t disk_space_of(const std::string& file) {
  struct stat facts{};
  return stat(file.c_str(), &facts) == 0 ? space(facts) : 0;
}

}  // namespace tipstaff
