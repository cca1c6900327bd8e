// Whether an attacking address looks like somebody's hacked machine rather than an attacker's own: a confirmed name under
// a government, parliament, health or education suffix or with one of the administrator's words, or an address in a network
// that he lists. A first sign for the alert; the full triage is made with more sources.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"

namespace tipstaff {

struct VictimSigns {
  std::vector<std::string> words;   ///< of the administrator; compared with the labels of the name, ASCII case aside
  std::vector<IpNetwork> networks;  ///< likewise listed
};

/// What is known of the address.
struct VictimFacts {
  IpAddress address;
  std::string name;    ///< confirmed; else empty
  std::string domain;  ///< registrable domain of the name
  std::vector<std::string> roles;
  std::string country;
};

/// "government", "parliament", "health", "education"; empty: the name says nothing of the kind. By suffixes that only such
/// bodies get (gov, gov.xx, gouv.fr, mil, edu, ac.xx, nhs.uk ...) and by labels of the registrable domain ("parliament").
[[nodiscard]] std::string_view kind_of_name(std::string_view name, std::string_view domain);

/// Why it may be a victim, as the alert says it: "the mail server of parliament.example (government, XX)". Empty: no sign.
[[nodiscard]] std::string possible_victim(const VictimFacts& facts, const VictimSigns& signs);

}  // namespace tipstaff
