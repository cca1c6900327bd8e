// The access report: all rows of an address, network or account, newest versions, with their verdicts and raw lines. A
// network may be the whole internet, so rows are found first and read a second time when they are wanted: in between
// there is a small entry for each, not the row.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "ledger/encode.h"
#include "ledger/reader_state.h"
#include "ledger/secret.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostRows = 5'000'000;
constexpr std::size_t kMostNames = 10'000;

// The last address of a network, as bytes.
std::string last_of(const IpNetwork& network) {
  std::string last = to_bytes(network.address());
  const unsigned bits = network.bits() + (network.address().is_v4() ? 96 : 0);
  for (unsigned bit = bits; bit < 128; ++bit) last[bit / 8] = static_cast<char>(last[bit / 8] | (0x80 >> (bit % 8)));
  return last;
}

// Counts tries by name. Attackers choose names, so only the first kMostNames are told apart.
class NameTally {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;  // no name, or one too many

  /// The number of a name.
  std::uint32_t number(const std::string& name) {
    if (const auto known = numbers_.find(name); known != numbers_.end()) return known->second;
    if (numbers_.size() == kMostNames) {
      more_ = true;
      return kNone;
    }
    tries_.push_back(0);
    return numbers_.emplace(name, static_cast<std::uint32_t>(numbers_.size())).first->second;
  }
  void count(std::uint32_t number, std::uint32_t tries) {
    if (number != kNone) tries_[number] += tries;
  }
  [[nodiscard]] NameCounts result() const {
    NameCounts all{.names = {}, .more = more_};
    for (const auto& [name, number] : numbers_) {
      if (tries_[number] > 0) all.names.push_back({name, tries_[number], false});
    }
    std::ranges::sort(all.names, [](const NameCount& a, const NameCount& b) {
      return a.tries != b.tries ? a.tries > b.tries : a.name < b.name;
    });
    return all;
  }

 private:
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<std::int64_t> tries_;
  bool more_ = false;
};

// Tells attempts apart. Of one source and generation no two places give the same.
std::uint64_t number_of(const AttemptKey& key) {
  return mix(key.offset + mix(key.generation + mix(hash_of(key.source) + key.index)));
}

// Finds the rows of a query, of each attempt the newest version.
class Gathering {
 public:
  explicit Gathering(const ReportQuery& query)
      : query_(query), account_(query.account ? stored_name(*query.account) : std::string()) {}

  void take(OpenMonth& month, SubjectKind kind, std::uint64_t subject) {
    if (index_.months.empty() || index_.months.back() != month.name) index_.months.push_back(month.name);
    std::vector<std::uint64_t> ids = query_.sample == 0
                                         ? month.postings.find(kind, subject).rows
                                         : month.postings.find_newest(kind, subject, query_.sample + 1).rows;
    if (query_.sample != 0 && ids.size() > query_.sample) {
      ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(query_.sample));
      sampled_ = true;
    }
    for (const std::uint64_t id : ids) {
      if (too_many()) return;
      const auto found = month.rows.attempt(id);
      if (found) take(*found);  // else erased
    }
  }

  [[nodiscard]] bool too_many() const { return entries_.size() > kMostRows; }

  ReportIndex finish() {
    std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
      return a.key != b.key ? a.key < b.key : a.version > b.version;
    });
    const auto older = std::ranges::unique(entries_, {}, &Entry::key);
    entries_.erase(older.begin(), older.end());
    std::erase_if(entries_, [](const Entry& entry) { return !entry.fits; });
    std::ranges::sort(entries_, {}, [](const Entry& entry) { return std::pair(entry.when, entry.place.id); });
    for (const Entry& entry : entries_) {
      add(index_.summary, entry.outcome, entry.count, entry.when);
      addresses_.count(entry.address, entry.count);
      accounts_.count(entry.account, entry.count);
      hosts_.count(entry.host, entry.count);
    }
    index_.addresses = addresses_.result();
    index_.accounts = accounts_.result();
    for (NameCount& one : index_.accounts.names) {
      StoredAccount account = read_account(one.name);
      one.name = std::move(account.text);
      one.hidden = account.hidden;
    }
    index_.hosts = hosts_.result();
    const std::size_t left_out = entries_.size() > query_.most ? entries_.size() - query_.most : 0;
    index_.more = sampled_ || left_out != 0;
    for (std::size_t i = left_out; i < entries_.size(); ++i) index_.rows.push_back(entries_[i].place);
    return std::move(index_);
  }

 private:
  struct Entry {
    std::uint64_t key;
    Instant when;
    ReportIndex::Place place;
    std::uint32_t version, count, address, account, host;
    RowOutcome outcome;
    bool fits;
  };

  void take(const Found<StoredAttempt>& found) {
    const StoredAttempt& row = found.row;
    const Instant when = row.when();
    const bool fits = !row.withdrawn && (!query_.since || when >= *query_.since) &&
                      (!query_.until || when < *query_.until) &&
                      (!query_.network || (row.address && query_.network->contains(*row.address))) &&
                      (!query_.account || found.account == account_);
    if (!fits && row.version == 0) return;  // a later version must stay, to say that an older one does not hold
    Entry entry{.key = number_of(row.key),
                .when = when,
                .place = {row.id, static_cast<std::uint32_t>(index_.months.size() - 1)},
                .version = row.version,
                .count = row.count,
                .address = NameTally::kNone,
                .account = NameTally::kNone,
                .host = NameTally::kNone,
                .outcome = row.outcome,
                .fits = fits};
    if (fits) {
      if (row.address) entry.address = addresses_.number(row.address->to_string());
      if (row.account) entry.account = accounts_.number(found.account);
      if (!row.host.empty()) entry.host = hosts_.number(row.host);
    }
    entries_.push_back(entry);
  }

  const ReportQuery& query_;
  std::string account_;  // as stored
  std::vector<Entry> entries_;
  NameTally addresses_, accounts_, hosts_;
  bool sampled_ = false;
  ReportIndex index_;
};

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

// Gathers the rows whose address lies in the network.
void gather(OpenMonth& month, const IpNetwork& network, Gathering& gathering) {
  const std::string last = last_of(network);
  Statement addresses(month.database, "SELECT id FROM address WHERE value BETWEEN ? AND ?");
  const std::string first = to_bytes(network.address());
  addresses.start(first, last);
  while (addresses.next() && !gathering.too_many()) {
    gathering.take(month, SubjectKind::address, addresses.number(0));
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
    if (query.network) {
      gather(month, *query.network, gathering);
    } else {
      Statement account(month.database, "SELECT id FROM account WHERE value = ?");
      const std::string name = stored_name(*query.account);
      if (account.start(name).next()) gathering.take(month, SubjectKind::account, account.number(0));
    }
    add_verdicts(month, query, verdicts);
  });
  if (gathering.too_many()) {
    return fail(ErrorKind::invalid,
                fmt::format("more than {} attempts fit: ask for a smaller network or a shorter time", kMostRows));
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
    std::vector<StoredAttempt*> read;
    for (std::size_t i = 0; i < count; ++i) {
      const ReportIndex::Place& place = index.rows[first + i];
      if (index.months[place.month] != month.name) continue;
      auto found = month.rows.attempt(place.id);
      if (!found) continue;
      all[i] = std::move(found->row);
      read.push_back(&all[i]);
    }
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
