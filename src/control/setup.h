// What every command needs before it can begin: detectors, rules and settings, time zone.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "control/held_config.h"
#include "decide/config.h"
#include "detect/detector.h"

namespace tipstaff {

/// The shipped detectors, those of /etc/tipstaff/detectors.d, and the files and folders given.
[[nodiscard]] Result<DetectorSet> setup_detectors(const std::vector<std::string>& paths,
                                                  Examples examples = Examples::keep);

/// The rules of the layers with this machine's addresses exempt; with a file, the file alone.
[[nodiscard]] Result<std::shared_ptr<const Config>> setup_config(const std::string& rules_file);

/// What the guard begins with. An error in its files must not leave the machine unwatched, so what is wrong is left out,
/// with a sentence for each.
struct GuardSetup {
  std::shared_ptr<const Config> config;
  std::shared_ptr<const DetectorSet> detectors;
  std::vector<std::string> problems;
  ConfigTexts texts;  ///< what it was made of
};
/// Errors: the shipped detectors or rules cannot be read, or `places.file` is not there.
[[nodiscard]] Result<GuardSetup> setup_guard(const ConfigPlaces& places);
/// `config_file` stands in the place of the files of /etc/tipstaff; empty: these.
[[nodiscard]] Result<GuardSetup> setup_guard(const std::string& config_file, const std::vector<std::string>& detectors);

/// The ledger's folder by the settings of /etc/tipstaff. What else is wrong in them does not matter here.
[[nodiscard]] std::string setup_ledger();

/// Names of the settings that detectors may ask for and that are on.
[[nodiscard]] std::set<std::string> settings_in_force(const Config& config);

/// Empty: this machine's zone.
[[nodiscard]] Result<TimeZone> setup_zone(const std::string& name);

/// The sentence for a service that no detector is called.
[[nodiscard]] std::string unknown_service(const DetectorSet& detectors, const std::string& service);

}  // namespace tipstaff
