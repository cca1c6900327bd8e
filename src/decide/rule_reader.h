// One [[rule]] table -> a checked Rule. Single keys are checked by the definitions; here is what keys mean together:
// what a rule cannot do without, and combinations that would do nothing or hit the innocent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/toml_file.h"
#include "decide/rules.h"

namespace tipstaff {

/// A rule as a file tells it.
struct RuleEntry {
  Rule rule;
  bool enabled = true;
  bool name_only = false;  ///< only name and enabled: it speaks of a rule of an earlier layer
};

/// Nothing where the table has errors; they are appended to `errors`.
[[nodiscard]] std::optional<RuleEntry> read_rule(const TomlValue& table, const std::string& file,
                                                 std::vector<Error>& errors);

}  // namespace tipstaff
