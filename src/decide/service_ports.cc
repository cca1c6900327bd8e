#include "decide/service_ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace tipstaff {
namespace {

bool has_ports(const Config& config, const DetectorSet& detectors, std::string_view service) {
  return !service_ports(config, detectors, service).empty();
}

// The services that the rule may count, as far as they are known: the detectors' and those it names in full.
std::set<std::string> services_of(const Rule& rule, const DetectorSet& detectors) {
  std::set<std::string> services;
  const std::vector<Glob>& wanted = rule.match.service;
  for (const auto& detector : detectors) {
    const auto fits = [&detector](const Glob& glob) { return glob.fits(detector->service); };
    if (!detector->any_program && (wanted.empty() || std::ranges::any_of(wanted, fits)))
      services.insert(detector->service);
  }
  for (const Glob& glob : wanted) {
    if (glob.pattern().find_first_of("*?") == std::string::npos) services.insert(glob.pattern());
  }
  return services;
}

}  // namespace

std::vector<ServicePort> service_ports(const Config& config, const DetectorSet& detectors, std::string_view service) {
  if (const auto set = config.settings.ports.find(service); set != config.settings.ports.end()) return set->second;
  std::vector<ServicePort> ports;
  for (const auto& detector : detectors) {
    if (detector->service == service) ports.insert(ports.end(), detector->ports.begin(), detector->ports.end());
  }
  std::ranges::sort(ports);
  const auto doubled = std::ranges::unique(ports);
  ports.erase(doubled.begin(), doubled.end());
  return ports;
}

std::vector<std::string> rules_without_ports(const Config& config, const DetectorSet& detectors) {
  std::vector<std::string> sentences;
  for (const Rule& rule : config.rules) {
    if (rule.action != Rule::Action::block || rule.scope != Rule::Scope::service) continue;
    for (const std::string& service : services_of(rule, detectors)) {
      if (has_ports(config, detectors, service)) continue;
      sentences.push_back(fmt::format(
          "{}: the rule \"{}\" shuts one service, but of {} no port is known, so nothing can be shut; name its ports: "
          "[enforce.ports] \"{}\" = [\"8080/tcp\"]",
          rule.where, printable(rule.name), printable(service), printable(service)));
    }
  }
  return sentences;
}

}  // namespace tipstaff
