// Countries and autonomous systems as rules and the allowlist name them. What an address belongs to comes from the database
// on this machine (lookup/network_facts.h); where that does not know, no rule that asks looks at the attempt: without a
// fact nobody is shut out for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "lookup/network_facts.h"

namespace tipstaff {

/// What `match` says of origins. Empty lists ask for nothing.
struct OriginMatch {
  std::vector<CountryCode> country;
  std::vector<CountryCode> not_country;
  std::vector<std::uint32_t> as;
  std::vector<std::uint32_t> not_as;

  [[nodiscard]] bool asks_country() const { return !country.empty() || !not_country.empty(); }
  [[nodiscard]] bool asks_as() const { return !as.empty() || !not_as.empty(); }
  [[nodiscard]] bool fits_country(CountryCode of) const {
    return (country.empty() || std::ranges::find(country, of) != country.end()) &&
           std::ranges::find(not_country, of) == not_country.end();
  }
  [[nodiscard]] bool fits_as(std::uint32_t of) const {
    return (as.empty() || std::ranges::find(as, of) != as.end()) && std::ranges::find(not_as, of) == not_as.end();
  }
};

/// A country or an AS on the allowlist; the other one is not set.
struct OriginExemption {
  NetworkOrigin origin;
  std::string where;  ///< "file:line"

  [[nodiscard]] bool holds(const NetworkOrigin& of) const {
    return origin.country.is_known() ? origin.country == of.country : origin.as_number == of.as_number;
  }
};

/// "country XA" or "AS64500".
[[nodiscard]] inline std::string to_words(const NetworkOrigin& origin) {
  return origin.country.is_known() ? "country " + origin.country.to_string() : "AS" + std::to_string(origin.as_number);
}

}  // namespace tipstaff
