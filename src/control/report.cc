// The rows of a report are read from the ledger and printed a thousand at a time, so that its length costs no memory.
#include "control/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/text.h"
#include "control/moment.h"
#include "control/output.h"
#include "control/report_text.h"
#include "control/scan.h"
#include "control/setup.h"
#include "ledger/reader.h"

namespace tipstaff {
namespace {

using Format = ReportOptions::Format;

constexpr std::size_t kPage = 1'000;
constexpr std::size_t kBusy = 20;
constexpr std::size_t kMostBusy = 1'000;
constexpr std::uint32_t kMostTries = 1'000'000;  // CSV lines for one row; no log line stands for more
constexpr std::size_t kSample = 200;  // newest rows of an attacker whose accounts and hosts are counted for the list

int complain(const Error& error, int code) {
  print_error("tipstaff report: {}\n", printable(error.message()));
  return code;
}

// The options, read.
struct Wanted {
  ReportSubject subject;
  TimeZone zone;
};

Result<Wanted> read_options(const ReportOptions& options) {
  Wanted wanted;
  auto zone = TimeZone::find(options.timezone);
  if (!zone) return std::unexpected(zone.error());
  wanted.zone = std::move(*zone);
  if (!options.subject.empty()) {
    wanted.subject.network = IpNetwork::parse(options.subject);
    if (!wanted.subject.network) {
      return fail(ErrorKind::invalid, fmt::format("'{}' is neither an IP address nor a network as 192.0.2.0/24; for an "
                                                  "account give --account",
                                                  options.subject));
    }
  }
  if (options.has_account) wanted.subject.account = options.account;
  const Instant now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  for (const auto& [text, moment] :
       {std::pair(&options.since, &wanted.subject.since), std::pair(&options.until, &wanted.subject.until)}) {
    if (text->empty()) continue;
    const auto read = parse_moment(*text, wanted.zone, now);
    if (!read) return std::unexpected(read.error());
    *moment = *read;
  }
  if (wanted.subject.since && wanted.subject.until && *wanted.subject.since >= *wanted.subject.until) {
    return fail(ErrorKind::invalid, "--since is not before --until");
  }
  if (wanted.subject.network || wanted.subject.account) return wanted;
  if (options.raw) return fail(ErrorKind::invalid, "--raw needs an address, a network or --account");
  if (options.limit > kMostBusy) {
    return fail(ErrorKind::invalid,
                fmt::format("the list of attackers has at most {} lines: lower --limit", kMostBusy));
  }
  return wanted;
}

// Says what could not be read. What was printed then lacks it.
int finish(const LedgerReader& reader) {
  for (const auto& problem : reader.problems()) {
    print_error("tipstaff report: left out, since it cannot be read: {}\n", printable(problem));
  }
  return reader.problems().empty() ? kGood : kFailed;
}

int print_attempts(LedgerReader& reader, const Wanted& wanted, const ReportOptions& options) {
  const ReportSubject& subject = wanted.subject;
  ReportQuery query;
  query.network = subject.network;
  query.account = subject.account;
  query.since = subject.since;
  query.until = subject.until;
  query.most = options.limit != 0 ? options.limit : SIZE_MAX;
  const auto index = reader.find(query);
  if (!index) return complain(index.error(), index.error().kind == ErrorKind::invalid ? kUsage : kFailed);

  std::vector<StoredAttempt> page = reader.rows(*index, 0, kPage, options.raw);
  const ColumnWidths widths(*index, page);
  if (options.format == Format::json) {
    print_out("{{{},\"rows\":[", json_headline(subject, *index));
  } else if (index->rows.empty() && (options.format == Format::csv || index->verdicts.empty())) {
    if (options.format == Format::csv) print_out("{}", csv_header(options.raw));
    const std::string text = fmt::format("No {} in the ledger.\n", to_text(subject, wanted.zone));
    write_to(options.format == Format::csv ? stderr : stdout, text);
  } else if (options.format == Format::csv) {
    print_out("{}", csv_header(options.raw));
  } else {
    print_out("{}{}", table_headline(subject, *index, wanted.zone), table_header(widths, wanted.zone));
  }
  bool first = true;
  for (std::size_t at = 0; at < index->rows.size();) {
    for (const StoredAttempt& row : page) {
      if (options.format == Format::json) {
        print_out("{}{}", first ? "" : ",", json_row(row, options.raw));
      } else if (options.format == Format::csv) {
        const std::string line = csv_row(row, wanted.zone, options.raw);
        for (std::uint32_t i = 0; i < std::min(row.count, kMostTries); ++i) write_to(stdout, line);
      } else {
        write_to(stdout, table_row(row, widths, wanted.zone));
      }
      first = false;
    }
    at += kPage;
    page = reader.rows(*index, at, kPage, options.raw);
  }
  if (options.format == Format::json) {
    print_out("],{}}}\n", json_ending(!index->more && reader.problems().empty(), reader.problems()));
  } else if (options.format == Format::csv && index->more) {
    print_error("tipstaff report: only the newest {} rows, as --limit says\n", index->rows.size());
  }
  return finish(reader);
}

int print_busiest(LedgerReader& reader, const Wanted& wanted, const ReportOptions& options) {
  const auto busiest =
      reader.busiest(options.limit != 0 ? options.limit : kBusy, wanted.subject.since, wanted.subject.until);
  if (!busiest) return complain(busiest.error(), kFailed);
  std::vector<BusyRow> rows;
  const bool timed = wanted.subject.since || wanted.subject.until;
  if (!timed) {
    std::vector<IpAddress> addresses;
    for (const BusyAddress& busy : *busiest) addresses.push_back(busy.address);
    const auto names = reader.recent_names(addresses, kSample);
    if (!names) return complain(names.error(), kFailed);
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      const RecentNames& one = (*names)[i];
      rows.push_back({(*busiest)[i], one.accounts, one.hosts, one.more});
    }
  }
  for (std::size_t i = 0; timed && i < busiest->size(); ++i) {  // the newest rows may lie outside of that time
    const BusyAddress& busy = (*busiest)[i];
    ReportQuery query;
    query.network = IpNetwork(busy.address, 128);
    query.since = wanted.subject.since;
    query.until = wanted.subject.until;
    const auto index = reader.find(query);
    if (!index) return complain(index.error(), kFailed);
    rows.push_back({busy, index->accounts.names.size(), index->hosts.names.size(),
                    index->more || index->accounts.more || index->hosts.more});
  }
  if (options.format == Format::json) {
    print_out("{{{},{}}}\n", busy_json(rows), json_ending(reader.problems().empty(), reader.problems()));
  } else if (options.format == Format::csv) {
    print_out("{}", busy_csv(rows, wanted.zone));
  } else if (rows.empty()) {
    print_out("No {} in the ledger.\n", to_text(wanted.subject, wanted.zone));
  } else {
    print_out("{}", busy_table(rows, wanted.zone));
  }
  return finish(reader);
}

}  // namespace

int run_report(const ReportOptions& options) {
  const auto wanted = read_options(options);
  if (!wanted) return complain(wanted.error(), kUsage);
  const auto reader = LedgerReader::open(options.ledger.empty() ? setup_ledger() : options.ledger);
  if (!reader) return complain(reader.error(), kFailed);
  if (wanted->subject.network || wanted->subject.account) return print_attempts(**reader, *wanted, options);
  return print_busiest(**reader, *wanted, options);
}

}  // namespace tipstaff
