#include "control/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string_view>

#include "base/text.h"
#include "control/moment.h"
#include "control/verdict_text.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kNamesShown = 10;     // hosts, accounts, addresses in the headline of the table
constexpr std::size_t kVerdictsShown = 20;  // likewise, the newest
constexpr std::size_t kWidest = 40;         // a longer account or method pushes its line out

// Columns a terminal needs: code points, which is what fmt pads by for all but the widest scripts.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

void widen(std::size_t& width, std::string_view text) { width = std::max(width, std::min(width_of(text), kWidest)); }

std::string padded(std::string text, std::size_t width) {
  const std::size_t wide = width_of(text);
  if (wide < width) text.append(width - wide, ' ');
  return text;
}

std::string_view success_text(RowOutcome outcome) {
  return outcome == RowOutcome::failure ? "No" : outcome == RowOutcome::success ? "Yes" : "Probe";
}

std::string_view outcome_name(RowOutcome outcome) {
  return outcome == RowOutcome::failure ? "failure" : outcome == RowOutcome::success ? "success" : "probe";
}

std::string name_text(const std::string& name, bool hidden) {
  if (hidden) return fmt::format("(a password: {})", printable(name));
  return name.empty() ? "(empty)" : printable(name);
}

std::string account_text(const StoredAttempt& row) {
  return row.account ? name_text(*row.account, row.hidden_account) : "-";
}

std::string extra_text(const StoredAttempt& row) {
  std::string text = printable(row.extra);
  if (row.count > 1) text += fmt::format("{}({} tries)", text.empty() ? "" : " ", row.count);
  return text.empty() ? "-" : text;
}

std::string dash_if_empty(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string time_text(const std::optional<Instant>& time, const TimeZone& zone) {
  return time ? to_clock_text(*time, zone) : "-";
}

// "root (35), admin (2) and 3 more".
std::string names_text(const NameCounts& counts) {
  std::string text;
  const std::size_t shown = std::min(counts.names.size(), kNamesShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const NameCount& one = counts.names[i];
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", name_text(one.name, one.hidden), one.tries);
  }
  if (counts.names.size() > shown || counts.more) {
    text += fmt::format(" and {}{} more", counts.more ? "at least " : "", counts.names.size() - shown);
  }
  return text.empty() ? "none" : text;
}

std::string verdict_text(const StoredVerdict& verdict, const TimeZone& zone) {
  const auto clock = [&zone](Instant time) { return to_clock_text(time, zone); };
  return clock(verdict.at) + "  " + action_text(verdict, clock);
}

// RFC 4180. A cell that begins like a formula gets an apostrophe: whoever picks an account name must not make a
// spreadsheet compute.
std::string cell(std::string text) {
  if (!text.empty() && std::string_view("=+-@").find(text.front()) != std::string_view::npos) text.insert(0, 1, '\'');
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

json::value utf8(std::string_view text) { return json::value(json::string(to_utf8(text))); }

json::value text_or_null(std::string_view text) { return text.empty() ? json::value(nullptr) : utf8(text); }

template <class T>
json::value text_or_null(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_same_v<T, Instant>) {
    return utf8(to_rfc3339(*value));
  } else if constexpr (std::is_same_v<T, std::string>) {
    return utf8(*value);
  } else {
    return utf8(value->to_string());
  }
}

json::array to_json(const NameCounts& counts) {
  json::array all;
  for (const auto& one : counts.names) {
    all.push_back(json::object{{"name", utf8(one.name)}, {"hidden", one.hidden}, {"tries", one.tries}});
  }
  return all;
}

json::object to_json(const StoredVerdict& verdict) {
  return json::object{{"id", verdict.id},
                      {"kind", utf8(kind_name(verdict.kind))},
                      {"watch_only", verdict.watch_only},
                      {"rule", utf8(verdict.rule)},
                      {"network", text_or_null(verdict.network)},
                      {"account", text_or_null(verdict.account)},
                      {"service", text_or_null(verdict.service)},
                      {"host", text_or_null(verdict.host)},
                      {"at", utf8(to_rfc3339(verdict.at))},
                      {"until", verdict.until == Instant::max() ? json::value(nullptr) : text_or_null(verdict.until)},
                      {"by", text_or_null(verdict.by)},
                      {"why", text_or_null(verdict.why)},
                      {"dropped", verdict.kind == VerdictKind::drops ? json::value(verdict.dropped) : nullptr}};
}

// Members of an object without its braces.
std::string members(const json::object& object) {
  const std::string text = json::serialize(object);
  return text.substr(1, text.size() - 2);
}

std::string number_text(std::size_t number, bool more) { return fmt::format("{}{}", number, more ? "+" : ""); }

}  // namespace

