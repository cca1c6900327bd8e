#include "alert/word_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "alert/alert_text.h"
#include "base/text.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 200;

std::string shown(std::string_view text) { return printable(text.substr(0, kLongest)); }

std::string escaped(std::string_view text) { return escape_html(text.substr(0, kLongest)); }

// "412 (a week before: 398)"
std::string against(std::int64_t now, std::int64_t before) {
  return fmt::format("{} (a week before: {})", now, before);
}

std::string first_line(const WordFacts& facts) {
  if (!facts.guarded) return "NOT GUARDED: the guard does not answer on this machine.";
  if (facts.watch_only)
    return fmt::format(
        "NOT BLOCKING: would have blocked {}, {} of them later logged in; enforce with tipstaff guard "
        "--enforce",
        facts.now.blocks, facts.blocked_then_logged_in);
  return fmt::format("Blocked {}, {} of them later logged in.", facts.now.blocks, facts.blocked_then_logged_in);
}

std::string disk_line(const WordFacts& facts) {
  if (!facts.disk_free) return {};
  const auto mib = *facts.disk_free >> 20U;
  std::string text = mib >= 10'240 ? fmt::format("{} GiB", mib >> 10U) : fmt::format("{} MiB", mib);
  text = "Disk: " + text + " are left";
  if (facts.disk_days) text += fmt::format(", enough for {} days at last week's speed", *facts.disk_days);
  return text + ".";
}

std::string attacker_line(const WordAttacker& one) {
  std::string text = one.address;
  if (!one.country.empty()) text += fmt::format(" [{}]", shown(one.country));
  if (!one.name.empty()) text += " " + shown(one.name);
  return text;
}

std::vector<std::string> counts(const WordFacts& facts) {
  const WordCounts& now = facts.now;
  const WordCounts& before = facts.before;
  const auto whole = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  return {
      "Failed logins: " + against(now.failures, before.failures), "Logins: " + against(now.successes, before.successes),
      "Addresses: " + std::string(now.cut ? "more than " : "") + against(whole(now.addresses), whole(before.addresses)),
      std::string(facts.watch_only ? "Would be blocks: " : "Blocks: ") +
          against(whole(now.blocks), whole(before.blocks)),
      "Alerts: " + against(whole(now.alerts), whole(before.alerts))};
}

}  // namespace

std::string word_subject(const WordFacts& facts, const TimeZone& zone) {
  const std::string day = moment_text(facts.to, zone).substr(0, 10);
  if (!facts.guarded) return fmt::format("{}: NOT GUARDED ({})", shown(facts.host), day);
  const auto ill = std::ranges::count(facts.sources, false, &WordSource::well);
  return fmt::format("{}: {} failed logins, {} {}{} ({})", shown(facts.host), facts.now.failures, facts.now.blocks,
                     facts.watch_only ? "would be blocked" : "blocked",
                     ill > 0 ? fmt::format(", {} BLIND", ill) : std::string(), day);
}

std::string word_text(const WordFacts& facts, const TimeZone& zone) {
  std::string text = first_line(facts) + "\n\n";
  text +=
      fmt::format("{}\n{} to\n{}\n\n", shown(facts.host), moment_text(facts.from, zone), moment_text(facts.to, zone));
  for (const std::string& line : counts(facts)) text += line + "\n";
  if (facts.now.failures == 0 && facts.now.successes == 0) text += "Nothing was logged: nobody even tried.\n";
  if (!facts.unusual.empty()) {
    text += "\nUnusual:\n";
    for (const std::string& one : facts.unusual) text += "- " + shown(one) + "\n";
  }
  if (!facts.top.empty()) {
    text += "\nTop attackers:\n";
    for (const WordAttacker& one : facts.top) text += fmt::format("{:>7}  {}\n", one.failures, attacker_line(one));
  }
  text += "\nSources:\n";
  for (const WordSource& one : facts.sources) text += fmt::format("- {}\n  {}\n", shown(one.name), shown(one.state));
  if (facts.sources.empty()) text += "- none: nothing is watched\n";
  text += "\n";
  if (const std::string disk = disk_line(facts); !disk.empty()) text += disk + "\n";
  if (facts.waiting > 0) text += fmt::format("{} messages wait to be sent: tipstaff alerts list\n", facts.waiting);
  if (!facts.chain_head.empty()) text += "Ledger: " + shown(facts.chain_head) + "\n";
  return text;
}

