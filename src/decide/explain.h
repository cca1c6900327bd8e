// What the decision stage makes of one attempt, in words, for `tipstaff explain`: the exemption that holds or each rule
// with the reason why it looks at the attempt or not, with file and line. It asks the very functions the engine asks;
// it does not count, so it says what a try adds to, not how full a rule is. And the same for an address without an attempt:
// every exemption that holds it, and the rules that would look at it.
#pragma once

#include <string>
#include <vector>

#include "decide/config.h"
#include "detect/attempt.h"

namespace tipstaff {

/// Sentences, one a line, in the order in which the engine goes. `live`: what is exempt beside the configuration; may be
/// null.
[[nodiscard]] std::vector<std::string> explain(const Config& config, const Attempt& attempt,
                                               const Exemptions* live = nullptr);

/// One exemption that holds an address.
struct ExemptionAnswer {
  IpNetwork network;
  ExemptionKind kind = ExemptionKind::listed;
  std::string where;     ///< "file:line", or who says so
  std::string sentence;  ///< "192.0.2.7 is exempt by 192.0.2.0/24 (t.toml:3): never counted, never blocked"
};
/// All that hold it, those of the configuration first. Empty: it is not exempt.
[[nodiscard]] std::vector<ExemptionAnswer> exemptions_of(const Config& config, const Exemptions* live,
                                                         IpAddress address);

/// What a rule makes of an address.
struct RuleAnswer {
  const Rule* rule = nullptr;  ///< lives as long as the Config
  bool looks = true;           ///< false: the address is exempt from this rule
  std::string sentence;        ///< with file and line
};
/// Every rule in its order. That the address is exempt from all of them is exemptions_of()'s to say.
[[nodiscard]] std::vector<RuleAnswer> rules_for(const Config& config, IpAddress address);

}  // namespace tipstaff
