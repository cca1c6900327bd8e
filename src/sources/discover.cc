// See discover.h.
#include "sources/discover.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <string_view>

#include "sources/file_glob.h"
#include "sources/read_right.h"

namespace tipstaff {
namespace {

struct Known {
  const char* pattern;
  const char* what;
  bool by_syslog;  // the journal has the same lines
};

constexpr std::array kKnown = {
    Known{"/var/log/auth.log", "logins of all services, as Debian and Ubuntu keep them", true},
    Known{"/var/log/secure", "logins of all services, as Red Hat and its kin keep them", true},
    Known{"/var/log/mail.log", "mail servers", true},
    Known{"/var/log/maillog", "mail servers", true},
    Known{"/var/log/vsftpd.log", "vsftpd", false},
    Known{"/var/log/proftpd/proftpd.log", "ProFTPD", false},
    Known{"/var/log/apache2/*access*.log", "Apache, requests", false},
    Known{"/var/log/apache2/*error*.log", "Apache, errors", false},
    Known{"/var/log/httpd/*access*_log", "Apache, requests", false},
    Known{"/var/log/httpd/*error*_log", "Apache, errors", false},
    Known{"/var/log/nginx/*access*.log", "nginx, requests", false},
    Known{"/var/log/nginx/*error*.log", "nginx, errors", false},
};
constexpr std::array kJournals = {"/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal"};
constexpr std::array kContainers = {"/var/lib/docker/containers", "/var/log/pods"};
// Behind the journal by so much, a file is a leftover of a syslog that was removed.
constexpr std::time_t kLeftover{7L * 24 * 3600};

std::optional<std::time_t> written(const std::string& path) {
  struct stat facts{};
  if (stat(path.c_str(), &facts) != 0) return std::nullopt;
  return facts.st_mtim.tv_sec;
}

class Discovery {
 public:
  explicit Discovery(const DiscoverOptions& options) : options_(options) {
    if (!options_.may_read) options_.may_read = [](const std::string& p) { return access(p.c_str(), R_OK) == 0; };
  }

  std::vector<FoundSource> run() {
    for (const char* const pattern : kJournals) {
      for (const std::string& file : files_that_fit(options_.root + pattern)) see_journal(file);
    }
    for (const Known& known : kKnown) {
      for (const std::string& file : files_that_fit(options_.root + known.pattern)) see_file(file, known);
    }
    decide_about_journal();
    for (const char* const place : kContainers) {
      const std::string path = options_.root + place;
      if (!written(path)) continue;
      say(path, false,
          fmt::format("Leaves out the logs of containers in {}: name those that are to be followed in [sources].",
                      path));
    }
    if (std::ranges::none_of(found_, &FoundSource::use)) {
      say("", false,
          "There is no login log here that may be read: name one in [sources], or see above what is missing.");
    }
    return std::move(found_);
  }

 private:
  void see_journal(const std::string& file) {
    const bool readable = options_.may_read(file);
    if (!journal_file_ || (readable && !journal_readable_)) journal_file_ = file;
    journal_readable_ = journal_readable_ || readable;
    journal_written_ = std::max(journal_written_, written(file).value_or(0));
  }

  void see_file(const std::string& path, const Known& known) {
    if (!options_.may_read(path)) {
      say(path, false, fmt::format("Cannot follow {} ({}): {}.", path, known.what, why_denied(path)));
      return;
    }
    const std::time_t when = written(path).value_or(0);
    if (known.by_syslog && journal_readable_ && when + kLeftover < journal_written_) {
      say(path, false,
          fmt::format("Leaves out {} ({}): nothing was written to it for a week; the journal is followed instead.",
                      path, known.what));
      return;
    }
    kept_by_syslog_ = kept_by_syslog_ || known.by_syslog;
    say(path, true, fmt::format("Follows {} ({}).", path, known.what));
    found_.back().by_syslog = known.by_syslog;
  }

  void decide_about_journal() {
    if (!journal_file_) return;
    if (kept_by_syslog_) {
      say("", false, "Leaves out the journal: it repeats what is written to the files above.");
    } else if (journal_readable_) {
      say("", true, "Follows the journal (logins of all services of systemd).");
    } else {
      say("", false, fmt::format("Cannot follow the journal: {}.", why_denied(*journal_file_)));
    }
  }

  void say(std::string path, bool use, std::string sentence) {
    found_.push_back({.path = std::move(path), .use = use, .sentence = std::move(sentence)});
  }

  DiscoverOptions options_;
  std::vector<FoundSource> found_;
  std::optional<std::string> journal_file_;
  bool journal_readable_ = false;
  std::time_t journal_written_ = 0;
  bool kept_by_syslog_ = false;
};

}  // namespace

std::vector<FoundSource> discover_sources(const DiscoverOptions& options) { return Discovery(options).run(); }

std::vector<std::string> discover_patterns(const std::string& root) {
  std::vector<std::string> patterns;
  for (const Known& known : kKnown) patterns.push_back(root + known.pattern);
  for (const char* const pattern : kJournals) patterns.push_back(root + pattern);
  return patterns;
}

}  // namespace tipstaff
