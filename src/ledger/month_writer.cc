#include "ledger/month_writer.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "ledger/secret.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostText = 1'024;
constexpr std::size_t kMostLine = 65'536;
constexpr std::size_t kMostLines = 64;
constexpr std::size_t kMostKeys = 1'000;
constexpr std::size_t kMostCheckpoint = 4'096;
constexpr std::size_t kMostKnownIds = 16'384;
constexpr std::size_t kSaltBytes = 16;

bool cut(std::string& text, std::size_t most) {
  if (text.size() <= most) return false;
  text.resize(most);
  return true;
}

bool fits(const AttemptRow& row) {
  return row.key.source.size() <= kMostCheckpoint && row.service.size() <= kMostText &&
         row.detector.size() <= kMostText && row.origin.size() <= kMostText && row.extra.size() <= kMostText &&
         row.host.size() <= kMostText && (!row.account || row.account->size() <= kMostText) &&
         row.raw.size() <= kMostLines &&
         std::ranges::all_of(row.raw, [](const std::string& line) { return line.size() <= kMostLine; });
}

// The row with what is too long cut off. Gives how many texts that were.
std::size_t cut(AttemptRow& row) {
  std::size_t count = cut(row.key.source, kMostCheckpoint) ? 1 : 0;
  for (std::string* text : {&row.service, &row.detector, &row.origin, &row.extra, &row.host}) {
    if (cut(*text, kMostText)) ++count;
  }
  if (row.account && cut(*row.account, kMostText)) ++count;
  for (auto& line : row.raw) {
    if (cut(line, kMostLine)) ++count;
  }
  if (row.raw.size() > kMostLines) {
    count += row.raw.size() - kMostLines;
    row.raw.resize(kMostLines);
  }
  return count;
}

Posting counts_of(RowOutcome outcome, std::uint32_t count, std::int64_t sign) {
  Posting posting;
  const std::int64_t value = sign * std::int64_t{count};
  (outcome == RowOutcome::failure   ? posting.failures
   : outcome == RowOutcome::success ? posting.successes
                                    : posting.probes) = value;
  return posting;
}

}  // namespace

Interner::Interner(Database& database, const std::string& table)
    : database_(database),
      find_(database, ("SELECT id FROM " + table + " WHERE value = ?").c_str()),
      add_(database, ("INSERT INTO " + table + "(value) VALUES(?)").c_str()) {}

std::uint64_t Interner::id_of(std::string_view value) {
  const auto known = young_.find(value);
  if (known != young_.end()) return known->second;
  std::uint64_t id = 0;
  if (const auto before = old_.find(value); before != old_.end()) {
    id = before->second;
  } else if (find_.start(value).next()) {
    id = find_.number(0);
    find_.reset();
  } else {
    find_.reset();
    add_.run(value);
    id = database_.last_id();
  }
  if (young_.size() >= kMostKnownIds / 2) {
    std::swap(old_, young_);
    young_.clear();
  }
  young_.emplace(value, id);
  return id;
}

std::uint64_t Interner::Column::id_of(std::string_view value) {
  if (id_ == 0 || value != value_) {
    id_ = texts_.id_of(value);
    value_ = value;
  }
  return id_;
}

// What one batch comes to.
struct MonthWriter::Build {
  struct Range {
    std::uint64_t first = UINT64_MAX, last = 0;
  };
  WriteCounts counts;
  std::uint64_t first_row = 0;
  std::uint64_t batch = 0;
  std::string digests, canonical, salts;
  std::size_t salt_at = 0;
  RawLines raw;
  bool any_raw = false;
  std::int64_t earliest = INT64_MAX, latest = INT64_MIN;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Range> ranges;  // by source id and generation

  std::string_view salt() {
    if (salt_at == salts.size()) {
      salts.resize(kSaltBytes * 512);
      fill_random(salts);
      salt_at = 0;
    }
    salt_at += kSaltBytes;
    return std::string_view(salts).substr(salt_at - kSaltBytes, kSaltBytes);
  }
};

