#include "detect/expression.h"

#include <re2/re2.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace tipstaff {

bool match_expression(const re2::RE2& expression, std::string_view message, Fields& fields) {
  const auto read = [&](const re2::RE2& one, Fields& into) {
    std::vector<re2::StringPiece> groups(static_cast<std::size_t>(one.NumberOfCapturingGroups()) + 1);
    const re2::StringPiece text(message.data(), message.size());
    if (!one.Match(text, 0, text.size(), re2::RE2::ANCHOR_BOTH, groups.data(), static_cast<int>(groups.size())))
      return false;
    for (const auto& [name, index] : one.NamedCapturingGroups()) {
      const auto& group = groups[static_cast<std::size_t>(index)];
      if (group.data() == nullptr) continue;
      const std::string_view value(group.data(), group.size());
      if (name == "address") {
        if (const auto address = IpAddress::parse(value)) {
          into.address = *address;
          into.has_address = true;
        }
      } else if (name == "account") {
        into.account = value;
        into.has_account = true;
      } else if (name == "extra") {
        into.extra = value;
      } else if (name == "port") {
        const unsigned long port =
            value.size() <= 5 && !value.empty() ? std::strtoul(std::string(value).c_str(), nullptr, 10) : 0;
        into.port = port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
      }
    }
    return true;
  };
  if (!read(expression, fields)) return false;
  Fields reversed;
  const re2::RE2 lazy("(?U:" + expression.pattern() + ")", expression.options());
  if (fields.has_address && lazy.ok() && read(lazy, reversed) && reversed.address != fields.address)
    fields.has_address = false;
  return true;
}

}  // namespace tipstaff
