// The insides of LedgerReader, shared by reader.cc (files, counts) and report.cc (rows).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ledger/posting.h"
#include "ledger/reader.h"
#include "ledger/row_reader.h"
#include "ledger/sqlite.h"

namespace tipstaff {

// An open month. A file put aside and begun anew under the same name is told by its inode.
struct OpenMonth {
  OpenMonth(Database opened, std::string file, ino_t number)
      : database(std::move(opened)), name(std::move(file)), inode(number), rows(database), postings(database) {}
  Database database;
  std::string name;
  ino_t inode;
  RowReader rows;
  PostingReader postings;
};

/// Counts an attempt.
void add(SubjectSummary& to, RowOutcome outcome, std::uint32_t tries, Instant when);

struct LedgerReader::State {
  std::string folder;
  std::vector<std::unique_ptr<OpenMonth>> months;
  std::vector<std::string> problems;

  void note(const std::string& name, const Error& error);
  /// Opens what is new, drops what is gone.
  Result<void> refresh();
  /// Runs `ask(month)` for each, in one read transaction each. What a damaged month gave so far stays.
  template <class Ask>
  void each(Ask&& ask) {
    for (auto& month : months) {
      month->database.execute("BEGIN");
      ask(*month);
      if (!month->database.ok()) note(month->name, month->database.take_error().error());
      month->database.roll_back();
    }
  }
};

}  // namespace tipstaff
