#include "ledger/row_reader.h"

#include <limits>

#include "ledger/encode.h"
#include "ledger/secret.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostNames = 65'536;
const std::string kUnknown = "?";

// Of rows that are wanted, gaps of so many ids are read over; beyond, a new search costs less.
constexpr std::uint64_t kNeighbours = 24;

// Steps through the rows with these ids.
template <class Use>
void walk(Statement& rows, const std::vector<std::uint64_t>& ids, Use&& use) {
  for (std::size_t i = 0; i < ids.size();) {
    std::size_t end = i + 1;
    while (end < ids.size() && ids[end] - ids[end - 1] <= kNeighbours) ++end;
    rows.start(ids[i], ids[end - 1]);
    while (i < end && rows.next()) {
      const std::uint64_t id = rows.number(0);
      while (i < end && ids[i] < id) ++i;
      if (i == end || ids[i] != id) continue;
      ++i;
      if (!use()) return rows.reset();
    }
    i = end;
  }
  rows.reset();
}

// A number of the narrower type T.
template <class T>
T narrow(const Statement& statement, int column, bool& odd) {
  const std::uint64_t value = statement.number(column);
  odd = odd || value > std::numeric_limits<T>::max();
  return static_cast<T>(value);
}

std::optional<Instant> optional_time(const Statement& statement, int column) {
  if (statement.null(column)) return std::nullopt;
  return from_micros(statement.integer(column));
}

std::optional<std::string> shown(const std::string& stored, bool& hidden) {
  if (stored.empty()) return std::nullopt;
  StoredAccount account = read_account(stored);
  hidden = account.hidden;
  return std::move(account.text);
}

}  // namespace

const std::string& NameTable::of(std::uint64_t id, bool& odd) {
  auto& last = last_[id % last_.size()];
  if (last.second != nullptr && last.first == id) return *last.second;
  const auto keep = [&last, id](const std::string& text) -> const std::string& {
    last = {id, &text};
    return text;
  };
  if (const auto known = young_.find(id); known != young_.end()) return keep(known->second);
  if (young_.size() >= kMostNames / 2) {
    std::swap(old_, young_);
    young_.clear();
    last_ = {};
  }
  if (auto known = old_.extract(id)) return keep(young_.insert(std::move(known)).position->second);
  if (!read_.start(id).next()) {
    read_.reset();
    odd = true;
    return kUnknown;
  }
  const std::string& text = young_[id] = std::string(read_.bytes(0));
  read_.reset();
  return keep(text);
}

unsigned verdict_flags(const VerdictRow& row) {
  const auto kind = static_cast<unsigned>(row.kind);
  return (kind & 1U) | (row.watch_only ? 2U : 0U) | (kind >> 1U) << 2U;
}

std::string select_verdicts(const std::string& rest) {
  return "SELECT id, source, generation, offset, line_index, flags, rule, network, account, service, host, at, until, "
         "attempts, salt, by_whom, why, dropped, counter FROM verdict " +
         rest;
}

std::string select_events(const std::string& rest) {
  return "SELECT id, kind, at, source, text, detail, salt FROM event " + rest;
}

RowReader::RowReader(Database& database)
    : sources_(database, "SELECT name FROM source WHERE id = ?"),
      addresses_(database, "SELECT value FROM address WHERE id = ?"),
      accounts_(database, "SELECT value FROM account WHERE id = ?"),
      texts_(database, "SELECT value FROM text WHERE id = ?"),
      attempts_(database,
                "SELECT id, source, generation, offset, line_index, version, flags, address, port, count, account, "
                "service, detector, origin, extra, host, time, window_time, salt FROM attempt WHERE id BETWEEN ? AND ? "
                "ORDER BY id"),
      facts_(database,
             "SELECT id, source, generation, offset, line_index, version, flags, address, count, account, host, "
             "ifnull(time, window_time) FROM attempt WHERE id BETWEEN ? AND ? ORDER BY id"),
      names_(database, "SELECT id, flags, address, account, host FROM attempt WHERE id BETWEEN ? AND ? ORDER BY id"),
      verdicts_(database, select_verdicts("WHERE id BETWEEN ? AND ? ORDER BY id").c_str()),
      events_(database, select_events("WHERE id BETWEEN ? AND ? ORDER BY id").c_str()),
      batch_(database, "SELECT id, first, rows, recorded FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1") {}