ColumnWidths::ColumnWidths(const ReportIndex& index, const std::vector<StoredAttempt>& first_rows)
    : address(15), origin(8), account(12), extra(10) {
  for (const auto& one : index.addresses.names) widen(address, one.name);
  for (const auto& one : index.accounts.names) widen(account, name_text(one.name, one.hidden));
  for (const auto& row : first_rows) {
    widen(origin, printable(row.origin));
    widen(extra, extra_text(row));
  }
}

std::string to_text(const ReportSubject& subject, const TimeZone& zone) {
  std::string text = "attempts";
  if (subject.network) text += " of " + subject.network->to_string();
  if (subject.account) {
    text += subject.account->empty() ? " on the empty account" : " on account " + printable(*subject.account);
  }
  if (subject.since) text += " since " + to_clock_text(*subject.since, zone);
  if (subject.until) text += " until " + to_clock_text(*subject.until, zone);
  if (subject.since || subject.until) text += fmt::format(" ({})", zone.name());
  return text;
}

std::string table_headline(const ReportSubject& subject, const ReportIndex& index, const TimeZone& zone) {
  const SubjectSummary& summary = index.summary;
  std::string text = fmt::format("Access report: {}\n\n", to_text(subject, zone));
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("  {:12}{}\n", name, value);
  };
  line("first seen", time_text(summary.first, zone));
  line("last seen", time_text(summary.last, zone));
  line("failures", fmt::format("{}", summary.failures));
  line("successes", fmt::format("{}", summary.successes));
  line("probes", fmt::format("{}", summary.probes));
  if (!subject.network || !subject.network->is_host()) line("addresses", names_text(index.addresses));
  line("hosts", names_text(index.hosts));
  line("accounts", names_text(index.accounts));
  const std::size_t count = index.verdicts.size();
  line("verdicts", count == 0 ? "none" : fmt::format("{}", count));
  const std::size_t left_out = count > kVerdictsShown ? count - kVerdictsShown : 0;
  if (left_out != 0) text += fmt::format("    ({} older ones: see --format json)\n", left_out);
  for (std::size_t i = left_out; i < count; ++i) {
    text += fmt::format("    {}\n", verdict_text(index.verdicts[i], zone));
  }
  if (index.more) text += fmt::format("\n  Only the newest {} rows are listed.\n", index.rows.size());
  return text + '\n';
}

std::string table_header(const ColumnWidths& widths, const TimeZone& zone) {
  return fmt::format("{:{}}  {:19}  {:7}  {:{}}  {:{}}  {:{}}  Host\n", "FromIPAddress", widths.address,
                     fmt::format("Date ({})", zone.name()), "Success", "Origin", widths.origin, "Account",
                     widths.account, "Extra", widths.extra);
}

std::string table_row(const StoredAttempt& row, const ColumnWidths& widths, const TimeZone& zone) {
  std::string text = fmt::format(
      "{}  {}  {:7}  {}  {}  {}  {}\n", padded(row.address ? row.address->to_string() : "-", widths.address),
      to_clock_text(row.when(), zone), success_text(row.outcome), padded(dash_if_empty(row.origin), widths.origin),
      padded(account_text(row), widths.account), padded(extra_text(row), widths.extra), dash_if_empty(row.host));
  for (const auto& line : row.raw) text += fmt::format("    | {}\n", printable(line));
  return text;
}

std::string csv_header(bool raw) {
  return fmt::format("FromIPAddress,Date,Success,Origin,Account,Extra,Host{}\n", raw ? ",Raw" : "");
}

std::string csv_row(const StoredAttempt& row, const TimeZone& zone, bool raw) {
  std::string account;
  if (row.account && !row.account->empty()) account = account_text(row);
  std::string line =
      fmt::format("{},{},{},{},{},{},{}", row.address ? row.address->to_string() : "", to_clock_text(row.when(), zone),
                  success_text(row.outcome), cell(printable(row.origin)), cell(std::move(account)),
                  cell(printable(row.extra)), cell(printable(row.host)));
  if (raw) {
    std::string lines;
    for (const auto& one : row.raw) lines += (lines.empty() ? "" : "\n") + printable(one);
    line += "," + cell(std::move(lines));
  }
  return line + '\n';
}

