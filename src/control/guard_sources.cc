#include "control/guard_sources.h"

#include <fmt/format.h>
#include <glob.h>

#include <utility>

#include "sources/file_follower.h"
#include "sources/file_watch.h"
#include "sources/journal.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostFiles = 1'000;

bool is_pattern(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

// The files that fit now, sorted.
std::vector<std::string> fitting(const std::string& pattern) {
  std::vector<std::string> files;
  glob_t found{};
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) files.emplace_back(found.gl_pathv[i]);
  }
  ::globfree(&found);
  return files;
}

// Settings were checked when they were loaded.
TimeZone zone_of(const std::string& name) {
  return name.empty() ? TimeZone::local() : TimeZone::find(name).value_or(TimeZone::local());
}

}  // namespace

GuardSources::GuardSources(boost::asio::io_context& loop, GuardSettings settings, FindSaved saved, LogSink log)
    : settings_(std::move(settings)),
      saved_(std::move(saved)),
      log_(std::move(log)),
      watch_(std::make_unique<FileWatch>(loop)) {}

GuardSources::~GuardSources() = default;

std::vector<MadeSource> GuardSources::look(std::vector<std::string>& problems) {
  std::vector<MadeSource> made;
  look_for_files(made, problems);
  if (first_ && settings_.journal) {
    JournalOptions options;
    options.directory = settings_.journal_folder;
    options.from_start = settings_.from_start;
    const std::string name = options.directory.empty() ? "journal" : "journal:" + options.directory;
    made.push_back({std::make_unique<JournalFollower>(*watch_, std::move(options), saved_(name)), TimeZone()});
  }
  first_ = false;
  return made;
}

void GuardSources::look_for_files(std::vector<MadeSource>& made, std::vector<std::string>& problems) {
  for (const FileSetting& setting : settings_.files) {
    for (const std::string& path : setting.files) {
      if (!is_pattern(path)) {
        add_file(path, setting, made);
        continue;
      }
      const std::vector<std::string> files = fitting(path);
      for (const std::string& file : files) add_file(file, setting, made);
      if (first_ && files.empty())
        problems.push_back(
            fmt::format("{}: no file fits {} yet; it is followed when there is one", setting.where, path));
    }
  }
}

void GuardSources::add_file(const std::string& path, const FileSetting& setting, std::vector<MadeSource>& made) {
  if (known_.size() >= kMostFiles || !known_.insert(path).second) return;
  FileOptions options;
  options.path = path;
  options.from_start = setting.from_start || !first_;  // what comes later is new as a whole
  made.push_back(
      {std::make_unique<FileFollower>(*watch_, std::move(options), saved_("file:" + path)), zone_of(setting.timezone)});
}

}  // namespace tipstaff