void RowReader::start_attempts(std::uint64_t first, std::uint64_t last) { attempts_.start(first, last); }
void RowReader::start_verdicts(std::uint64_t first, std::uint64_t last) { verdicts_.start(first, last); }
void RowReader::start_events(std::uint64_t first, std::uint64_t last) { events_.start(first, last); }

bool RowReader::next(Found<StoredAttempt>& found) {
  if (!attempts_.next()) {
    attempts_.reset();
    return false;
  }
  fill(attempts_, found);
  return true;
}

bool RowReader::next(Found<StoredVerdict>& found) {
  if (!verdicts_.next()) {
    verdicts_.reset();
    return false;
  }
  fill(verdicts_, found);
  return true;
}

bool RowReader::next(Found<StoredEvent>& found) {
  if (!events_.next()) {
    events_.reset();
    return false;
  }
  fill(events_, found);
  return true;
}

void RowReader::each_facts(const std::vector<std::uint64_t>& ids, const std::function<bool(const AttemptFacts&)>& use) {
  walk(facts_, ids, [&] {
    AttemptFacts row;
    row.id = facts_.number(0);
    row.source = facts_.number(1);
    row.generation = facts_.number(2);
    row.offset = facts_.number(3);
    row.index = narrow<std::uint32_t>(facts_, 4, odd_);
    row.version = narrow<std::uint32_t>(facts_, 5, odd_);
    const std::uint64_t flags = facts_.number(6);
    row.outcome = static_cast<RowOutcome>(flags & 3U);
    row.withdrawn = (flags & 4U) != 0;
    row.address = facts_.number(7);
    row.count = narrow<std::uint32_t>(facts_, 8, odd_);
    row.account = facts_.number(9);
    row.host = facts_.number(10);
    row.when = from_micros(facts_.integer(11));
    return use(row);
  });
}

void RowReader::each_names(const std::vector<std::uint64_t>& ids, const std::function<bool(const AttemptFacts&)>& use) {
  AttemptFacts row;
  walk(names_, ids, [&] {
    row.id = names_.number(0);
    row.withdrawn = (names_.number(1) & 4U) != 0;
    row.address = names_.number(2);
    row.account = names_.number(3);
    row.host = names_.number(4);
    return use(row);
  });
}

void RowReader::each_attempt(const std::vector<std::uint64_t>& ids,
                             const std::function<bool(Found<StoredAttempt>&)>& use) {
  Found<StoredAttempt> found;
  walk(attempts_, ids, [&] {
    fill(attempts_, found);
    return use(found);
  });
}

IpAddress RowReader::address_of_id(std::uint64_t id) {
  return address_of(addresses_.of(id, odd_)).value_or(IpAddress());
}