std::string word_html(const WordFacts& facts, const TimeZone& zone) {
  std::string html =
      "<!doctype html><html><body style=\"font-family:sans-serif;max-width:40em\">"
      "<p><b>" +
      escaped(first_line(facts)) + "</b></p>";
  html += fmt::format("<p>{}, {} to {}</p><ul>", escaped(facts.host), escaped(moment_text(facts.from, zone)),
                      escaped(moment_text(facts.to, zone)));
  for (const std::string& line : counts(facts)) html += "<li>" + escaped(line) + "</li>";
  html += "</ul>";
  if (!facts.unusual.empty()) {
    html += "<p><b>Unusual</b></p><ul>";
    for (const std::string& one : facts.unusual) html += "<li>" + escaped(one) + "</li>";
    html += "</ul>";
  }
  const std::int64_t most = facts.days.empty() ? 0 : *std::ranges::max_element(facts.days);
  if (most > 0) {  // a bar for each day
    html += "<p><b>Failed logins, day by day</b></p><table role=\"img\" cellspacing=\"2\"><tr valign=\"bottom\">";
    for (const std::int64_t one : facts.days)
      html += fmt::format("<td><div style=\"background:#b33;width:24px;height:{}px\"></div></td>", 1 + one * 60 / most);
    html += "</tr><tr>";
    for (const std::int64_t one : facts.days) html += fmt::format("<td style=\"font-size:70%\">{}</td>", one);
    html += "</tr></table>";
  }
  if (!facts.top.empty()) {
    html += "<p><b>Top attackers</b></p><table>";
    const std::int64_t highest = std::max<std::int64_t>(facts.top.front().failures, 1);
    for (const WordAttacker& one : facts.top)
      html += fmt::format(
          "<tr><td align=\"right\">{}</td><td><div style=\"background:#b33;height:8px;width:{}px\"></div></td>"
          "<td>{}</td></tr>",
          one.failures, 1 + one.failures * 80 / highest, escaped(attacker_line(one)));
    html += "</table>";
  }
  html += "<p><b>Sources</b></p><ul>";
  for (const WordSource& one : facts.sources)
    html += fmt::format("<li{}>{}<br>{}</li>", one.well ? "" : " style=\"color:#b00\"", escaped(one.name),
                        escaped(one.state));
  html += "</ul><p>" + escaped(disk_line(facts)) + "</p>";
  if (!facts.chain_head.empty()) html += "<p style=\"font-size:70%\">Ledger: " + escaped(facts.chain_head) + "</p>";
  return html + "</body></html>\n";
}

std::string word_json(const WordFacts& facts) {
  const auto figures = [](const WordCounts& one) {
    return json::object{{"failures", one.failures},   {"successes", one.successes}, {"probes", one.probes},
                        {"addresses", one.addresses}, {"blocks", one.blocks},       {"alerts", one.alerts}};
  };
  json::array top;
  for (const WordAttacker& one : facts.top)
    top.push_back(json::object{{"address", one.address},
                               {"failures", one.failures},
                               {"name", json::string(to_utf8(one.name))},
                               {"country", json::string(to_utf8(one.country))}});
  json::array unusual;
  for (const std::string& one : facts.unusual) unusual.emplace_back(json::string(to_utf8(one)));
  return json::serialize(json::object{{"kind", "word"},
                                      {"host", json::string(to_utf8(facts.host))},
                                      {"from", json::string(to_rfc3339(facts.from))},
                                      {"to", json::string(to_rfc3339(facts.to))},
                                      {"watch_only", facts.watch_only},
                                      {"guarded", facts.guarded},
                                      {"now", figures(facts.now)},
                                      {"before", figures(facts.before)},
                                      {"blocked_then_logged_in", facts.blocked_then_logged_in},
                                      {"unusual", std::move(unusual)},
                                      {"top", std::move(top)}});
}

}  // namespace tipstaff
