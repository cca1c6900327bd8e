// Finds what tells of logins on this machine, for the first start without settings: the files that syslog, mail, FTP
// and web servers write where distributions put them, and the journal. Each finding is a sentence for the
// administrator, also those that are not used or cannot be read, with what to do. It opens and follows nothing.
//
// The journal repeats what syslog writes to files, and an attempt must not count twice: it is used only where no such
// file is kept any more. Logs of containers are never found by themselves: what runs in them is not this machine's.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace tipstaff {

struct FoundSource {
  std::string path;        ///< of the file; empty: the journal
  bool use = false;        ///< it is to be followed
  bool by_syslog = false;  ///< the journal has the same lines
  std::string sentence;    ///< "Follows /var/log/auth.log (logins of all services)."
};

struct DiscoverOptions {
  std::string root;                                  ///< put before every path; tests have a folder here
  std::function<bool(const std::string&)> may_read;  ///< empty: what the system says about this process
};

/// In the order in which they are to be shown; at least one sentence, also where nothing is found.
[[nodiscard]] std::vector<FoundSource> discover_sources(const DiscoverOptions& options = {});

/// The patterns of all that is looked for, files of the journal among them: a new file that fits is a reason to look again.
[[nodiscard]] std::vector<std::string> discover_patterns(const std::string& root = {});

}  // namespace tipstaff
