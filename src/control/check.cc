#include "control/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <iterator>
#include <sstream>

#include "base/text.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "decide/definitions.h"
#include "decide/service_ports.h"
#include "mail/mail_settings.h"

namespace tipstaff {

int run_check(const CheckOptions& options) {
  if (options.keys) {
    print_out("{}", list_keys());
    return kGood;
  }
  const auto config = setup_config(options.rules);
  const auto detectors = setup_detectors(options.detectors);
  std::string problems;
  if (!config) problems += config.error().message() + "\n";
  if (!detectors) problems += detectors.error().message() + "\n";
  bool mail = true;
  if (config) {  // [mail] and [webhook], whose values are the desk's to read
    LayerOptions layers;
    layers.file = options.rules;
    if (const auto outward = load_outward_settings(layers); !outward) {
      mail = false;
      problems += to_text(outward.error());
      if (!problems.ends_with('\n')) problems += '\n';
    }
  }
  const bool good = config && detectors && mail;
  print_error("{}", problems);
  std::vector<std::string> warnings;
  if (config && detectors) warnings = rules_without_ports(**config, *detectors);
  if (config) std::ranges::copy((*config)->without_facts, std::back_inserter(warnings));
  for (const std::string& warning : warnings) print_error("warning: {}\n", warning);
  if (options.json) {
    boost::json::object all;
    all["good"] = good;
    boost::json::array rules;
    if (config) {
      for (const auto& rule : (*config)->rules)
        rules.push_back(boost::json::object{
            {"name", to_utf8(rule.name)}, {"where", rule.where}, {"explanation", to_utf8(rule.explain())}});
    }
    all["rules"] = std::move(rules);
    boost::json::array lines;
    std::istringstream text(problems);
    for (std::string line; std::getline(text, line);) lines.push_back(boost::json::string(to_utf8(line)));
    all["problems"] = std::move(lines);
    boost::json::array cautions;
    for (const std::string& warning : warnings) cautions.push_back(boost::json::string(to_utf8(warning)));
    all["warnings"] = std::move(cautions);
    print_out("{}\n", boost::json::serialize(all));
  } else if (good) {
    for (const auto& rule : (*config)->rules)
      print_out("{}  ({})\n    {}\n", printable(rule.name), rule.where, printable(rule.explain()));
    print_out("{} rules and {} detectors are in order.\n", (*config)->rules.size(), detectors->size());
    for (const auto& file : (*config)->files) print_out("  read: {}\n", file);
  }
  return good ? kGood : kUsage;
}

}  // namespace tipstaff
