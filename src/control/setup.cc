#include "control/setup.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "base/text.h"
#include "lookup/own_addresses.h"

namespace tipstaff {
namespace {

constexpr const char* kDirectory = "/etc/tipstaff";

std::vector<std::string> detector_paths(const std::vector<std::string>& paths,
                                        const std::string& directory = kDirectory) {
  std::vector<std::string> all;
  std::error_code error;
  const std::string folder = directory + "/detectors.d";
  if (std::filesystem::is_directory(folder, error)) all.push_back(folder);
  all.insert(all.end(), paths.begin(), paths.end());
  return all;
}

// The detector files of the administrator, each by itself.
std::vector<std::string> detector_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::vector<std::string> of_folder;
    std::error_code error;
    for (std::filesystem::directory_iterator at(path, error); !error && at != std::filesystem::directory_iterator();
         at.increment(error)) {
      if (at->path().extension() == ".toml") of_folder.push_back(at->path().string());
    }
    if (error) of_folder = {path};  // no folder, so a file
    std::ranges::sort(of_folder);
    std::ranges::move(of_folder, std::back_inserter(files));
  }
  return files;
}

}  // namespace

Result<DetectorSet> setup_detectors(const std::vector<std::string>& paths, Examples examples) {
  return load_detectors(detector_paths(paths), examples);
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
  use_network_facts(*config);
  return std::make_shared<const Config>(std::move(*config));
}

namespace {

Result<GuardSetup> load_guard(const ConfigPlaces& places) {
  GuardSetup setup;
  std::error_code error;
  if (!places.file.empty() && !std::filesystem::exists(places.file, error))
    return fail(ErrorKind::not_found, "there is no such configuration file", places.file);
  PartialConfig config =
      load_layers_partly({.directory = places.directory, .file = places.file});  // own addresses: exemption_sources.h
  for (const Error& problem : config.errors) setup.problems.push_back(problem.message());
  use_network_facts(config.config);
  setup.config = std::make_shared<const Config>(std::move(config.config));

  const std::vector<std::string> paths = detector_paths(places.detectors, places.directory);
  auto all = load_detectors(paths, Examples::drop);
  if (!all) {  // those that can be read beside the shipped ones, one file at a time
    std::vector<std::string> good;
    for (const std::string& file : detector_files(paths)) {
      good.push_back(file);
      if (const auto tried = load_detectors(good, Examples::drop); !tried) {
        setup.problems.push_back(tried.error().message());
        good.pop_back();
      }
    }
    all = load_detectors(good, Examples::drop);
  }
  if (!all) return std::unexpected(all.error());
  setup.detectors = std::make_shared<const DetectorSet>(std::move(*all));
  return setup;
}

}  // namespace

Result<GuardSetup> setup_guard(const ConfigPlaces& places) {
  constexpr int kTries = 5;
  ConfigTexts before = read_texts(places);
  for (int i = 0;; ++i) {  // until nobody wrote to the files while they were read
    auto setup = load_guard(places);
    if (!setup) return setup;
    setup->texts = read_texts(places);
    if (i + 1 == kTries || setup->texts == before) return setup;
    before = std::move(setup->texts);
  }
}

Result<GuardSetup> setup_guard(const std::string& config_file, const std::vector<std::string>& detectors) {
  return setup_guard(ConfigPlaces{.file = config_file, .detectors = detectors});
}

std::string setup_ledger() { return load_layers_partly({}).config.guard.ledger; }

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
