#include "control/guard_sources.h"

#include <fmt/format.h>

#include <utility>

#include "sources/container_join.h"
#include "sources/file_follower.h"
#include "sources/file_glob.h"
#include "sources/file_watch.h"
#include "sources/journal.h"
#include "sources/syslog_receiver.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostFiles = 1'000;
const std::string kJournal = "journal";

// Settings were checked when they were loaded.
TimeZone zone_of(const std::string& name) {
  return name.empty() ? TimeZone::local() : TimeZone::find(name).value_or(TimeZone::local());
}

}  // namespace

GuardSources::GuardSources(boost::asio::io_context& loop, GuardSettings settings, FindSaved saved, LogSink log,
                           std::function<void()> more, DiscoverOptions discover)
    : settings_(std::move(settings)),
      saved_(std::move(saved)),
      log_(std::move(log)),
      more_(std::move(more)),
      watch_(std::make_unique<FileWatch>(loop)),
      finds_(settings_.finds_sources()),
      discover_(std::move(discover)) {}

GuardSources::~GuardSources() = default;

// Where nothing is set. What is found later is new as a whole, unless it lay there before and could not be read.
void GuardSources::find(std::vector<MadeSource>& made) {
  if (first_) {
    for (std::string& pattern : discover_patterns(discover_.root))
      globs_.push_back(std::make_unique<FileGlob>(*watch_, std::move(pattern), more_));
  }
  for (const FoundSource& found : discover_sources(discover_)) {
    const bool doubled = found.use && found.by_syslog && known_.contains(kJournal);
    if (doubled && !known_.contains(found.path)) {
      const std::string sentence = fmt::format(
          "Leaves out {}, which is new: it repeats the journal, which is followed. To follow it instead, reload.",
          found.path);
      if (said_.insert(sentence).second) log_(Priority::info, sentence);
      continue;
    }
    if (said_.insert(found.sentence).second) log_(Priority::info, found.sentence);
    if (!found.use) {
      if (!found.path.empty()) passed_.insert(found.path);
    } else if (found.path.empty()) {
      add_journal(made);
    } else {
      const bool is_new = !first_ && !passed_.contains(found.path);
      add_file(found.path, settings_.timezone, settings_.from_start || is_new, made);
    }
  }
}

std::vector<MadeSource> GuardSources::look(std::vector<std::string>& problems) {
  std::vector<MadeSource> made;
  if (finds_) find(made);
  look_for_files(made, problems);
  if (settings_.journal) add_journal(made);
  if (first_) add_listeners(made);
  first_ = false;
  return made;
}

void GuardSources::add_journal(std::vector<MadeSource>& made) {
  JournalOptions options;
  options.directory = settings_.journal_folder;
  options.from_start = settings_.from_start;
  const std::string name = options.directory.empty() ? kJournal : kJournal + (":" + options.directory);
  if (!known_.insert(name).second) return;
  made.push_back({std::make_unique<JournalFollower>(*watch_, std::move(options), saved_(name)), TimeZone()});
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
        add_file(path, setting.timezone, setting.from_start, made);
        continue;
      }
      if (first_) globs_.push_back(std::make_unique<FileGlob>(*watch_, path, more_));
      const std::vector<std::string> files = files_that_fit(path);
      for (const std::string& file : files)  // what comes later is new as a whole
        add_file(file, setting.timezone, setting.from_start || !first_, made);
      if (first_ && files.empty())
        problems.push_back(
            fmt::format("{}: no file fits {} yet; it is followed when there is one", setting.where, path));
    }
  }
}

void GuardSources::add_file(const std::string& path, const std::string& timezone, bool from_start,
                            std::vector<MadeSource>& made) {
  if (known_.size() >= kMostFiles || !known_.insert(path).second) return;
  FileOptions options;
  options.path = path;
  options.from_start = from_start;
  std::unique_ptr<Source> source = std::make_unique<FileFollower>(*watch_, std::move(options), saved_("file:" + path));
  if (is_container_log(path)) source = std::make_unique<ContainerSource>(std::move(source));
  made.push_back({std::move(source), zone_of(timezone)});
}

}  // namespace tipstaff
