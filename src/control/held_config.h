// The configuration as texts, and the one that is held back on disk while another is on trial. `tipstaff trial` must be able
// to go back to what was in force, after the files of /etc/tipstaff have been changed, and also if the guard is restarted
// or the machine reboots meanwhile: a lockout that a reboot makes permanent is the worst of all. So the texts in force are
// remembered when they are read, and a trial begins by writing them to the ledger's folder:
//   held/config/tipstaff.toml, conf.d/*.toml, detectors.d/*.toml (or config.toml for --config) and, last, held/trial.toml
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// All files of a configuration, each with its text, by the name it has in the held folder. Files that are not there are
/// missing here.
struct ConfigTexts {
  std::vector<std::pair<std::string, std::string>> files;  ///< "conf.d/50-ours.toml", text; sorted by name
  bool operator==(const ConfigTexts&) const = default;
  /// Names of the files that differ from `other`, as "conf.d/50-ours.toml".
  [[nodiscard]] std::vector<std::string> differing(const ConfigTexts& other) const;
};

/// Where a configuration is read from.
struct ConfigPlaces {
  std::string directory = "/etc/tipstaff";
  std::string file;                    ///< read instead of those of `directory`; empty: these
  std::vector<std::string> detectors;  ///< further detector files and folders
  bool operator==(const ConfigPlaces&) const = default;
};

/// Files that cannot be read are left out: whoever loads the configuration says so.
[[nodiscard]] ConfigTexts read_texts(const ConfigPlaces& places);

/// What began a trial.
struct TrialNote {
  Instant begun{};
  Instant until{};
  std::string by;               ///< "uid 1000 (anna)"
  std::optional<Instant> back;  ///< when it was taken back; none: it was not yet
};

/// The folder `held` in the ledger's folder.
class HeldConfig {
 public:
  explicit HeldConfig(const std::string& ledger_folder) : folder_(ledger_folder + "/held") {}

  /// Keeps texts and note so that they survive a power cut once this returns; of what was kept before either all or
  /// nothing is replaced. Errors: unavailable.
  [[nodiscard]] Result<void> keep(const ConfigTexts& texts, const TrialNote& note) const;
  /// The note alone. Errors: unavailable.
  [[nodiscard]] Result<void> mark(const TrialNote& note) const;
  /// What began the trial whose end is not settled; none: nothing is held. A half-written one is none.
  [[nodiscard]] std::optional<TrialNote> note() const;
  /// To read what is held with.
  [[nodiscard]] ConfigPlaces places() const;
  /// Errors: unavailable; then it may come back with the next start.
  [[nodiscard]] Result<void> drop() const;

 private:
  std::string folder_;
};

}  // namespace tipstaff
