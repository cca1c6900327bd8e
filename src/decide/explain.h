// What the decision stage makes of one attempt, in words, for `tipstaff explain`: the exemption that holds or each rule
// with the reason why it looks at the attempt or not, with file and line. It asks the very functions the engine asks;
// it does not count, so it says what a try adds to, not how full a rule is.
#pragma once

#include <string>
#include <vector>

#include "decide/config.h"
#include "detect/attempt.h"

namespace tipstaff {

/// Sentences, one a line, in the order in which the engine goes.
[[nodiscard]] std::vector<std::string> explain(const Config& config, const Attempt& attempt);

}  // namespace tipstaff
