// Web access logs: [vhost ]address ident user [time] "request" status ...
// Who writes what: the server writes the address; with a vhost column in front of it that may be the Host header, which the
// client chooses, and the ident column is the client's too. So where the first two columns are both addresses nobody can
// tell which is the client's, and there is none. User and request are the client's; they stand behind the address, and the
// server escapes quotes in them (Apache \", nginx \x22).
#include <array>

#include "base/text.h"
#include "detect/recognizer.h"

namespace tipstaff {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_word(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const std::size_t blank = text.find(' ');
  const std::string_view word = text.substr(0, blank);
  text.remove_prefix(word.size());
  return word;
}

bool any_fits(const std::vector<std::string>& patterns, std::string_view text) {
  for (const auto& pattern : patterns) {
    if (glob_match(pattern, text)) return true;
  }
  return patterns.empty();
}

}  // namespace

bool read_web_request(std::string_view line, WebRequest& request) {
  std::size_t open = 0;  // the bracket of the stamp: " [DD/"
  while (true) {
    open = line.find(" [", open);
    if (open == std::string_view::npos || open > 1024) return false;
    if (open + 8 < line.size() && is_digit(line[open + 2]) && line[open + 4] == '/') break;
    ++open;
  }
  std::string_view columns = line.substr(0, open);
  const std::string_view first = take_word(columns);
  std::string_view after_first = columns;
  const std::string_view second = take_word(columns);
  const auto first_address = IpAddress::parse(first);
  const auto second_address = IpAddress::parse(second);
  if (second_address) {  // vhost in front, or an ident answer: see above
    after_first = columns;
    take_word(after_first);
    if (!first_address) request.address = *second_address;
    request.has_address = !first_address;
  } else {
    if (!first_address) return false;
    take_word(after_first);
    request.address = *first_address;
    request.has_address = true;
  }
  while (after_first.starts_with(' ')) after_first.remove_prefix(1);
  if (!after_first.empty() && after_first != "-" && after_first != "\"\"") {
    request.account = after_first;
    request.has_account = true;
  }
  std::size_t at = line.find("] \"", open);
  if (at == std::string_view::npos) return false;
  at += 3;
  std::size_t end = at;
  while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
  if (end >= line.size()) return false;
  std::string_view text = line.substr(at, end - at);
  request.method = take_word(text);
  std::string_view target = take_word(text);
  if (const std::size_t scheme = target.find("://");
      scheme != std::string_view::npos && scheme < 6) {  // absolute form, RFC 9112 3.2.2
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  request.query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  std::string_view rest = line.substr(end + 1);
  const std::string_view status = take_word(rest);
  if (status.size() != 3 || !is_digit(status[0]) || !is_digit(status[1]) || !is_digit(status[2])) return false;
  request.status = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
  return true;
}

Kind judge_request(const std::vector<RequestPattern>& patterns, const WebRequest& request) {
  for (const auto& pattern : patterns) {
    bool status = pattern.statuses.empty();
    for (const auto wanted : pattern.statuses) status = status || wanted == request.status;
    if (!status || (pattern.account && *pattern.account != request.has_account)) continue;
    if (!any_fits(pattern.methods, request.method) || !any_fits(pattern.paths, request.path) ||
        !any_fits(pattern.queries, request.query))
      continue;
    return pattern.kind;
  }
  return Kind::harmless;
}

}  // namespace tipstaff