std::string json_headline(const ReportSubject& subject, const ReportIndex& index) {
  const SubjectSummary& summary = index.summary;
  json::array verdicts;
  for (const auto& verdict : index.verdicts) verdicts.push_back(to_json(verdict));
  const bool names_cut = index.addresses.more || index.accounts.more || index.hosts.more;
  return members(json::object{{"subject", json::object{{"network", text_or_null(subject.network)},
                                                       {"account", text_or_null(subject.account)},
                                                       {"since", text_or_null(subject.since)},
                                                       {"until", text_or_null(subject.until)}}},
                              {"headline", json::object{{"first", text_or_null(summary.first)},
                                                        {"last", text_or_null(summary.last)},
                                                        {"failures", summary.failures},
                                                        {"successes", summary.successes},
                                                        {"probes", summary.probes},
                                                        {"addresses", to_json(index.addresses)},
                                                        {"hosts", to_json(index.hosts)},
                                                        {"accounts", to_json(index.accounts)},
                                                        {"names_cut", names_cut},
                                                        {"verdicts", std::move(verdicts)}}}});
}

std::string json_row(const StoredAttempt& row, bool raw) {
  json::object object{{"id", row.id},
                      {"address", text_or_null(row.address)},
                      {"time", utf8(to_rfc3339(row.when()))},
                      {"time_read", row.time.has_value()},
                      {"outcome", outcome_name(row.outcome)},
                      {"count", row.count},
                      {"port", row.port != 0 ? json::value(row.port) : json::value(nullptr)},
                      {"account", text_or_null(row.account)},
                      {"account_hidden", row.hidden_account},
                      {"service", text_or_null(row.service)},
                      {"detector", text_or_null(row.detector)},
                      {"origin", text_or_null(row.origin)},
                      {"extra", text_or_null(row.extra)},
                      {"host", text_or_null(row.host)},
                      {"source", utf8(row.key.source)},
                      {"recorded", utf8(to_rfc3339(row.recorded))}};
  if (raw) {
    json::array lines;
    for (const auto& line : row.raw) lines.push_back(utf8(line));
    object["raw"] = std::move(lines);
  }
  return json::serialize(object);
}

std::string json_ending(bool complete, const std::vector<std::string>& problems) {
  json::array list;
  for (const auto& problem : problems) list.push_back(utf8(problem));
  return members(json::object{{"complete", complete}, {"problems", std::move(list)}});
}

std::string busy_table(const std::vector<BusyRow>& rows, const TimeZone& zone) {
  std::size_t width = 15;
  for (const auto& row : rows) widen(width, row.busy.address.to_string());
  const std::string first = fmt::format("First ({})", zone.name());
  std::string text = fmt::format("{:{}}  {:>8}  {:>9}  {:19}  {:19}  {:>8}  {:>5}\n", "FromIPAddress", width,
                                 "Failures", "Successes", first, "Last", "Accounts", "Hosts");
  for (const auto& row : rows) {
    const SubjectSummary& summary = row.busy.summary;
    text +=
        fmt::format("{:{}}  {:>8}  {:>9}  {:19}  {:19}  {:>8}  {:>5}\n", row.busy.address.to_string(), width,
                    summary.failures, summary.successes, time_text(summary.first, zone), time_text(summary.last, zone),
                    number_text(row.accounts, row.more), number_text(row.hosts, row.more));
  }
  if (std::ranges::any_of(rows, &BusyRow::more))
    text += "\n+ of the newest rows; 'tipstaff report ADDRESS' counts all.\n";
  return text;
}

std::string busy_csv(const std::vector<BusyRow>& rows, const TimeZone& zone) {
  std::string text = "FromIPAddress,Failures,Successes,First,Last,Accounts,Hosts\n";
  for (const auto& row : rows) {
    const SubjectSummary& summary = row.busy.summary;
    text += fmt::format("{},{},{},{},{},{},{}\n", row.busy.address.to_string(), summary.failures, summary.successes,
                        summary.first ? to_clock_text(*summary.first, zone) : "",
                        summary.last ? to_clock_text(*summary.last, zone) : "", number_text(row.accounts, row.more),
                        number_text(row.hosts, row.more));
  }
  return text;
}

std::string busy_json(const std::vector<BusyRow>& rows) {
  json::array all;
  for (const auto& row : rows) {
    const SubjectSummary& summary = row.busy.summary;
    all.push_back(json::object{{"address", utf8(row.busy.address.to_string())},
                               {"failures", summary.failures},
                               {"successes", summary.successes},
                               {"probes", summary.probes},
                               {"first", text_or_null(summary.first)},
                               {"last", text_or_null(summary.last)},
                               {"accounts", row.accounts},
                               {"hosts", row.hosts},
                               {"names_cut", row.more}});
  }
  return members(json::object{{"attackers", std::move(all)}});
}

}  // namespace tipstaff
