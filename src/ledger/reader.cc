#include "ledger/reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "base/hash.h"
#include "ledger/digest.h"
#include "ledger/encode.h"
#include "ledger/folder.h"
#include "ledger/reader_state.h"
#include "ledger/schema.h"
#include "ledger/state_file.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostBusy = 1'000;

void add(SubjectSummary& to, const Posting& from) {
  to.failures += from.failures;
  to.successes += from.successes;
  to.probes += from.probes;
  if (from.first > from.last) return;
  to.first = std::min(to.first.value_or(from_micros(from.first)), from_micros(from.first));
  to.last = std::max(to.last.value_or(from_micros(from.last)), from_micros(from.last));
}

void add(SubjectSummary& to, const SubjectSummary& from) {
  to.failures += from.failures;
  to.successes += from.successes;
  to.probes += from.probes;
  if (!from.first || !from.last) return;
  to.first = std::min(to.first.value_or(*from.first), *from.first);
  to.last = std::max(to.last.value_or(*from.last), *from.last);
}

bool busier(const SubjectSummary& a, const SubjectSummary& b) {
  return a.failures != b.failures ? a.failures > b.failures : a.last > b.last;
}

// Counts by address id of the rows with a time in [from, to), of each attempt the newest version in this file.
std::unordered_map<std::uint64_t, SubjectSummary> count_rows(OpenMonth& month, std::int64_t from, std::int64_t to) {
  std::unordered_map<std::uint64_t, SubjectSummary> all;
  std::unordered_map<std::uint64_t, std::uint64_t>
      newest;  // versions of attempts that were amended, by hash of the key
  const auto hash = [](const Statement& row) {
    return mix(row.number(0) + mix(row.number(1) + mix(row.number(2) + mix(row.number(3)))));
  };
  const char* const kBatches = "SELECT first, first + rows - 1 FROM batch WHERE latest >= ? AND earliest < ?";
  Statement batches(month.database, kBatches);
  Statement amended(
      month.database,
      "SELECT source, generation, offset, line_index, version FROM attempt WHERE id >= ? AND version > 0");
  Statement rows(
      month.database,
      "SELECT source, generation, offset, line_index, version, flags, address, count, coalesce(time, "
      "window_time) AS at FROM attempt WHERE id BETWEEN ? AND ? AND address IS NOT NULL AND at >= ? AND at < ?");
  bool first = true;
  batches.start(from, to);
  while (batches.next()) {
    if (first) {
      amended.start(batches.number(0));
      while (amended.next()) {
        auto& version = newest[hash(amended)];
        version = std::max(version, amended.number(4));
      }
      first = false;
    }
    rows.start(batches.number(0), batches.number(1), from, to);
    while (rows.next()) {
      const std::uint64_t flags = rows.number(5);
      const auto known = newest.empty() ? newest.end() : newest.find(hash(rows));
      if ((flags & 4U) != 0 || (known != newest.end() && known->second > rows.number(4))) continue;
      add(all[rows.number(6)], static_cast<RowOutcome>(flags & 3U), static_cast<std::uint32_t>(rows.number(7)),
          from_micros(rows.integer(8)));
    }
  }
  return all;
}

}  // namespace

void add(SubjectSummary& to, RowOutcome outcome, std::uint32_t tries, Instant when) {
  (outcome == RowOutcome::failure ? to.failures : outcome == RowOutcome::success ? to.successes : to.probes) += tries;
  to.first = std::min(to.first.value_or(when), when);
  to.last = std::max(to.last.value_or(when), when);
}

void LedgerReader::State::note(const std::string& name, const Error& error) {
  const std::string text = fmt::format("{}: {}", name, error.text);
  if (std::ranges::find(problems, text) == problems.end()) problems.push_back(text);
}