MonthWriter::MonthWriter(Database database, std::string name)
    : database_(std::move(database)),
      name_(std::move(name)),
      addresses_(database_, "address"),
      accounts_(database_, "account"),
      texts_(database_, "text"),
      services_(texts_),
      detectors_(texts_),
      origins_(texts_),
      extras_(texts_),
      hosts_(texts_),
      postings_(database_),
      rows_(database_),
      find_source_(database_, "SELECT id FROM source WHERE name = ?"),
      add_source_(database_, "INSERT INTO source(name, seen_generation, seen_offset) VALUES(?, 0, 0)"),
      save_position_(database_, "UPDATE source SET generation = ?, offset = ?, checkpoint = ? WHERE id = ?"),
      add_attempt_(database_, "INSERT INTO attempt VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      add_verdict_(database_, "INSERT INTO verdict VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
      add_event_(database_, "INSERT INTO event VALUES(?,?,?,?,?,?,?)"),
      add_batch_(database_, "INSERT INTO batch VALUES(?,?,?,?,?,?,?,?,?)"),
      add_raw_(database_, "INSERT INTO raw VALUES(?,?,?)"),
      add_batch_source_(database_, "INSERT INTO batch_source VALUES(?,?,?,?,?)"),
      covering_(database_,
                "SELECT b.first, b.rows FROM batch_source s JOIN batch b ON b.id = s.batch WHERE s.source = ? AND "
                "s.generation = ? AND s.first <= ?3 AND s.last >= ?3"),
      in_batch_(database_,
                "SELECT id, version FROM attempt WHERE id >= ? AND id < ? AND source = ? AND generation = ? AND "
                "offset = ? AND line_index = ?"),
      same_verdict_(
          database_,
          "SELECT 1 FROM verdict WHERE source = (SELECT id FROM source WHERE name = ?) AND generation = ? AND "
          "offset = ? AND line_index = ? AND rule = (SELECT id FROM text WHERE value = ?)"),
      old_attempt_(database_, "SELECT flags, count, address, account FROM attempt WHERE id = ?") {
  Statement origin(database_, "SELECT host, batch, row, link FROM origin WHERE id = 1");
  if (origin.start().next()) {
    host_ = origin.bytes(0);
    begin_ = {origin.number(1), origin.number(2), digest_of(origin.bytes(3)).value_or(Digest{})};
  }
  end_ = begin_;
  Statement last(database_, "SELECT id, first + rows - 1, link FROM batch ORDER BY id DESC LIMIT 1");
  if (last.start().next()) end_ = {last.number(0), last.number(1), digest_of(last.bytes(2)).value_or(Digest{})};
}

Result<void> MonthWriter::begin_file(Database& database, const std::string& host, const ChainEnd& end,
                                     const std::vector<StoredPosition>& sources, Instant now) {
  database.begin();
  Statement(database, "INSERT INTO origin VALUES(1, ?, ?, ?, ?, ?)")
      .run(host, to_micros(now), end.batch, end.row, bytes_of(end.link));
  Statement add(database,
                "INSERT INTO source(name, generation, offset, checkpoint, seen_generation, seen_offset) "
                "VALUES(?, ?, ?, ?, ?, ?)");
  for (const auto& [position, saved, seen] : sources) {
    if (saved) {
      add.run(position.source, position.generation, position.offset, Blob(position.checkpoint), seen.generation,
              seen.offset);
    } else {
      add.run(position.source, nullptr, nullptr, nullptr, seen.generation, seen.offset);
    }
  }
  return database.commit();
}

std::vector<StoredPosition> read_positions(Statement& all) {
  std::vector<StoredPosition> list;
  while (all.next()) {
    list.push_back({{std::string(all.bytes(0)), all.number(1), all.number(2), std::string(all.bytes(3))},
                    !all.null(1),
                    {all.number(4), all.number(5)}});
  }
  return list;
}

std::vector<StoredPosition> MonthWriter::sources() {
  Statement all(database_, "SELECT name, generation, offset, checkpoint, seen_generation, seen_offset FROM source");
  return read_positions(all);
}

void MonthWriter::load_recent(RecentKeys& recent) {
  std::unordered_map<std::uint64_t, std::uint32_t> numbers;
  Statement all(database_, "SELECT id, name, seen_generation, seen_offset FROM source");
  while (all.next()) {
    const std::uint32_t number = numbers[all.number(0)] = recent.number_of(all.bytes(1));
    const LedgerPlace seen{all.number(2), all.number(3)};
    if (seen != LedgerPlace{}) recent.note_older(number, seen);
  }
  // Whole batches, so that what lies before them can be told by their ranges.
  Statement first(database_, "SELECT id, first FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1");
  const std::uint64_t want = end_.row > RecentKeys::kHalf ? end_.row - RecentKeys::kHalf : 1;
  std::uint64_t first_batch = 0;
  std::uint64_t first_row = 0;
  if (first.start(want).next()) first_batch = first.number(0), first_row = first.number(1);
  Statement before(
      database_, "SELECT source, generation, max(last) FROM batch_source WHERE batch < ? GROUP BY source, generation");
  before.start(first_batch);
  while (before.next()) {
    const auto number = numbers.find(before.number(0));
    if (number != numbers.end()) recent.note_older(number->second, {before.number(1), before.number(2)});
  }
  Statement rows(database_,
                 "SELECT source, generation, offset, line_index, version, id FROM attempt WHERE id >= ? ORDER BY id");
  rows.start(first_row);
  while (rows.next()) {
    const auto number = numbers.find(rows.number(0));
    if (number == numbers.end()) continue;
    recent.add(number->second, {rows.number(1), rows.number(2)}, static_cast<std::uint32_t>(rows.number(3)),
               {static_cast<std::uint32_t>(rows.number(4)), rows.number(5)});
  }
}

std::optional<RecentKeys::Known> MonthWriter::find(const AttemptKey& key) {
  if (!find_source_.start(Blob(key.source)).next()) {
    find_source_.reset();
    return std::nullopt;
  }
  const std::uint64_t source = find_source_.number(0);
  find_source_.reset();
  std::optional<RecentKeys::Known> known;
  covering_.start(source, key.generation, key.offset);
  while (covering_.next()) {
    const std::uint64_t first = covering_.number(0);
    in_batch_.start(first, first + covering_.number(1), source, key.generation, key.offset, key.index);
    while (in_batch_.next()) {
      const RecentKeys::Known found{static_cast<std::uint32_t>(in_batch_.number(1)), in_batch_.number(0)};
      if (!known || found.version > known->version) known = found;
    }
  }
  in_batch_.reset();
  covering_.reset();
  return known;
}

bool MonthWriter::has_verdict(const AttemptKey& cause, const std::string& rule) {
  const bool has =
      same_verdict_.start(Blob(cause.source), cause.generation, cause.offset, cause.index, Blob(rule)).next();
  same_verdict_.reset();
  return has;
}

MonthWriter::SourceIds MonthWriter::source(const std::string& name, RecentKeys& recent) {
  const auto known = sources_.find(name);
  if (known != sources_.end()) return known->second;
  SourceIds ids;
  ids.number = recent.number_of(name);
  if (find_source_.start(Blob(name)).next()) {
    ids.id = find_source_.number(0);
  } else {
    add_source_.run(Blob(name));
    ids.id = database_.last_id();
  }
  find_source_.reset();
  return sources_[name] = ids;
}

WriteCounts MonthWriter::append(const Batch& batch, const std::vector<DetailedEvent>& events, Around& around) {
  Build build;
  build.batch = end_.batch + 1;
  build.first_row = end_.row + 1;
  for (const auto& attempt : batch.attempts) add_attempt(attempt, build, around);
  for (const auto& verdict : batch.verdicts) add_verdict(verdict, build, around);
  for (const auto& event : batch.events) add_event(event, {}, build);
  for (const auto& [event, detail] : events) add_event(event, detail, build);
  for (const auto& position : batch.positions) save(position, around.recent);
  if (end_.row >= build.first_row) finish(batch, build);
  return build.counts;
}

void MonthWriter::add_attempt(const AttemptRow& given, Build& build, Around& around) {
  const AttemptRow* row = &given;
  AttemptRow changed;
  std::string account;
  const bool hide = given.account_unknown && given.account && looks_like_password(*given.account);
  if (hide || !fits(given)) {
    changed = given;
    row = &changed;
    if (hide) {
      account = stored_password(*given.account, around.account_key);
      const std::string instead = "<" + shape_of(*given.account) + ">";
      for (auto& line : changed.raw) line = strike_out(line, *given.account, instead);
      changed.extra = strike_out(changed.extra, *given.account, instead);
    }
    build.counts.cut += cut(changed);
  }
  if (row->account && !hide) account = stored_name(*row->account);

  const SourceIds from = source(row->key.source, around.recent);
  const LedgerPlace place{row->key.generation, row->key.offset};
  auto known = around.recent.find(from.number, place, row->key.index);
  if (!known && around.recent.may_be_older(from.number, place)) {
    known = find(row->key);
    if (!known) known = around.find_older(row->key);
  }
  if (known && known->version >= row->version) {
    ++build.counts.known;
    return;
  }

  const std::uint64_t id = ++end_.row;
  std::optional<std::uint64_t> address_id;
  std::optional<std::uint64_t> account_id;
  if (row->address) address_id = addresses_.id_of(to_bytes(*row->address));
  if (row->account) account_id = accounts_.id_of(account);
  if (known) {
    take_back(known->row, id, address_id, account_id, around);
  }
  const std::string_view salt = build.salt();
  const unsigned flags = static_cast<unsigned>(row->outcome) | (row->withdrawn ? 4U : 0U);
  std::optional<std::int64_t> time;
  if (row->time) time = to_micros(*row->time);
  const std::int64_t window_time = to_micros(row->window_time);
  add_attempt_.run(id, from.id, place.generation, place.offset, row->key.index, row->version, flags, address_id,
                   unsigned{row->port}, row->count, account_id, services_.id_of(row->service),
                   detectors_.id_of(row->detector), origins_.id_of(row->origin), extras_.id_of(row->extra),
                   hosts_.id_of(row->host), time, window_time, salt);
  build.canonical.clear();
  put_canonical(build.canonical, *row, account);
  build.digests += bytes_of(hasher_.leaf(salt, build.canonical));
  build.any_raw = build.any_raw || !row->raw.empty();
  build.raw.push_back(row->raw);

  const std::int64_t when = time.value_or(window_time);
  build.earliest = std::min(build.earliest, when);
  build.latest = std::max(build.latest, when);
  Posting posting;
  if (!row->withdrawn) {
    posting = counts_of(row->outcome, row->count, 1);
    posting.first = posting.last = when;
  }
  if (address_id) postings_.add(SubjectKind::address, *address_id, posting, id);
  if (account_id) postings_.add(SubjectKind::account, *account_id, posting, id);

  Build::Range& range = build.ranges[{from.id, place.generation}];
  range.first = std::min(range.first, place.offset);
  range.last = std::max(range.last, place.offset);
  around.recent.add(from.number, place, row->key.index, {row->version, id});
  ++build.counts.written;
}

// What the replaced version counted is counted no more, and who asks for its address or account is led to the new row.
void MonthWriter::take_back(std::uint64_t old_row, std::uint64_t row, const std::optional<std::uint64_t>& address,
                            const std::optional<std::uint64_t>& account, Around& around) {
  Posting counts;
  std::optional<std::uint64_t> old_address;
  std::optional<std::uint64_t> old_account;
  if (old_row > begin_.row) {
    if (!old_attempt_.start(old_row).next()) return;
    const std::uint64_t flags = old_attempt_.number(0);
    if ((flags & 4U) == 0) {
      counts = counts_of(static_cast<RowOutcome>(flags & 3U), static_cast<std::uint32_t>(old_attempt_.number(1)), -1);
    }
    if (!old_attempt_.null(2)) old_address = old_attempt_.number(2);
    if (!old_attempt_.null(3)) old_account = old_attempt_.number(3);
    old_attempt_.reset();
  } else {  // of another file, whose ids mean nothing here
    const auto old = around.older_row(old_row);
    if (!old) return;
    if (!old->row.withdrawn) counts = counts_of(old->row.outcome, old->row.count, -1);
    if (old->row.address) old_address = addresses_.id_of(to_bytes(*old->row.address));
    if (!old->account.empty()) old_account = accounts_.id_of(old->account);
  }
  if (old_address) postings_.add(SubjectKind::address, *old_address, counts, old_address == address ? 0 : row);
  if (old_account) postings_.add(SubjectKind::account, *old_account, counts, old_account == account ? 0 : row);
}

void MonthWriter::add_verdict(const VerdictRow& verdict, Build& build, Around& around) {
  VerdictRow row = verdict;
  for (std::string* text : {&row.rule, &row.service, &row.host, &row.by, &row.why})
    build.counts.cut += cut(*text, kMostText) ? 1 : 0;
  if (row.account) build.counts.cut += cut(*row.account, kMostText) ? 1 : 0;
  if (row.attempts.size() > kMostKeys) {
    row.attempts.resize(kMostKeys);
    ++build.counts.cut;
  }
  const SourceIds from = source(row.cause.source, around.recent);
  const LedgerPlace place{row.cause.generation, row.cause.offset};
  const auto cause = around.recent.find(from.number, place, row.cause.index);
  const bool older = cause ? cause->row <= begin_.row : around.recent.may_be_older(from.number, place);
  if (has_verdict(row.cause, row.rule) || (older && around.older_verdict(row.cause, row.rule))) {
    ++build.counts.known;
    return;
  }
  const std::uint64_t id = ++end_.row;
  std::string account;
  if (row.account) {
    account = row.account_unknown && looks_like_password(*row.account)
                  ? stored_password(*row.account, around.account_key)
                  : stored_name(*row.account);
  }
  std::optional<std::uint64_t> account_id;
  if (row.account) account_id = accounts_.id_of(account);
  std::optional<std::string> network;
  if (row.network) network = to_bytes(*row.network);
  const unsigned flags = verdict_flags(row);
  std::optional<std::uint64_t> by;
  std::optional<std::uint64_t> why;
  if (!row.by.empty()) by = texts_.id_of(row.by);
  if (!row.why.empty()) why = texts_.id_of(row.why);
  std::optional<std::int64_t> until;
  if (row.until) until = to_micros(*row.until);
  const std::string keys = pack_keys(row.attempts);
  const std::string_view salt = build.salt();
  add_verdict_.run(id, from.id, row.cause.generation, row.cause.offset, row.cause.index, flags, texts_.id_of(row.rule),
                   network, account_id, texts_.id_of(row.service), texts_.id_of(row.host), to_micros(row.at), until,
                   Blob(keys), salt, by, why, row.dropped, row.counter);
  build.canonical.clear();
  put_canonical(build.canonical, row, account);
  build.digests += bytes_of(hasher_.leaf(salt, build.canonical));
  ++build.counts.written;
}

void MonthWriter::add_event(const EventRow& event, std::string_view detail, Build& build) {
  EventRow row = event;
  for (std::string* text : {&row.kind, &row.source, &row.text}) build.counts.cut += cut(*text, kMostText) ? 1 : 0;
  const std::uint64_t id = ++end_.row;
  const std::string_view salt = build.salt();
  add_event_.run(id, row.kind, to_micros(row.at), row.source, row.text, detail, salt);
  build.canonical.clear();
  put_canonical(build.canonical, row, detail);
  build.digests += bytes_of(hasher_.leaf(salt, build.canonical));
  ++build.counts.written;
}

void MonthWriter::finish(const Batch& batch, Build& build) {
  const std::uint64_t rows = end_.row - build.first_row + 1;
  const std::int64_t recorded = to_micros(batch.recorded);
  const Digest root = hasher_.root(build.digests);
  const std::array<std::uint64_t, 4> facts = {build.batch, build.first_row, rows, static_cast<std::uint64_t>(recorded)};
  end_.link = hasher_.link(end_.link, facts, root);
  end_.batch = build.batch;
  add_batch_.run(build.batch, build.first_row, rows, recorded, build.earliest, build.latest, bytes_of(root),
                 bytes_of(end_.link), Blob(build.digests));
  if (build.any_raw) {
    const std::string block = pack_lines(build.raw);
    add_raw_.run(build.batch, bytes_of(hasher_.hash(block)), Blob(block));
  }
  for (const auto& [from, range] : build.ranges) {
    add_batch_source_.run(from.first, from.second, build.batch, range.first, range.last);
  }
  postings_.flush();
}

void MonthWriter::save(const PositionRow& position, RecentKeys& recent) {
  const SourceIds ids = source(position.source, recent);
  save_position_.run(position.generation, position.offset,
                     Blob(std::string_view(position.checkpoint).substr(0, kMostCheckpoint)), ids.id);
}

}  // namespace tipstaff
