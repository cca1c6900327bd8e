#include "control/attempt_text.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/text.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::value(json::string(to_utf8(text)));
}

std::uint64_t mix(std::uint64_t sum, std::uint64_t value) {
  sum = (sum ^ value) * 0x9e3779b97f4a7c15ULL;
  return sum ^ (sum >> 29U);
}

std::uint64_t mix(std::uint64_t sum, std::string_view text) {
  std::size_t left = text.size();
  sum = mix(sum, left);
  for (const char* at = text.data(); left > 0;) {
    const std::size_t step = std::min<std::size_t>(left, 8);
    sum = mix(sum, word_of(at, step));
    at += step;
    left -= step;
  }
  return sum;
}

}  // namespace

std::string to_json(const Attempt& attempt, std::string_view file) {
  json::array lines;
  for (std::size_t i = 0; i < attempt.lines.size(); ++i) lines.push_back(attempt.lines[i]);
  json::object object;
  object["line"] = attempt.line;
  object["lines"] = std::move(lines);
  object["file"] = json::string(to_utf8(file));
  object["time"] = attempt.time ? json::value(json::string(to_rfc3339(*attempt.time))) : json::value(nullptr);
  object["outcome"] = json::string(to_text(attempt.outcome));
  object["address"] = attempt.address ? json::value(json::string(attempt.address->to_string())) : json::value(nullptr);
  object["port"] = attempt.port != 0 ? json::value(attempt.port) : json::value(nullptr);
  object["account"] = attempt.has_account ? json::value(json::string(to_utf8(attempt.account))) : json::value(nullptr);
  object["service"] = text_or_null(attempt.service);
  object["detector"] = text_or_null(attempt.detector);
  object["origin"] = text_or_null(attempt.origin);
  object["extra"] = text_or_null(attempt.extra);
  object["host"] = text_or_null(attempt.host);
  object["count"] = attempt.count;
  return json::serialize(object);
}

std::string to_text_line(const Attempt& attempt) {
  const std::string account = !attempt.has_account      ? "-"
                              : attempt.account.empty() ? "(empty)"
                                                        : printable(attempt.account);
  std::string line = fmt::format("{:20}  {:7}  {:15}  {:20}  {:10}", attempt.time ? to_rfc3339(*attempt.time) : "-",
                                 to_text(attempt.outcome), attempt.address ? attempt.address->to_string() : "-",
                                 account, attempt.service);
  if (!attempt.extra.empty()) line += "  " + printable(attempt.extra);
  if (!attempt.host.empty()) line += "  on " + printable(attempt.host);
  if (attempt.count > 1) line += fmt::format("  ({} tries)", attempt.count);
  return line;
}

std::uint64_t checksum_of(const Attempt& attempt) {
  std::uint64_t sum = mix(static_cast<std::uint64_t>(attempt.outcome) << 32U | attempt.count, attempt.line);
  if (attempt.address) sum = mix(mix(sum, attempt.address->high()), attempt.address->low());
  sum = mix(sum, std::uint64_t{attempt.port} << 1U | (attempt.has_account ? 1U : 0U));
  if (attempt.time) sum = mix(sum, static_cast<std::uint64_t>(attempt.time->time_since_epoch().count()));
  for (const std::string_view text :
       {std::string_view(attempt.account), attempt.service, attempt.detector, attempt.origin,
        std::string_view(attempt.extra), std::string_view(attempt.host)}) {
    sum = mix(sum, text);
  }
  for (std::size_t i = 0; i < attempt.lines.size(); ++i) sum = mix(sum, attempt.lines[i]);
  return sum;
}

}  // namespace tipstaff