Result<void> LedgerReader::State::refresh() {
  std::vector<std::unique_ptr<OpenMonth>> now;
  std::optional<Error> denied;
  for (const auto& name : list_months(folder)) {
    struct stat about{};
    const std::string path = folder + "/" + name;
    if (::stat(path.c_str(), &about) != 0) continue;
    const auto known = std::ranges::find_if(
        months, [&](const auto& month) { return month && month->name == name && month->inode == about.st_ino; });
    if (known != months.end()) {
      now.push_back(std::move(*known));
      continue;
    }
    auto database = Database::open(path, Database::Mode::read);
    Result<void> good;
    if (database) good = check_schema(*database, month_schema());
    if (!database) good = std::unexpected(database.error());
    if (!good) {
      note(name, good.error());
      if (good.error().kind != ErrorKind::corrupt) denied = good.error();
      continue;
    }
    now.push_back(std::make_unique<OpenMonth>(std::move(*database), name, about.st_ino));
  }
  months = std::move(now);
  if (months.empty() && denied) return std::unexpected(*denied);
  return {};
}

LedgerReader::LedgerReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LedgerReader::~LedgerReader() = default;

Result<std::unique_ptr<LedgerReader>> LedgerReader::open(const std::string& folder) {
  struct stat about{};
  if (::stat(folder.c_str(), &about) != 0) {
    return fail(ErrorKind::not_found, "there is no ledger: the guard makes it at its first start", folder);
  }
  auto state = std::make_unique<State>();
  state->folder = folder;
  if (auto done = state->refresh(); !done) {
    Error error = done.error();
    if (error.kind == ErrorKind::denied || error.kind == ErrorKind::unavailable) {
      error.text += "; the ledger is readable to its owner and its group";
    }
    return std::unexpected(std::move(error));
  }
  return std::unique_ptr<LedgerReader>(new LedgerReader(std::move(state)));
}

Result<std::vector<BusyAddress>> LedgerReader::busiest(std::size_t most, std::optional<Instant> since,
                                                       std::optional<Instant> until) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  most = std::min(most, kMostBusy);
  std::unordered_map<IpAddress, SubjectSummary> all;
  const bool timed = since || until;
  state_->each([&](OpenMonth& month) {
    Statement address(month.database, "SELECT value FROM address WHERE id = ?");
    const auto put = [&](std::uint64_t id, const auto& counts) {
      if (!address.start(id).next()) return;
      if (const auto value = address_of(address.bytes(0))) add(all[*value], counts);
    };
    if (timed) {
      for (const auto& [id, summary] :
           count_rows(month, since ? to_micros(*since) : INT64_MIN, until ? to_micros(*until) : INT64_MAX)) {
        put(id, summary);
      }
    } else {
      // More than asked for of each of several months, since the sum over them decides.
      for (const Posting& posting : month.postings.busiest(state_->months.size() > 1 ? most + kMostBusy / 4 : most))
        put(posting.subject, posting);
    }
  });
  std::vector<BusyAddress> list;
  for (const auto& [address, summary] : all) list.push_back({address, summary});
  const auto by_counts = [](const BusyAddress& a, const BusyAddress& b) {
    if (busier(a.summary, b.summary) || busier(b.summary, a.summary)) return busier(a.summary, b.summary);
    return a.address < b.address;
  };
  std::ranges::sort(list, by_counts);
  if (list.size() > most) list.resize(most);
  if (!timed && state_->months.size() > 1) {  // a month may have left out what is few there
    for (auto& one : list) {
      if (auto exact = summary(one.address)) one.summary = *exact;
    }
    std::ranges::sort(list, by_counts);
  }
  return list;
}

Result<SubjectSummary> LedgerReader::summary(IpAddress address) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  SubjectSummary all;
  state_->each([&](OpenMonth& month) {
    Statement find(month.database, "SELECT id FROM address WHERE value = ?");
    const std::string value = to_bytes(address);
    if (find.start(value).next()) add(all, month.postings.summary(find.number(0)));
  });
  return all;
}

