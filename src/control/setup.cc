#include "control/setup.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/text.h"
#include "lookup/own_addresses.h"

namespace tipstaff {
namespace {

constexpr const char* kDetectorFolder = "/etc/tipstaff/detectors.d";

}  // namespace

Result<DetectorSet> setup_detectors(const std::vector<std::string>& paths, Examples examples) {
  std::vector<std::string> all;
  std::error_code error;
  if (std::filesystem::is_directory(kDetectorFolder, error)) all.emplace_back(kDetectorFolder);
  all.insert(all.end(), paths.begin(), paths.end());
  return load_detectors(all, examples);
}

Result<std::shared_ptr<const Config>> setup_config(const std::string& rules_file) {
  LoadedConfig config = rules_file.empty()
                            ? load_layers({.directory = "/etc/tipstaff", .own_addresses = own_addresses()})
                            : load_rules_file(rules_file);
  if (!config) {
    std::string problems = to_text(config.error());
    while (problems.ends_with('\n')) problems.pop_back();
    return fail(ErrorKind::invalid, std::move(problems));
  }
  return std::make_shared<const Config>(std::move(*config));
}

std::set<std::string> settings_in_force(const Config& config) {
  std::set<std::string> on;
  if (config.settings.count_publickey_failures) on.insert("count_publickey_failures");
  return on;
}

Result<TimeZone> setup_zone(const std::string& name) {
  if (name.empty()) return TimeZone::local();
  return TimeZone::find(name);
}

std::string unknown_service(const DetectorSet& detectors, const std::string& service) {
  std::vector<std::string_view> names;
  std::string list;
  for (const auto& detector : detectors) {
    names.push_back(detector->name);
    list += (list.empty() ? "" : ", ") + detector->name;
  }
  const std::string near = nearest(service, names);
  return fmt::format("no detector is called '{}'{}; there are {}", printable(service),
                     near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), list);
}

}  // namespace tipstaff
