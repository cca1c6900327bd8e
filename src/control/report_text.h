// The access report as a table for people, as CSV and as JSON (docs/formats/report.md). Everything in it was written by
// strangers: for a terminal and a spreadsheet it goes through printable(), for JSON through to_utf8(), and a cell that
// a spreadsheet would take for a formula is marked as text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "ledger/reader.h"

namespace tipstaff {

/// What was asked for, as the headline repeats it.
struct ReportSubject {
  std::optional<IpNetwork> network;
  std::optional<std::string> account;
  std::optional<Instant> since, until;
};

/// One line of the list of attackers.
struct BusyRow {
  BusyAddress busy;
  std::size_t accounts = 0, hosts = 0;  ///< different ones
  bool more = false;                    ///< there may be others: only the newest rows were looked at
};

/// How wide the columns of the table are: as the names and the first rows need it, within limits.
struct ColumnWidths {
  ColumnWidths(const ReportIndex& index, const std::vector<StoredAttempt>& first_rows);
  std::size_t address, origin, account, extra;
};

/// "attempts of 192.0.2.1 since 2013-05-07 00:00:00 (UTC)".
[[nodiscard]] std::string to_text(const ReportSubject& subject, const TimeZone& zone);

[[nodiscard]] std::string table_headline(const ReportSubject& subject, const ReportIndex& index, const TimeZone& zone);
[[nodiscard]] std::string table_header(const ColumnWidths& widths, const TimeZone& zone);
/// With its raw lines below, where it has some.
[[nodiscard]] std::string table_row(const StoredAttempt& row, const ColumnWidths& widths, const TimeZone& zone);

[[nodiscard]] std::string csv_header(bool raw);
/// The line of one try.
[[nodiscard]] std::string csv_row(const StoredAttempt& row, const TimeZone& zone, bool raw);

/// The members "subject" and "headline", without the braces of the object they stand in.
[[nodiscard]] std::string json_headline(const ReportSubject& subject, const ReportIndex& index);
[[nodiscard]] std::string json_row(const StoredAttempt& row, bool raw);
/// The members "complete" and "problems", likewise.
[[nodiscard]] std::string json_ending(bool complete, const std::vector<std::string>& problems);

[[nodiscard]] std::string busy_table(const std::vector<BusyRow>& rows, const TimeZone& zone);
[[nodiscard]] std::string busy_csv(const std::vector<BusyRow>& rows, const TimeZone& zone);
[[nodiscard]] std::string busy_json(const std::vector<BusyRow>& rows);

}  // namespace tipstaff
