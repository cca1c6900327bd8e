// Makes the guard's sources out of its settings: followed files, the journal, syslog listeners; or finds them where nothing
// is set, says in plain words what it found, and looks again when a log appears. One that cannot be made is reported and
// left out; the others are read.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "control/guard_core.h"
#include "decide/guard_settings.h"
#include "sources/discover.h"
#include "sources/source.h"

namespace tipstaff {

class FileGlob;
class FileWatch;

struct MadeSource {
  std::unique_ptr<Source> source;
  TimeZone zone;
  bool trust_network = false;
};

class GuardSources {
 public:
  /// Gives what was saved of a source, by its name.
  using FindSaved = std::function<std::optional<SavedPlace>(const std::string& source)>;

  /// `more` is called from the loop when look() may have further ones to give. `discover`: for tests.
  GuardSources(boost::asio::io_context& loop, GuardSettings settings, FindSaved saved, LogSink log,
               std::function<void()> more, DiscoverOptions discover = {});
  ~GuardSources();
  GuardSources(const GuardSources&) = delete;
  GuardSources& operator=(const GuardSources&) = delete;

  /// The sources that were not made yet: all at the first call, later those that have come to fit a pattern, or are found.
  /// They must end before this does. `problems` gets a sentence for each that cannot be made.
  [[nodiscard]] std::vector<MadeSource> look(std::vector<std::string>& problems);
  /// Nothing is set, so logs are looked for. `more` is not called for one that only became readable: look() now and then.
  [[nodiscard]] bool finds() const { return finds_; }

 private:
  void find(std::vector<MadeSource>& made);
  void add_journal(std::vector<MadeSource>& made);
  void look_for_files(std::vector<MadeSource>& made, std::vector<std::string>& problems);
  void add_listeners(std::vector<MadeSource>& made);
  void add_file(const std::string& path, const std::string& timezone, bool from_start, std::vector<MadeSource>& made);

  GuardSettings settings_;
  FindSaved saved_;
  LogSink log_;
  std::function<void()> more_;
  std::unique_ptr<FileWatch> watch_;
  std::vector<std::unique_ptr<FileGlob>> globs_;
  std::set<std::string> known_;  // paths of files, names of listeners and journals
  bool first_ = true;
  bool finds_ = false;
  DiscoverOptions discover_;
  std::set<std::string> said_;    // sentences about what was found
  std::set<std::string> passed_;  // paths of files that were there and not to be followed
};

}  // namespace tipstaff
