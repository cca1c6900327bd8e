// Forgetting: payloads go, the chain stays. A row is deleted with its salt, so that its digest, which remains in the
// batch, can no longer be tried out against guesses. That it went by our own hand is itself a row of the chain, written
// first: a row that is missing without one was taken by somebody else. An erasure that a crash cut short is finished at
// the next start.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ledger/folder.h"
#include "ledger/secret.h"
#include "ledger/writer_state.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostRows = 20'000;  // erased in one go

// Only the oldest may be removed whole: it may tell of rows erased from those before it.
bool is_oldest(const std::vector<ChainFile>& files, const ChainFile& file) {
  return std::ranges::none_of(files, [&](const ChainFile& other) { return !other.gone && other.id < file.id; });
}

// Deletes rows of one file inside a transaction.
class Eraser {
 public:
  explicit Eraser(MonthWriter& file)
      : file_(file),
        drop_attempt_(file.database(), "DELETE FROM attempt WHERE id = ?"),
        drop_verdict_(file.database(), "DELETE FROM verdict WHERE id = ?"),
        read_verdict_(file.database(), "SELECT account FROM verdict WHERE id = ?"),
        read_raw_(file.database(), "SELECT block FROM raw WHERE batch = ?"),
        write_raw_(file.database(), "UPDATE raw SET digest = ?, block = ? WHERE batch = ?") {}

  void erase(const std::vector<std::uint64_t>& ids) {
    std::map<AttemptKey, Found<StoredAttempt>> newest;
    std::map<std::uint64_t, std::vector<std::uint64_t>> by_batch;  // places in the batch
    for (const std::uint64_t id : ids) {
      if (auto found = file_.rows().attempt(id)) {
        const auto batch = file_.rows().batch_of(id);
        by_batch[batch.batch].push_back(id - batch.first);
        if (found->address_id != 0) addresses_.insert(found->address_id);
        if (found->account_id != 0) accounts_.insert(found->account_id);
        auto& kept = newest[found->row.key];
        if (kept.row.id == 0 || kept.row.version < found->row.version) kept = std::move(*found);
        drop_attempt_.run(id);
      } else if (read_verdict_.start(id).next()) {
        if (!read_verdict_.null(0)) accounts_.insert(read_verdict_.number(0));
        read_verdict_.reset();
        drop_verdict_.run(id);
      }
    }
    for (const auto& [key, found] : newest) take_back(found);
    file_.postings().flush();
    for (const auto& [batch, places] : by_batch) erase_raw(batch, places);
    drop_names(SubjectKind::address, addresses_, "SELECT 1 FROM attempt WHERE id = ? AND address = ?",
               "DELETE FROM address WHERE id = ?");
    drop_names(SubjectKind::account, accounts_, "SELECT 1 FROM attempt WHERE id = ? AND account = ?",
               "DELETE FROM account WHERE id = ?");
  }

 private:
  void take_back(const Found<StoredAttempt>& found) {
    if (found.row.withdrawn) return;
    Posting counts;
    const std::int64_t count = -std::int64_t{found.row.count};
    (found.row.outcome == RowOutcome::failure   ? counts.failures
     : found.row.outcome == RowOutcome::success ? counts.successes
                                                : counts.probes) = count;
    if (found.address_id != 0) file_.postings().add(SubjectKind::address, found.address_id, counts, 0);
    if (found.account_id != 0) file_.postings().add(SubjectKind::account, found.account_id, counts, 0);
  }

  void erase_raw(std::uint64_t batch, const std::vector<std::uint64_t>& places) {
    if (!read_raw_.start(batch).next()) return;
    auto lines = unpack_lines(read_raw_.bytes(0));
    read_raw_.reset();
    if (!lines) {
      file_.database().set_error(ErrorKind::corrupt, lines.error().text);
      return;
    }
    for (const std::uint64_t place : places) {
      if (place < lines->size()) (*lines)[place].clear();
    }
    const std::string block = pack_lines(*lines);
    write_raw_.run(bytes_of(Hasher().hash(block)), Blob(block), batch);
  }

  // Addresses and names that no row has any more are erased too.
  void drop_names(SubjectKind kind, const std::set<std::uint64_t>& ids, const char* used, const char* drop) {
    PostingReader postings(file_.database());
    Statement row(file_.database(), used);
    Statement verdict(file_.database(), "SELECT 1 FROM verdict WHERE account = ?");
    Statement remove(file_.database(), drop);
    for (const std::uint64_t id : ids) {
      const auto rows = postings.find(kind, id).rows;
      bool needed = std::ranges::any_of(rows, [&](std::uint64_t one) { return row.start(one, id).next(); });
      if (!needed && kind == SubjectKind::account) needed = verdict.start(id).next();
      row.reset();
      verdict.reset();
      if (!needed) remove.run(id);
    }
  }

  MonthWriter& file_;
  std::set<std::uint64_t> addresses_, accounts_;
  Statement drop_attempt_, drop_verdict_, read_verdict_, read_raw_, write_raw_;
};

}  // namespace

