#include "control/detectors_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "base/text.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "detect/examples.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

std::string join(const std::vector<std::string>& texts) { return fmt::format("{}", fmt::join(texts, ", ")); }

// Names of programs and kinds of logs, each once.
std::string reads(const Detector& detector) {
  if (detector.any_program) return "any program";
  std::vector<std::string> all = detector.programs;
  all.insert(all.end(), detector.own_programs.begin(), detector.own_programs.end());
  for (const Layout layout : detector.layouts) all.emplace_back(to_text(layout));
  std::vector<std::string> once;
  for (auto& name : all) {
    if (std::ranges::find(once, name) == once.end()) once.push_back(std::move(name));
  }
  return join(once);
}

json::object to_json(const Detector& detector) {
  json::object all;
  all["name"] = detector.name;
  all["title"] = detector.title;
  all["service"] = detector.service;
  all["programs"] = json::value_from(detector.programs);
  all["own_programs"] = json::value_from(detector.own_programs);
  all["quiet_programs"] = json::value_from(detector.quiet_programs);
  all["includes"] = json::value_from(detector.includes);
  json::array ports;
  for (const ServicePort& port : detector.ports) ports.emplace_back(port.to_string());
  all["ports"] = std::move(ports);
  all["any_program"] = detector.any_program;
  all["limits"] = detector.limits;
  all["file"] = detector.where;
  json::array patterns;
  for (const auto& pattern : detector.patterns()) {
    patterns.push_back(json::object{{"kind", to_text(pattern.kind)},
                                    {"text", json::value_from(pattern.texts)},
                                    {"where", pattern.where},
                                    {"reason", pattern.reason}});
  }
  all["patterns"] = std::move(patterns);
  return all;
}

// The detectors, or the one that is named; prints what is wrong and gives none.
const Detector* pick(const DetectorSet& set, const std::string& name) {
  const Detector* found = find_detector(set, name);
  if (found == nullptr) print_error("tipstaff detectors: {}\n", unknown_service(set, name));
  return found;
}

}  // namespace

int run_detectors_list(const DetectorsOptions& options) {
  const auto set = setup_detectors(options.detectors);
  if (!set) {
    print_error("tipstaff detectors: {}\n", set.error().message());
    return kUsage;
  }
  if (options.json) {
    json::array all;
    for (const auto& detector : *set) {
      all.push_back(json::object{{"name", detector->name},
                                 {"title", detector->title},
                                 {"reads", reads(*detector)},
                                 {"patterns", detector->patterns().size() + detector->requests().size()},
                                 {"file", detector->where}});
    }
    print_out("{}\n", json::serialize(all));
    return kGood;
  }
  for (const auto& detector : *set) {
    print_out("{:12}  {:3} patterns  {}\n              reads: {}\n", detector->name,
              detector->patterns().size() + detector->requests().size(), detector->title, reads(*detector));
  }
  return kGood;
}

int run_detectors_show(const DetectorsOptions& options) {
  const auto set = setup_detectors(options.detectors);
  if (!set) {
    print_error("tipstaff detectors: {}\n", set.error().message());
    return kUsage;
  }
  const Detector* const detector = pick(*set, options.name);
  if (detector == nullptr) return kUsage;
  if (options.json) {
    print_out("{}\n", json::serialize(to_json(*detector)));
    return kGood;
  }
  print_out("{}: {}\nfile: {}\nreads: {}\n", detector->name, detector->title, detector->where, reads(*detector));
  if (!detector->includes.empty()) print_out("with the patterns of: {}\n", join(detector->includes));
  if (!detector->ports.empty()) {
    print_out("ports:");
    for (const ServicePort& port : detector->ports) print_out(" {}", port.to_string());
    print_out("\n");
  }
  if (!detector->limits.empty()) print_out("limits: {}\n", detector->limits);
  for (const auto& pattern : detector->patterns()) {
    print_out("\n{}  ({})\n", to_text(pattern.kind), pattern.where);
    for (const auto& text : pattern.texts) print_out("    {}\n", text);
    if (pattern.regex) print_out("    regular expression\n");
    if (!pattern.if_setting.empty()) print_out("    counts only with the setting {}\n", pattern.if_setting);
    if (pattern.anchor != Anchor::none)
      print_out("    the {} address holds: {}\n", pattern.anchor == Anchor::last ? "last" : "first", pattern.reason);
  }
  for (const auto& request : detector->requests()) {
    print_out("\n{}  ({})\n    {} {} {} {}\n", to_text(request.kind), request.where, join(request.methods),
              join(request.paths), join(request.queries), fmt::join(request.statuses, ","));
  }
  return kGood;
}

int run_detectors_test(const DetectorsOptions& options) {
  const auto set = setup_detectors(options.detectors);
  if (!set) {
    print_error("tipstaff detectors: {}\n", set.error().message());
    return kUsage;
  }
  if (!options.name.empty() && pick(*set, options.name) == nullptr) return kUsage;
  std::size_t good = 0;
  std::vector<std::string> problems;
  for (const auto& detector : *set) {
    if (!options.name.empty() && detector->name != options.name) continue;
    good += test_examples(*set, *detector, problems);
  }
  if (options.json) {
    print_out("{}\n", json::serialize(json::object{
                          {"passed", good}, {"failed", problems.size()}, {"problems", json::value_from(problems)}}));
  } else {
    for (const auto& problem : problems) print_out("{}\n", printable(problem));
    print_out("{} examples read as they should be, {} not.\n", good, problems.size());
  }
  return problems.empty() ? kGood : kFailed;
}

}  // namespace tipstaff