void RowReader::fill(const Statement& statement, Found<StoredAttempt>& found) {
  StoredAttempt& row = found.row;
  found.odd = false;
  row.id = statement.number(0);
  row.key.source = sources_.of(statement.number(1), found.odd);
  row.key.generation = statement.number(2);
  row.key.offset = statement.number(3);
  row.key.index = narrow<std::uint32_t>(statement, 4, found.odd);
  row.version = narrow<std::uint32_t>(statement, 5, found.odd);
  const std::uint64_t flags = statement.number(6);
  found.odd = found.odd || flags > 7 || (flags & 3U) == 3;
  row.outcome = static_cast<RowOutcome>(flags & 3U);
  row.withdrawn = (flags & 4U) != 0;
  found.address_id = statement.number(7);
  row.address.reset();
  if (!statement.null(7)) row.address = address_of(addresses_.of(found.address_id, found.odd)).value_or(IpAddress());
  row.port = narrow<std::uint16_t>(statement, 8, found.odd);
  row.count = narrow<std::uint32_t>(statement, 9, found.odd);
  found.account_id = statement.number(10);
  found.account = statement.null(10) ? std::string() : accounts_.of(found.account_id, found.odd);
  row.hidden_account = false;
  row.account = shown(found.account, row.hidden_account);
  row.service = texts_.of(statement.number(11), found.odd);
  row.detector = texts_.of(statement.number(12), found.odd);
  row.origin = texts_.of(statement.number(13), found.odd);
  row.extra = texts_.of(statement.number(14), found.odd);
  row.host = texts_.of(statement.number(15), found.odd);
  row.time = optional_time(statement, 16);
  row.window_time = from_micros(statement.integer(17));
  row.raw.clear();
  found.salt = statement.bytes(18);
  row.recorded = batch_of(row.id).recorded;
}

void RowReader::fill(const Statement& statement, Found<StoredVerdict>& found) {
  StoredVerdict& row = found.row;
  found.odd = false;
  row.id = statement.number(0);
  row.cause.source = sources_.of(statement.number(1), found.odd);
  row.cause.generation = statement.number(2);
  row.cause.offset = statement.number(3);
  row.cause.index = narrow<std::uint32_t>(statement, 4, found.odd);
  const std::uint64_t flags = statement.number(5);
  const auto kind = static_cast<VerdictKind>((flags & 1U) | (flags >> 2U) << 1U);
  found.odd = found.odd || flags > 15 || kind > VerdictKind::drops;
  row.kind = kind;
  row.watch_only = (flags & 2U) != 0;
  row.rule = texts_.of(statement.number(6), found.odd);
  row.network.reset();
  if (!statement.null(7)) {
    row.network = network_of(statement.bytes(7)).value_or(IpNetwork());
    found.odd = found.odd || to_bytes(*row.network) != statement.bytes(7);
  }
  found.account = statement.null(8) ? std::string() : accounts_.of(statement.number(8), found.odd);
  bool hidden = false;
  row.account = shown(found.account, hidden);
  row.service = texts_.of(statement.number(9), found.odd);
  row.host = texts_.of(statement.number(10), found.odd);
  row.at = from_micros(statement.integer(11));
  row.until = optional_time(statement, 12);
  row.attempts = unpack_keys(statement.bytes(13));
  found.odd = found.odd || pack_keys(row.attempts) != statement.bytes(13);
  found.salt = statement.bytes(14);
  row.by = statement.null(15) ? std::string() : texts_.of(statement.number(15), found.odd);
  row.why = statement.null(16) ? std::string() : texts_.of(statement.number(16), found.odd);
  row.dropped = statement.number(17);
  row.counter = statement.number(18);
  row.recorded = batch_of(row.id).recorded;
}

void RowReader::fill(const Statement& statement, Found<StoredEvent>& found) {
  found.row.id = statement.number(0);
  found.row.kind = statement.bytes(1);
  found.row.at = from_micros(statement.integer(2));
  found.row.source = statement.bytes(3);
  found.row.text = statement.bytes(4);
  found.detail = statement.bytes(5);
  found.salt = statement.bytes(6);
}

std::optional<Found<StoredAttempt>> RowReader::attempt(std::uint64_t id) {
  Found<StoredAttempt> found;
  start_attempts(id, id);
  if (!next(found)) return std::nullopt;
  attempts_.reset();
  return found;
}

RowReader::BatchOf RowReader::batch_of(std::uint64_t row) {
  if (row >= last_batch_.first && row < last_end_) return last_batch_;
  if (batch_.start(row).next()) {
    last_batch_ = {batch_.number(0), batch_.number(1), from_micros(batch_.integer(3))};
    last_end_ = last_batch_.first + batch_.number(2);
  }
  batch_.reset();
  return last_batch_;
}

}  // namespace tipstaff