Result<std::size_t> LedgerWriter::State::erase(Erasure erasure, Instant now) {
  if (erasure.rows.empty()) return 0;
  if (erasure.id == 0) erasure.id = state->begin_erasure(erasure);
  if (!state->database().ok()) return state->database().take_error();
  pending.push_back({{"erased",
                      now,
                      {},
                      fmt::format("{} rows of {} were erased: {}", erasure.rows.size(), erasure.file, erasure.reason)},
                     pack_ids(erasure.rows)});
  if (auto told = write({.recorded = now, .attempts = {}, .verdicts = {}, .positions = {}, .events = {}}); !told) {
    pending.pop_back();
    return std::unexpected(told.error());
  }
  std::unique_ptr<MonthWriter> opened;
  if (month == nullptr || month->name() != erasure.file) {
    auto file = open_month(erasure.file);
    if (!file) return std::unexpected(file.error());
    opened = std::move(*file);
  }
  MonthWriter* const file = opened ? opened.get() : month.get();
  if (file != nullptr && file->name() == erasure.file) {
    Database& database = file->database();
    database.execute("PRAGMA secure_delete=ON");  // what is erased is overwritten, not only unlinked
    database.begin();
    Eraser(*file).erase(erasure.rows);
    auto done = database.commit();
    if (done) database.checkpoint();  // the WAL holds older images of the pages
    database.execute("PRAGMA secure_delete=OFF");
    if (done && !database.ok()) done = database.take_error();
    month.reset();  // its ids may name what is gone
    older.clear();
    if (!done) return std::unexpected(done.error());
  }
  state->end_erasure(erasure.id);
  if (!state->database().ok()) return state->database().take_error();
  return erasure.rows.size();
}

Result<void> LedgerWriter::State::finish_erasures() {
  for (auto& erasure : state->erasures()) {
    if (auto done = erase(std::move(erasure), now()); !done) return std::unexpected(done.error());
  }
  return {};
}

Result<void> LedgerWriter::State::remove_file(const ChainFile& file, const std::string& reason, Instant now) {
  const std::string text =
      fmt::format("{} with {} rows was removed: {}", file.name, file.end.row - file.begin.row, reason);
  pending.push_back({{"removed", now, {}, text}, pack_end(file)});
  if (auto told = write({.recorded = now, .attempts = {}, .verdicts = {}, .positions = {}, .events = {}}); !told) {
    pending.pop_back();
    return std::unexpected(told.error());
  }
  older.erase(file.name);
  state->set_gone(file.id, text);
  remove_database(path(file.name));
  if (!state->database().ok()) return state->database().take_error();
  return {};
}

Result<std::vector<std::uint64_t>> LedgerWriter::State::rows_of(MonthWriter& file, const ForgetQuery& query) {
  Database& database = file.database();
  std::vector<std::uint64_t> rows;
  const std::int64_t before = query.before ? to_micros(*query.before) : INT64_MAX;
  const auto old_enough = [&](std::uint64_t row) {
    return !query.before || to_micros(file.rows().batch_of(row).recorded) < before;
  };
  PostingReader postings(database);
  if (query.address) {
    Statement find(database, "SELECT id FROM address WHERE value = ?");
    const std::string value = to_bytes(*query.address);
    Statement row(database, "SELECT 1 FROM attempt WHERE id = ?");
    if (find.start(value).next()) {
      for (const std::uint64_t id : postings.find(SubjectKind::address, find.number(0)).rows) {
        if (row.start(id).next() && old_enough(id)) rows.push_back(id);
      }
    }
    Statement verdicts(database, "SELECT id FROM verdict WHERE network = ?");
    const std::string network = to_bytes(IpNetwork(*query.address, query.address->is_v4() ? 32 : 128));
    verdicts.start(network);
    while (verdicts.next()) {
      if (old_enough(verdicts.number(0))) rows.push_back(verdicts.number(0));
    }
  } else if (query.account) {
    Statement find(database, "SELECT id FROM account WHERE value IN (?, ?)");
    const std::string name = stored_name(*query.account);
    const std::string hidden = stored_password(*query.account, account_key);
    find.start(name, hidden);
    Statement row(database, "SELECT 1 FROM attempt WHERE id = ?");
    Statement verdicts(database, "SELECT id FROM verdict WHERE account = ?");
    while (find.next()) {
      for (const std::uint64_t id : postings.find(SubjectKind::account, find.number(0)).rows) {
        if (row.start(id).next() && old_enough(id)) rows.push_back(id);
      }
      verdicts.start(find.number(0));
      while (verdicts.next()) {
        if (old_enough(verdicts.number(0))) rows.push_back(verdicts.number(0));
      }
    }
  } else {
    Statement all(database,
                  "SELECT a.id FROM batch b JOIN attempt a ON a.id >= b.first AND a.id < b.first + b.rows WHERE "
                  "b.recorded < ?1 UNION ALL SELECT v.id FROM batch b JOIN verdict v ON v.id >= b.first AND v.id < "
                  "b.first + b.rows WHERE b.recorded < ?1");
    all.start(before);
    while (all.next()) rows.push_back(all.number(0));
  }
  if (!database.ok()) return database.take_error();
  std::erase_if(rows, [&](std::uint64_t id) {
    const auto found = file.rows().attempt(id);
    return found && found->row.address && state->hold_of(*found->row.address);
  });
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  return rows;
}

