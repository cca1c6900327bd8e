// The tables of the ledger's files, as steps from version to version (PRAGMA user_version). A released step is never
// changed; a new version appends one. docs/formats/ledger.md describes the tables.
#pragma once

#include <span>

#include "base/result.h"
#include "ledger/sqlite.h"

namespace tipstaff {

/// The SQL that leads from version i to i + 1 is step i.
using SchemaSteps = std::span<const char* const>;

/// Of YYYY-MM.db.
[[nodiscard]] SchemaSteps month_schema();
/// Of state.db.
[[nodiscard]] SchemaSteps state_schema();

/// Brings a file to the newest version, each step in a transaction of its own. Errors: invalid (a newer version made it),
/// and those of SQLite.
[[nodiscard]] Result<void> migrate(Database& database, SchemaSteps steps);

/// That the file is of the newest version and has these tables and nothing else: no trigger, view or index of a stranger.
/// Errors: invalid (older or newer), corrupt.
[[nodiscard]] Result<void> check_schema(Database& database, SchemaSteps steps);

}  // namespace tipstaff
