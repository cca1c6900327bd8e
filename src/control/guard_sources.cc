#include "control/guard_sources.h"

#include <fmt/format.h>

#include <utility>

#include "sources/container_join.h"
#include "sources/discover.h"
#include "sources/file_follower.h"
#include "sources/file_glob.h"
#include "sources/file_watch.h"
#include "sources/journal.h"
#include "sources/syslog_receiver.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostFiles = 1'000;

// Settings were checked when they were loaded.
TimeZone zone_of(const std::string& name) {
  return name.empty() ? TimeZone::local() : TimeZone::find(name).value_or(TimeZone::local());
}

}  // namespace

GuardSources::GuardSources(boost::asio::io_context& loop, GuardSettings settings, FindSaved saved, LogSink log,
                           std::function<void()> more)
    : settings_(std::move(settings)),
      saved_(std::move(saved)),
      log_(std::move(log)),
      more_(std::move(more)),
      watch_(std::make_unique<FileWatch>(loop)) {}

GuardSources::~GuardSources() = default;

// Where nothing is set, what this machine has is set as if the administrator had.
void GuardSources::find() {
  FileSetting files;
  files.from_start = settings_.from_start;
  files.timezone = settings_.timezone;
  for (FoundSource& found : discover_sources()) {
    log_(Priority::info, found.sentence);
    if (!found.use) continue;
    if (found.path.empty()) {
      settings_.journal = true;
    } else {
      files.files.push_back(std::move(found.path));
    }
  }
  if (!files.files.empty()) settings_.files.push_back(std::move(files));
}

std::vector<MadeSource> GuardSources::look(std::vector<std::string>& problems) {
  std::vector<MadeSource> made;
  if (first_ && settings_.finds_sources()) find();
  look_for_files(made, problems);
  if (first_ && settings_.journal) {
    JournalOptions options;
    options.directory = settings_.journal_folder;
    options.from_start = settings_.from_start;
    const std::string name = options.directory.empty() ? "journal" : "journal:" + options.directory;
    made.push_back({std::make_unique<JournalFollower>(*watch_, std::move(options), saved_(name)), TimeZone()});
  }
  if (first_) add_listeners(made);
  first_ = false;
  return made;
}

void GuardSources::add_listeners(std::vector<MadeSource>& made) {
  for (const std::string& listener : settings_.syslog) {
    auto options = parse_syslog_listener(listener);
    if (!options) continue;  // told of when the settings were loaded
    const std::string name = "syslog:" + options->to_string();
    if (!known_.insert(name).second) continue;
    options->certificate = settings_.syslog_certificate;
    options->key = settings_.syslog_key;
    options->client_ca = settings_.syslog_clients;
    if (!settings_.syslog_allow.empty()) options->allow = settings_.syslog_allow;
    made.push_back({std::make_unique<SyslogReceiver>(std::move(*options), saved_(name)), zone_of(settings_.timezone),
                    settings_.trust_udp});
  }
}

void GuardSources::look_for_files(std::vector<MadeSource>& made, std::vector<std::string>& problems) {
  for (const FileSetting& setting : settings_.files) {
    for (const std::string& path : setting.files) {
      if (!is_pattern(path)) {
        add_file(path, setting, made);
        continue;
      }
      if (first_) globs_.push_back(std::make_unique<FileGlob>(*watch_, path, more_));
      const std::vector<std::string> files = files_that_fit(path);
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
  std::unique_ptr<Source> source = std::make_unique<FileFollower>(*watch_, std::move(options), saved_("file:" + path));
  if (is_container_log(path)) source = std::make_unique<ContainerSource>(std::move(source));
  made.push_back({std::move(source), zone_of(setting.timezone)});
}

}  // namespace tipstaff
