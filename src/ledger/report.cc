// The access report: all rows of an address, network or account, newest versions, with their verdicts and raw lines. Rows
// are found first (gathering.h) and read a second time when they are wanted: in between there is a small entry for each.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "ledger/encode.h"
#include "ledger/gathering.h"
#include "ledger/reader_state.h"
#include "ledger/secret.h"

namespace tipstaff {
namespace {

// Rows of one month, each with its raw lines. Block by block: each is unpacked once.
void read_raw(OpenMonth& month, const std::vector<StoredAttempt*>& wanted) {
  std::map<std::uint64_t, std::vector<std::pair<std::uint64_t, StoredAttempt*>>> by_batch;
  for (StoredAttempt* const row : wanted) {
    const auto batch = month.rows.batch_of(row->id);
    by_batch[batch.batch].emplace_back(row->id - batch.first, row);
  }
  Statement block(month.database, "SELECT block FROM raw WHERE batch = ?");
  for (auto& [batch, rows] : by_batch) {
    if (!block.start(batch).next()) continue;
    std::ranges::sort(rows, {}, &std::pair<std::uint64_t, StoredAttempt*>::first);
    std::vector<std::uint64_t> places;
    for (const auto& [place, row] : rows) places.push_back(place);
    auto lines = unpack_lines(block.bytes(0), places);
    if (!lines) {
      month.database.set_error(lines.error().kind, lines.error().text);
      continue;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].second->raw = std::move((*lines)[i]);
  }
}

void add_verdicts(OpenMonth& month, const ReportQuery& query, std::vector<StoredVerdict>& all) {
  Found<StoredVerdict> found;
  const auto take = [&](Statement& statement) {
    while (statement.next()) {
      month.rows.fill(statement, found);
      const StoredVerdict& row = found.row;
      const bool too_old = query.since && row.at < *query.since && (!row.until || *row.until <= *query.since);
      if (!too_old && (!query.until || row.at < *query.until)) all.push_back(row);
    }
  };
  if (!query.network) {
    Statement by_account(month.database,
                         select_verdicts("WHERE account = (SELECT id FROM account WHERE value = ?)").c_str());
    const std::string name = stored_name(*query.account);
    take(by_account.start(name));
    return;
  }
  // Networks around the one asked for, then those within it.
  Statement exact(month.database, select_verdicts("WHERE network = ?").c_str());
  for (unsigned bits = 0; bits < query.network->bits(); ++bits) {
    const std::string around = to_bytes(IpNetwork(query.network->address(), bits));
    take(exact.start(around));
  }
  Statement within(month.database, select_verdicts("WHERE network BETWEEN ? AND ?").c_str());
  const std::string first = to_bytes(*query.network);
  const std::string last = last_of(*query.network) + '\x80';
  take(within.start(first, last));
}

}  // namespace

Result<ReportIndex> LedgerReader::find(const ReportQuery& query) {
  if (!query.network && !query.account) {
    return fail(ErrorKind::invalid, "a report is about an address or network, or about an account: name one of them");
  }
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  Gathering gathering(query);
  std::vector<StoredVerdict> verdicts;
  state_->each([&](OpenMonth& month) {
    if (!gathering.too_many()) gathering.look_into(month);
    add_verdicts(month, query, verdicts);
  });
  if (gathering.too_many()) {
    return fail(
        ErrorKind::invalid,
        fmt::format("more than {} attempts fit: ask for a smaller network or a shorter time", Gathering::kMostRows));
  }
  ReportIndex index = gathering.finish();
  std::ranges::sort(verdicts, {}, [](const StoredVerdict& verdict) { return std::pair(verdict.at, verdict.id); });
  index.verdicts = std::move(verdicts);
  return index;
}

std::vector<StoredAttempt> LedgerReader::rows(const ReportIndex& index, std::size_t first, std::size_t most, bool raw) {
  first = std::min(first, index.rows.size());
  const std::size_t count = std::min(most, index.rows.size() - first);
  std::vector<StoredAttempt> all(count);  // id 0: not read
  state_->each([&](OpenMonth& month) {
    std::vector<std::pair<std::uint64_t, std::size_t>> here;  // rows of this month, and their places in the answer
    for (std::size_t i = 0; i < count; ++i) {
      const ReportIndex::Place& place = index.rows[first + i];
      if (index.months[place.month] == month.name) here.emplace_back(place.id, i);
    }
    std::ranges::sort(here);
    std::vector<std::uint64_t> ids(here.size());
    std::ranges::transform(here, ids.begin(), [](const auto& one) { return one.first; });
    std::vector<StoredAttempt*> read;
    std::size_t at = 0;
    month.rows.each_attempt(ids, [&](Found<StoredAttempt>& found) {
      while (here[at].first != found.row.id) ++at;
      StoredAttempt& row = all[here[at].second];
      row = std::move(found.row);
      read.push_back(&row);
      return true;
    });
    if (raw) read_raw(month, read);
  });
  std::erase_if(all, [](const StoredAttempt& row) { return row.id == 0; });
  return all;
}

Result<Report> LedgerReader::report(const ReportQuery& query) {
  auto index = find(query);
  if (!index) return std::unexpected(index.error());
  return Report{.attempts = rows(*index, 0, index->rows.size(), query.raw),
                .summary = index->summary,
                .verdicts = std::move(index->verdicts),
                .more = index->more};
}

Result<std::vector<StoredAttempt>> LedgerReader::last_recorded(std::chrono::seconds span, std::size_t most) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  Instant newest{};
  state_->each([&](OpenMonth& month) {
    Statement recorded(month.database, "SELECT recorded FROM batch ORDER BY id DESC LIMIT 1");
    if (recorded.start().next()) newest = std::max(newest, from_micros(recorded.integer(0)));
  });
  std::map<AttemptKey, std::size_t> places;
  std::vector<StoredAttempt> all;
  state_->each([&](OpenMonth& month) {
    Statement batches(month.database, "SELECT first, first + rows - 1, recorded FROM batch ORDER BY id DESC");
    batches.start();
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    while (batches.next() && from_micros(batches.integer(2)) >= newest - span && last - first < most) {
      first = batches.number(0);
      last = std::max(last, batches.number(1));
    }
    if (last == 0) return;
    month.rows.start_attempts(first, last);
    Found<StoredAttempt> found;
    while (month.rows.next(found)) {
      const auto [at, is_new] = places.try_emplace(found.row.key, all.size());
      if (is_new) all.emplace_back();
      StoredAttempt& kept = all[at->second];
      if (is_new || kept.version < found.row.version) kept = found.row;
    }
  });
  return all;
}

}  // namespace tipstaff
