// The access report: all rows of an address, network or account, newest versions, with their verdicts and raw lines.
#include <algorithm>
#include <map>
#include <utility>

#include "ledger/encode.h"
#include "ledger/reader_state.h"
#include "ledger/secret.h"

namespace tipstaff {
namespace {

// The last address of a network, as bytes.
std::string last_of(const IpNetwork& network) {
  std::string last = to_bytes(network.address());
  const unsigned bits = network.bits() + (network.address().is_v4() ? 96 : 0);
  for (unsigned bit = bits; bit < 128; ++bit) last[bit / 8] = static_cast<char>(last[bit / 8] | (0x80 >> (bit % 8)));
  return last;
}

// The rows of a query, of each attempt the newest version.
class Gathering {
 public:
  explicit Gathering(const ReportQuery& query) : query_(query) {}

  void take(OpenMonth& month, const std::vector<std::uint64_t>& ids) {
    for (const std::uint64_t id : ids) {
      auto found = month.rows.attempt(id);
      if (!found) continue;  // erased
      auto& kept = newest_[found->row.key];
      if (kept.month == nullptr || kept.row.version < found->row.version) kept = {&month, std::move(found->row)};
    }
  }

  Report finish() {
    Report report;
    std::vector<Kept> all;
    for (auto& [key, kept] : newest_) {
      const StoredAttempt& row = kept.row;
      if (row.withdrawn || (query_.since && row.when() < *query_.since) ||
          (query_.until && row.when() >= *query_.until)) {
        continue;
      }
      if (query_.network && (!row.address || !query_.network->contains(*row.address))) continue;
      if (query_.account && row.account != *query_.account && !row.hidden_account) continue;
      all.push_back(std::move(kept));
    }
    std::ranges::sort(all, [](const Kept& a, const Kept& b) {
      return a.row.when() != b.row.when() ? a.row.when() < b.row.when() : a.row.id < b.row.id;
    });
    for (const Kept& kept : all) add(report.summary, kept.row);
    if (all.size() > query_.most) {
      report.more = true;
      all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(query_.most));
    }
    if (query_.raw) read_raw(all);
    for (Kept& kept : all) report.attempts.push_back(std::move(kept.row));
    return report;
  }

 private:
  struct Kept {
    OpenMonth* month = nullptr;
    StoredAttempt row;
  };

  // Block by block: each is unpacked once.
  static void read_raw(std::vector<Kept>& all) {
    std::map<std::pair<OpenMonth*, std::uint64_t>, std::vector<std::pair<std::uint64_t, Kept*>>> by_batch;
    for (Kept& kept : all) {
      const auto batch = kept.month->rows.batch_of(kept.row.id);
      by_batch[{kept.month, batch.batch}].emplace_back(kept.row.id - batch.first, &kept);
    }
    for (auto& [from, rows] : by_batch) {
      Statement block(from.first->database, "SELECT block FROM raw WHERE batch = ?");
      if (!block.start(from.second).next()) continue;
      std::ranges::sort(rows, {}, &std::pair<std::uint64_t, Kept*>::first);
      std::vector<std::uint64_t> places;
      for (const auto& [place, kept] : rows) places.push_back(place);
      auto lines = unpack_lines(block.bytes(0), places);
      if (!lines) {
        from.first->database.set_error(lines.error().kind, lines.error().text);
        continue;
      }
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i].second->row.raw = std::move((*lines)[i]);
    }
  }

  const ReportQuery& query_;
  std::map<AttemptKey, Kept> newest_;
};

// Rows whose address lies in the network.
std::vector<std::uint64_t> rows_in(OpenMonth& month, const IpNetwork& network) {
  const std::string last = last_of(network);
  Statement addresses(month.database, "SELECT id FROM address WHERE value BETWEEN ? AND ?");
  const std::string first = to_bytes(network.address());
  std::vector<std::uint64_t> rows;
  addresses.start(first, last);
  while (addresses.next()) {
    const auto found = month.postings.find(SubjectKind::address, addresses.number(0)).rows;
    rows.insert(rows.end(), found.begin(), found.end());
  }
  return rows;
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
  if (query.account) {
    Statement by_account(month.database,
                         select_verdicts("WHERE account = (SELECT id FROM account WHERE value = ?)").c_str());
    const std::string name = stored_name(*query.account);
    take(by_account.start(name));
    return;
  }
  if (!query.network) return;
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

Result<Report> LedgerReader::report(const ReportQuery& query) {
  if (query.network.has_value() == query.account.has_value()) {
    return fail(ErrorKind::invalid, "a report is about an address or network, or about an account: name one of them");
  }
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  Gathering gathering(query);
  std::vector<StoredVerdict> verdicts;
  state_->each([&](OpenMonth& month) {
    if (query.network) {
      gathering.take(month, rows_in(month, *query.network));
    } else {
      Statement account(month.database, "SELECT id FROM account WHERE value = ?");
      const std::string name = stored_name(*query.account);
      if (account.start(name).next()) {
        gathering.take(month, month.postings.find(SubjectKind::account, account.number(0)).rows);
      }
    }
    add_verdicts(month, query, verdicts);
  });
  Report report = gathering.finish();
  std::ranges::sort(verdicts, {}, [](const StoredVerdict& verdict) { return std::pair(verdict.at, verdict.id); });
  report.verdicts = std::move(verdicts);
  return report;
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
