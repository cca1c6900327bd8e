#include "control/verdict_text.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tipstaff {
namespace {

std::string_view verb_of(const VerdictRow& verdict) {
  switch (verdict.kind) {
    case VerdictKind::block:
      if (verdict.until && *verdict.until <= verdict.at) return "took back the block of";
      return verdict.watch_only ? "would block" : "blocked";
    case VerdictKind::alert:
      return verdict.watch_only ? "would alert" : "alert";
    case VerdictKind::unblock:
      return "unblocked";
    case VerdictKind::exempt:
      return verdict.until && *verdict.until <= verdict.at ? "no longer exempt:" : "exempt:";
    case VerdictKind::drops:
      break;
  }
  return "dropped from";
}

}  // namespace

std::string_view kind_name(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::block:
      return "block";
    case VerdictKind::alert:
      return "alert";
    case VerdictKind::unblock:
      return "unblock";
    case VerdictKind::exempt:
      return "exempt";
    case VerdictKind::drops:
      break;
  }
  return "drops";
}

std::string action_text(const VerdictRow& verdict, const std::function<std::string(Instant)>& clock) {
  std::string text(verb_of(verdict));
  if (verdict.network) {
    text += " " + verdict.network->to_string();
  } else if (verdict.kind == VerdictKind::unblock) {
    text += " all";
  }
  if (verdict.account) text += fmt::format(" account {}", printable(*verdict.account));
  if (!verdict.service.empty()) text += ", service " + printable(verdict.service);
  const bool lasts = verdict.until && *verdict.until > verdict.at;
  if (lasts && verdict.kind != VerdictKind::unblock && verdict.kind != VerdictKind::drops)
    text += *verdict.until == Instant::max() ? " for ever" : " until " + clock(*verdict.until);
  if (verdict.kind == VerdictKind::drops) text += fmt::format(": {} packets", verdict.dropped);
  if (!verdict.rule.empty()) text += fmt::format(", rule \"{}\"", printable(verdict.rule));
  if (!verdict.by.empty()) text += " by " + printable(verdict.by);
  if (!verdict.host.empty()) text += " on " + printable(verdict.host);
  if (!verdict.why.empty()) text += ": " + printable(verdict.why);
  return text;
}

}  // namespace tipstaff
