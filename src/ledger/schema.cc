#include "ledger/schema.h"

#include <fmt/format.h>

#include <string>

namespace tipstaff {
namespace {

constexpr const char* kMonthSteps[] = {
    // 1: the first
    R"sql(
CREATE TABLE origin(id INTEGER PRIMARY KEY, host BLOB NOT NULL, made INTEGER NOT NULL, batch INTEGER NOT NULL,
  row INTEGER NOT NULL, link BLOB NOT NULL) STRICT;
CREATE TABLE source(id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, generation INTEGER, offset INTEGER,
  checkpoint BLOB, seen_generation INTEGER NOT NULL, seen_offset INTEGER NOT NULL) STRICT;
CREATE TABLE address(id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE account(id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE text(id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE attempt(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, generation INTEGER NOT NULL,
  offset INTEGER NOT NULL, line_index INTEGER NOT NULL, version INTEGER NOT NULL, flags INTEGER NOT NULL,
  address INTEGER, port INTEGER NOT NULL, count INTEGER NOT NULL, account INTEGER, service INTEGER NOT NULL,
  detector INTEGER NOT NULL, origin INTEGER NOT NULL, extra INTEGER NOT NULL, host INTEGER NOT NULL, time INTEGER,
  window_time INTEGER NOT NULL, salt BLOB NOT NULL) STRICT;
CREATE TABLE verdict(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, generation INTEGER NOT NULL,
  offset INTEGER NOT NULL, line_index INTEGER NOT NULL, flags INTEGER NOT NULL, rule INTEGER NOT NULL, network BLOB,
  account INTEGER, service INTEGER NOT NULL, host INTEGER NOT NULL, at INTEGER NOT NULL, until INTEGER,
  attempts BLOB NOT NULL, salt BLOB NOT NULL, UNIQUE(source, generation, offset, line_index, rule)) STRICT;
CREATE INDEX verdict_network ON verdict(network);
CREATE INDEX verdict_account ON verdict(account);
CREATE TABLE event(id INTEGER PRIMARY KEY, kind BLOB NOT NULL, at INTEGER NOT NULL, source BLOB NOT NULL,
  text BLOB NOT NULL, detail BLOB NOT NULL, salt BLOB NOT NULL) STRICT;
CREATE TABLE batch(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, rows INTEGER NOT NULL, recorded INTEGER NOT NULL,
  earliest INTEGER NOT NULL, latest INTEGER NOT NULL, root BLOB NOT NULL, link BLOB NOT NULL, digests BLOB NOT NULL)
  STRICT;
CREATE INDEX batch_first ON batch(first, recorded);
CREATE TABLE raw(batch INTEGER PRIMARY KEY, digest BLOB NOT NULL, block BLOB NOT NULL) STRICT;
CREATE TABLE batch_source(source INTEGER NOT NULL, generation INTEGER NOT NULL, batch INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(source, generation, batch)) STRICT, WITHOUT ROWID;
CREATE TABLE segment(id INTEGER PRIMARY KEY, level INTEGER NOT NULL, rows INTEGER NOT NULL) STRICT;
CREATE TABLE posting(segment INTEGER NOT NULL, kind INTEGER NOT NULL, first INTEGER NOT NULL, entries BLOB NOT NULL,
  PRIMARY KEY(segment, kind, first)) STRICT, WITHOUT ROWID;
CREATE TABLE summary(kind INTEGER NOT NULL, subject INTEGER NOT NULL, failures INTEGER NOT NULL,
  successes INTEGER NOT NULL, probes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(kind, subject)) STRICT, WITHOUT ROWID;
CREATE INDEX summary_busiest ON summary(failures) WHERE kind = 0;
)sql",
    // 2: what is done by hand, what the firewall counts, and the blocks that stand found at once
    R"sql(
ALTER TABLE verdict ADD COLUMN by_whom INTEGER;
ALTER TABLE verdict ADD COLUMN why INTEGER;
ALTER TABLE verdict ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verdict ADD COLUMN counter INTEGER NOT NULL DEFAULT 0;
CREATE INDEX verdict_until ON verdict(until);
CREATE INDEX verdict_taken_back ON verdict(at) WHERE until = at;
)sql",
    // 3: an index entry only for addresses that tried often: most never do; and accounts were never asked for
    R"sql(
DROP INDEX summary_busiest;
CREATE INDEX summary_busy ON summary(failures) WHERE kind = 0 AND failures >= 8;
DELETE FROM summary WHERE kind = 1;
)sql",
};

constexpr const char* kStateSteps[] = {
    // 1: the first
    R"sql(
CREATE TABLE host(id INTEGER PRIMARY KEY, uuid BLOB NOT NULL, key BLOB NOT NULL) STRICT;
CREATE TABLE file(id INTEGER PRIMARY KEY, name BLOB NOT NULL, first_batch INTEGER NOT NULL, first_row INTEGER NOT NULL,
  last_batch INTEGER NOT NULL, last_row INTEGER NOT NULL, link_before BLOB NOT NULL, link BLOB NOT NULL,
  expired_failures INTEGER NOT NULL, expired_successes INTEGER NOT NULL, gone BLOB) STRICT;
CREATE TABLE head(batch INTEGER NOT NULL, at INTEGER NOT NULL, link BLOB NOT NULL, key BLOB NOT NULL,
  signature BLOB NOT NULL, PRIMARY KEY(batch, at)) STRICT, WITHOUT ROWID;
CREATE TABLE position(source BLOB PRIMARY KEY, generation INTEGER, offset INTEGER, checkpoint BLOB,
  seen_generation INTEGER NOT NULL, seen_offset INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE hold(address BLOB PRIMARY KEY, reason BLOB NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE erasing(id INTEGER PRIMARY KEY, file BLOB NOT NULL, ids BLOB NOT NULL, reason BLOB NOT NULL) STRICT;
)sql",
};

std::string tables_of(Database& database) {
  Statement all(database,
                "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY name");
  std::string text;
  while (all.next()) {
    for (int i = 0; i < 4; ++i) text.append(all.bytes(i)) += '\n';
  }
  return text;
}

std::string tables_of(SchemaSteps steps) {
  auto database = Database::memory();
  if (!database) return {};
  for (const char* step : steps) database->execute(step);
  return tables_of(*database);
}

// Made once for each kind of file, when it is first asked for.
const std::string& expected_tables(SchemaSteps steps) {
  if (steps.data() == month_schema().data()) {
    static const std::string kMonth = tables_of(month_schema());
    return kMonth;
  }
  static const std::string kState = tables_of(state_schema());
  return kState;
}

Result<void> refuse_newer(const Database& database, std::int64_t version, SchemaSteps steps) {
  if (version <= static_cast<std::int64_t>(steps.size())) return {};
  return fail(ErrorKind::invalid,
              fmt::format("was made by a newer version of Tipstaff (form {}, this program knows {}): use that version",
                          version, steps.size()),
              database.path());
}

}  // namespace

SchemaSteps month_schema() { return kMonthSteps; }
SchemaSteps state_schema() { return kStateSteps; }

Result<void> migrate(Database& database, SchemaSteps steps) {
  const std::int64_t version = database.number("PRAGMA user_version");
  if (!database.ok()) return database.take_error();
  if (auto newer = refuse_newer(database, version, steps); !newer) return newer;
  if (version < 0) return fail(ErrorKind::corrupt, "has no version that exists", database.path());
  for (std::size_t i = static_cast<std::size_t>(version); i < steps.size(); ++i) {
    database.begin();
    database.execute(steps[i]);
    database.execute(fmt::format("PRAGMA user_version={}", i + 1).c_str());
    if (auto done = database.commit(); !done) return done;
  }
  return check_schema(database, steps);
}

Result<void> check_schema(Database& database, SchemaSteps steps) {
  const std::int64_t version = database.number("PRAGMA user_version");
  const std::string found = tables_of(database);
  if (!database.ok()) return database.take_error();
  if (auto newer = refuse_newer(database, version, steps); !newer) return newer;
  if (version < static_cast<std::int64_t>(steps.size()) && version > 0) {
    return fail(ErrorKind::invalid, "is of an older form: a start of the guard of this version brings it up to date",
                database.path());
  }
  const bool known = steps.data() == month_schema().data() || steps.data() == state_schema().data();
  if (found != (known ? expected_tables(steps) : tables_of(steps)))
    return fail(ErrorKind::corrupt, "has other tables than a ledger has", database.path());
  return {};
}

}  // namespace tipstaff
