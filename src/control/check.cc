#include "control/check.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>

#include "base/text.h"
#include "control/scan.h"
#include "control/setup.h"
#include "decide/definitions.h"

namespace tipstaff {

int run_check(const CheckOptions& options) {
  if (options.keys) {
    fmt::print("{}", list_keys());
    return kGood;
  }
  const auto config = setup_config(options.rules);
  const auto detectors = setup_detectors(options.detectors);
  if (!config) fmt::print(stderr, "{}\n", config.error().message());
  if (!detectors) fmt::print(stderr, "{}\n", detectors.error().message());
  if (options.json) {
    boost::json::object all;
    all["good"] = config.has_value() && detectors.has_value();
    boost::json::array rules;
    if (config) {
      for (const auto& rule : (*config)->rules) rules.push_back(boost::json::object{{"name", to_utf8(rule.name)}, {"where", rule.where}, {"explanation", to_utf8(rule.explain())}});
    }
    all["rules"] = std::move(rules);
    fmt::print("{}\n", boost::json::serialize(all));
  } else if (config && detectors) {
    for (const auto& rule : (*config)->rules) fmt::print("{}  ({})\n    {}\n", printable(rule.name), rule.where, printable(rule.explain()));
    fmt::print("{} rules and {} detectors are in order.\n", (*config)->rules.size(), detectors->size());
    for (const auto& file : (*config)->files) fmt::print("  read: {}\n", file);
  }
  return config && detectors ? kGood : kUsage;
}

}  // namespace tipstaff