Result<std::size_t> LedgerWriter::forget(const ForgetQuery& query, const std::string& reason, Instant now) {
  State& all = *state_;
  if (!query.address && !query.account && !query.before) {
    return fail(ErrorKind::invalid, "say what to forget: an address, an account, or all before a time");
  }
  const FolderLock lock(all.options.folder);
  if (query.address) {
    if (const auto held = all.state->hold_of(*query.address)) {
      return fail(ErrorKind::conflict,
                  fmt::format("{} is held for a case ({}): lift the hold first", query.address->to_string(), *held));
    }
  }
  if (auto done = all.ready(now); !done) return std::unexpected(done.error());
  std::size_t count = 0;
  const auto files = all.state->files();
  const bool holds = all.state->database().number("SELECT count(*) FROM hold") > 0;
  for (const auto& file : files) {
    if (file.gone) continue;
    std::vector<std::uint64_t> rows;
    {
      auto opened = all.open_month(file.name);
      if (!opened) return std::unexpected(opened.error());
      if (!*opened) continue;
      if (query.before && !query.address && !query.account && !holds && file.name < month_file_of(*query.before) &&
          all.month && file.name < all.month->name() && is_oldest(all.state->files(), file)) {
        opened->reset();
        count += file.end.row - file.begin.row;
        if (auto done = all.remove_file(file, reason, now); !done) return std::unexpected(done.error());
        continue;
      }
      auto found = all.rows_of(**opened, query);
      if (!found) return std::unexpected(found.error());
      rows = std::move(*found);
    }
    for (std::size_t at = 0; at < rows.size(); at += kMostRows) {
      const auto end = rows.begin() + static_cast<std::ptrdiff_t>(std::min(at + kMostRows, rows.size()));
      auto erased = all.erase({0, file.name, {rows.begin() + static_cast<std::ptrdiff_t>(at), end}, reason}, now);
      if (!erased) return erased;
      count += *erased;
    }
  }
  return count;
}

Result<std::size_t> LedgerWriter::State::expire_file(const ChainFile& file, const KeepingPeriods& periods,
                                                     Instant now) {
  const auto limit_of = [&](const std::optional<std::chrono::days>& days) {
    return days ? to_micros(now - *days) : INT64_MIN;
  };
  const std::int64_t failures = limit_of(periods.failures);
  const std::int64_t successes = limit_of(periods.successes);
  std::vector<std::uint64_t> rows;
  std::uint64_t done_failures = file.expired_failures;
  std::uint64_t done_successes = file.expired_successes;
  {
    auto database = Database::open(path(file.name), Database::Mode::read);
    if (!database) return std::unexpected(database.error());
    Statement batches(*database,
                      "SELECT id, first, first + rows - 1 FROM batch WHERE id > ? AND recorded < ? ORDER BY id");
    Statement attempts(*database,
                       "SELECT a.id, d.value, a.flags & 3 FROM attempt a LEFT JOIN address d ON d.id = a.address "
                       "WHERE a.id BETWEEN ? AND ?");
    Statement verdicts(*database, "SELECT id FROM verdict WHERE id BETWEEN ? AND ?");
    const auto collect = [&](bool want_successes, std::int64_t limit, std::uint64_t& done) {
      batches.start(done, limit);
      while (rows.size() < kMostRows && batches.next()) {
        done = batches.number(0);
        attempts.start(batches.number(1), batches.number(2));
        while (attempts.next()) {
          const bool success = attempts.number(2) == static_cast<unsigned>(RowOutcome::success);
          if (success != want_successes) continue;
          const auto address = address_of(attempts.bytes(1));
          if (!address || !state->hold_of(*address)) rows.push_back(attempts.number(0));
        }
        if (want_successes) continue;
        verdicts.start(batches.number(1), batches.number(2));
        while (verdicts.next()) rows.push_back(verdicts.number(0));
      }
    };
    collect(true, successes, done_successes);
    collect(false, failures, done_failures);
    if (!database->ok()) return database->take_error();
    std::ranges::sort(rows);
  }
  auto erased = erase({0, file.name, rows, "kept long enough"}, now);
  if (!erased) return erased;
  if (done_failures != file.expired_failures || done_successes != file.expired_successes) {
    state->set_expired(file.id, done_failures, done_successes);
    if (!state->database().ok()) return state->database().take_error();
  }
  return erased;
}

Result<std::size_t> LedgerWriter::expire(const KeepingPeriods& periods, Instant now) {
  const FolderLock lock(state_->options.folder);
  if (auto done = state_->ready(now); !done) return std::unexpected(done.error());
  for (const auto& file : state_->state->files()) {
    if (file.gone) continue;
    auto erased = state_->expire_file(file, periods, now);
    if (!erased || *erased > 0) return erased;
  }
  return 0;
}

}  // namespace tipstaff
