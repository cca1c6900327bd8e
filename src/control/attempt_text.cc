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

// Adds up the fields of one attempt, each salted by its number; the terms do not wait for each other.
class Checksum {
 public:
  void add(std::uint64_t value) {
    value = (value ^ salt_) * 0xbf58476d1ce4e5b9ULL;
    sum_ += value ^ (value >> 29U);
    salt_ += 0x9e3779b97f4a7c15ULL;
  }
  void add(std::string_view text) {
    std::size_t left = text.size();
    for (const char* at = text.data(); left > 8; at += 8, left -= 8) add(word_of(at, 8));
    // the length enters too: a text that ends in zeros is another one
    add(word_of(text.data() + text.size() - left, left) ^ (text.size() << 56U));
  }
  [[nodiscard]] std::uint64_t value() const { return mix(sum_); }

 private:
  std::uint64_t sum_ = 0;
  std::uint64_t salt_ = 0x7469707374616666ULL;
};

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
  Checksum sum;
  sum.add(static_cast<std::uint64_t>(attempt.outcome) << 32U | attempt.count);
  sum.add(attempt.line);
  const std::uint64_t known = (attempt.address ? 1U : 0U) | (attempt.has_account ? 2U : 0U) | (attempt.time ? 4U : 0U);
  sum.add(std::uint64_t{attempt.port} << 8U | known);
  sum.add(attempt.address ? attempt.address->high() : 0);
  sum.add(attempt.address ? attempt.address->low() : 0);
  sum.add(attempt.time ? static_cast<std::uint64_t>(attempt.time->time_since_epoch().count()) : 0);
  sum.add(attempt.account);
  sum.add(attempt.service);
  sum.add(attempt.detector);
  sum.add(attempt.origin);
  sum.add(attempt.extra);
  sum.add(attempt.host);
  for (std::size_t i = 0; i < attempt.lines.size(); ++i) sum.add(attempt.lines[i]);
  return sum.value();
}

}  // namespace tipstaff