Result<SubjectSummary> LedgerReader::totals() {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  SubjectSummary all;
  state_->each([&](OpenMonth& month) { add(all, month.postings.total()); });
  return all;
}

Result<std::vector<RuleTotals>> LedgerReader::rule_totals() {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::map<std::pair<std::string, VerdictKind>, RuleTotals> all;
  state_->each([&](OpenMonth& month) {
    // SQLite gives the flags of the row that has the largest id. A row whose end is its beginning takes a block back.
    Statement counts(month.database,
                     "SELECT rule, flags, count(*), max(id) FROM verdict WHERE flags & 12 = 0 AND until IS NOT at "
                     "GROUP BY rule, flags & 1");
    while (counts.next()) {
      const std::string& rule = month.rows.text(counts.number(0));
      if (rule.empty()) continue;
      const std::uint64_t flags = counts.number(1);
      const auto kind = (flags & 1U) == 0 ? VerdictKind::block : VerdictKind::alert;
      RuleTotals& one = all[{rule, kind}];
      one.rule = rule;
      one.kind = kind;
      one.verdicts += counts.number(2);
      one.enforced = (flags & 2U) == 0;
    }
  });
  std::vector<RuleTotals> list;
  for (auto& [name, one] : all) list.push_back(std::move(one));
  return list;
}

Result<std::vector<StoredVerdict>> LedgerReader::verdicts(std::size_t most) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::vector<StoredVerdict> all;
  state_->each([&](OpenMonth& month) {
    Statement newest(month.database, select_verdicts("WHERE flags & 8 = 0 ORDER BY id DESC LIMIT ?").c_str());
    Found<StoredVerdict> found;
    newest.start(static_cast<std::uint64_t>(most));
    while (newest.next()) {
      month.rows.fill(newest, found);
      all.push_back(found.row);
    }
  });
  std::ranges::sort(all, std::greater(), &StoredVerdict::id);
  if (all.size() > most) all.resize(most);
  return all;
}

Result<void> LedgerReader::each_verdict(std::size_t most, std::optional<Instant> over,
                                        const std::function<void(const StoredVerdict&)>& use) {
  const std::string rows = over ? "WHERE flags & 8 = 0 AND (until IS NULL OR (until <= ?2 AND until <> at)) "
                                : "WHERE flags & 8 = 0 AND ?2 IS NOT NULL ";
  if (auto done = state_->refresh(); !done) return done;
  for (auto month = state_->months.rbegin(); month != state_->months.rend() && most > 0; ++month) {
    Statement newest((*month)->database, select_verdicts(rows + "ORDER BY id DESC LIMIT ?1").c_str());
    Found<StoredVerdict> found;
    newest.start(static_cast<std::uint64_t>(most), to_micros(over.value_or(Instant())));
    while (newest.next()) {
      (*month)->rows.fill(newest, found);
      use(found.row);
      --most;
    }
    if (!(*month)->database.ok()) state_->note((*month)->name, (*month)->database.take_error().error());
  }
  return {};
}

Result<std::vector<StoredVerdict>> LedgerReader::verdicts_behind(std::uint64_t behind, std::size_t most) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::vector<StoredVerdict> all;
  state_->each([&](OpenMonth& month) {  // ids rise from month to month
    if (all.size() >= most) return;
    Statement rows(month.database, select_verdicts("WHERE id > ? ORDER BY id LIMIT ?").c_str());
    Found<StoredVerdict> found;
    rows.start(behind, static_cast<std::uint64_t>(most - all.size()));
    while (rows.next()) {
      month.rows.fill(rows, found);
      all.push_back(found.row);
    }
  });
  return all;
}

Result<void> LedgerReader::each_standing(Instant now, const std::function<void(const StoredVerdict&)>& use) {
  if (auto done = state_->refresh(); !done) return done;
  state_->each([&](OpenMonth& month) {
    Statement rows(month.database,
                   select_verdicts("WHERE id IN (SELECT id FROM verdict WHERE until > ? UNION SELECT id "
                                   "FROM verdict WHERE until = at) ORDER BY id")
                       .c_str());
    Found<StoredVerdict> found;
    rows.start(to_micros(now));
    while (rows.next()) {
      month.rows.fill(rows, found);
      use(found.row);
    }
  });
  return {};
}

