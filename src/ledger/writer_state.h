// The insides of LedgerWriter, shared by writer.cc (batches, months, repair) and erase.cc (forgetting).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ledger/digest.h"
#include "ledger/month_writer.h"
#include "ledger/recent.h"
#include "ledger/state_file.h"
#include "ledger/writer.h"

namespace tipstaff {

/// The end of a file that is gone, for verify(): the batch before it, its last batch, row and link.
[[nodiscard]] std::string pack_end(const ChainFile& file);

struct LedgerWriter::State {
  LedgerOptions options;
  SigningKey key;
  std::string account_key;
  std::string host;
  std::unique_ptr<StateFile> state;
  std::unique_ptr<MonthWriter> month;  // the newest; none: no file yet, or to be opened again after an error
  RecentKeys recent;
  std::map<std::string, std::unique_ptr<MonthWriter>> older;  // read-only, opened when asked for
  std::vector<DetailedEvent> pending;                         // go with the next batch
  std::set<std::string> set_aside;                            // names of files, each put aside once

  [[nodiscard]] std::string path(const std::string& name) const { return options.folder + "/" + name; }
  [[nodiscard]] Instant now() const;
  void notice(const std::string& text) const;
  void pend(const std::string& kind, const std::string& text, std::string detail = {});

  // Opening and repair (writer.cc). Under the folder's lock.
  Result<void> open_state();
  Result<void> open_months();
  /// Opens a month for writing; one that is damaged is put aside, and null is given.
  Result<std::unique_ptr<MonthWriter>> open_month(const std::string& name);
  /// `name` is a copy, since it may be that of the month that is closed here.
  Result<void> put_aside(std::string name, const std::string& why);
  void reconcile(MonthWriter& file);
  /// What is kept in memory is dropped and read again: after an error, or when another process has written.
  Result<void> reload();
  Result<void> begin_month(const std::string& name);
  /// The month for this moment is open and what is kept in memory is true.
  Result<void> ready(Instant recorded);

  Result<WriteCounts> write(const Batch& batch);
  Result<WriteCounts> try_write(const Batch& batch);
  void follow(const Batch& batch);
  MonthWriter* older_month(const std::string& name);
  MonthWriter::Around around();

  // Forgetting (erase.cc). Under the folder's lock.
  Result<std::size_t> erase(Erasure erasure, Instant now);
  Result<void> remove_file(const ChainFile& file, const std::string& reason, Instant now);
  /// Rows of one file that a query means, those under a hold left out.
  Result<std::vector<std::uint64_t>> rows_of(MonthWriter& file, const ForgetQuery& query);
  Result<void> finish_erasures();
  /// One step of expire() in one file; 0: nothing left there.
  Result<std::size_t> expire_file(const ChainFile& file, const KeepingPeriods& periods, Instant now);
};

}  // namespace tipstaff