Result<std::vector<StoredEvent>> LedgerReader::events(std::size_t most) {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::vector<StoredEvent> all;
  state_->each([&](OpenMonth& month) {
    Statement newest(month.database, select_events("ORDER BY id DESC LIMIT ?").c_str());
    Found<StoredEvent> found;
    newest.start(static_cast<std::uint64_t>(most));
    while (newest.next()) {
      RowReader::fill(newest, found);
      all.push_back(found.row);
    }
  });
  std::ranges::sort(all, std::greater(), &StoredEvent::id);
  if (all.size() > most) all.resize(most);
  return all;
}

Result<std::vector<PositionRow>> LedgerReader::positions() {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  std::vector<PositionRow> all;
  if (state_->months.empty()) return all;
  OpenMonth& month = *state_->months.back();  // the newest has taken over those of the one before
  Statement rows(month.database,
                 "SELECT name, generation, offset, checkpoint FROM source WHERE generation IS NOT NULL ORDER BY name");
  while (rows.next()) {
    all.push_back({std::string(rows.bytes(0)), rows.number(1), rows.number(2), std::string(rows.bytes(3))});
  }
  if (!month.database.ok()) return month.database.take_error();
  return all;
}

Result<LedgerInfo> LedgerReader::info() {
  if (auto done = state_->refresh(); !done) return std::unexpected(done.error());
  LedgerInfo info;
  const auto count = [](OpenMonth& month, const char* sql) {
    return static_cast<std::uint64_t>(month.database.number(sql));
  };
  state_->each([&](OpenMonth& month) {
    MonthInfo one;
    one.file = month.name;
    std::error_code code;
    one.bytes = std::filesystem::file_size(state_->folder + "/" + month.name, code);
    if (code) one.bytes = 0;
    one.attempts = count(month, "SELECT count(*) FROM attempt");
    one.verdicts = count(month, "SELECT count(*) FROM verdict");
    one.events = count(month, "SELECT count(*) FROM event");
    const std::uint64_t rows = count(month, "SELECT total(rows) FROM batch");
    const std::uint64_t there = one.attempts + one.verdicts + one.events;
    one.erased = rows > there ? rows - there : 0;
    one.first_batch = count(month, "SELECT min(id) FROM batch");
    one.last_batch = count(month, "SELECT max(id) FROM batch");
    info.addresses += count(month, "SELECT count(*) FROM address");
    info.accounts += count(month, "SELECT count(*) FROM account");
    Statement host(month.database, "SELECT host FROM origin WHERE id = 1");
    if (host.next()) info.host = host.bytes(0);
    Statement head(month.database, "SELECT id, link FROM batch ORDER BY id DESC LIMIT 1");
    if (head.next()) {
      info.head_batch = head.number(0);
      info.head_link = to_hex(head.bytes(1));
    }
    info.months.push_back(std::move(one));
  });
  auto database = Database::open(state_->folder + "/state.db", Database::Mode::read);
  if (!database || !check_schema(*database, state_schema())) return info;
  StateFile state(std::move(*database));
  info.public_key = to_hex(state.public_key());
  if (const auto heads = state.heads(); !heads.empty()) info.last_signed_head = heads.back().to_text();
  for (const auto& file : state.files()) {
    if (!file.gone) continue;
    MonthInfo one;
    one.file = file.name;
    one.first_batch = file.begin.batch + 1;
    one.last_batch = file.end.batch;
    one.set_aside = *file.gone;
    info.months.push_back(std::move(one));
  }
  return info;
}

const std::vector<std::string>& LedgerReader::problems() const { return state_->problems; }

}  // namespace tipstaff
