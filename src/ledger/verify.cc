#include "ledger/verify.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "ledger/encode.h"
#include "ledger/folder.h"
#include "ledger/row_reader.h"
#include "ledger/schema.h"
#include "ledger/state_file.h"

namespace tipstaff {
namespace {

// A part of the chain that is gone by our own hand.
struct Gone {
  std::uint64_t before = 0;
  ChainEnd end;
};

// Ids that "erased" rows name, in ranges.
class IdSet {
 public:
  void add(const std::vector<std::uint64_t>& ids) { ids_.insert(ids_.end(), ids.begin(), ids.end()); }
  void finish() { std::ranges::sort(ids_); }
  [[nodiscard]] bool has(std::uint64_t id) const { return std::ranges::binary_search(ids_, id); }

 private:
  std::vector<std::uint64_t> ids_;
};

class Verifier {
 public:
  explicit Verifier(std::string folder) : folder_(std::move(folder)) {}

  Result<VerifyResult> run(const std::vector<SignedHead>& copies);

 private:
  Result<void> read_state();
  Result<void> read_events();
  void expect_heads(const std::vector<SignedHead>& copies);
  Result<void> check_file(const std::string& name);
  void check_start(const std::string& name, const ChainEnd& origin);
  void check_batch(Database& database, RowReader& reader, Statement& batch, const std::string& name);
  void check_end();
  void check_strays(Database& database, const std::string& name);

  bool broken() const { return result_.broken.has_value(); }
  void breaks(const std::string& file, std::uint64_t batch, std::uint64_t row, std::string text) {
    if (!broken()) result_.broken = Breakage{file, batch, row, std::move(text)};
  }

  std::string folder_;
  VerifyResult result_;
  std::vector<std::string> names_;
  std::vector<ChainFile> files_;       // of state.db
  std::vector<SignedHead> own_heads_;  // of state.db
  std::set<std::string> keys_;         // hexadecimal, ours
  std::vector<Gone> gone_;
  IdSet erased_;
  std::map<std::uint64_t, std::vector<std::string>> heads_;                 // link in hexadecimal by batch
  std::map<std::uint64_t, std::pair<std::string, std::string>> seen_ends_;  // state.db: file and link by batch
  ChainEnd end_;
  Hasher hasher_;
  std::array<std::uint64_t, 3> rows_seen_{};
};

Result<Database> open_checked(const std::string& path, SchemaSteps steps) {
  auto database = Database::open(path, Database::Mode::read);
  if (!database) return database;
  if (auto good = check_schema(*database, steps); !good) return std::unexpected(good.error());
  return database;
}

Result<void> Verifier::read_state() {
  auto database = open_checked(folder_ + "/state.db", state_schema());
  if (!database) {
    if (database.error().kind != ErrorKind::corrupt && database.error().kind != ErrorKind::not_found) {
      return std::unexpected(database.error());
    }
    breaks("state.db", 0, 0,
           fmt::format("state.db cannot be read ({}): signed heads in it cannot be compared", database.error().text));
    return {};
  }
  StateFile state(std::move(*database));
  files_ = state.files();
  own_heads_ = state.heads();
  keys_.insert(to_hex(state.public_key()));
  if (!state.database().ok()) breaks("state.db", 0, 0, state.database().take_error().error().text);
  return {};
}

// What the months say about themselves; whether they said it is checked with the other rows.
Result<void> Verifier::read_events() {
  for (const auto& name : names_) {
    auto database = open_checked(folder_ + "/" + name, month_schema());
    if (!database) {
      if (database.error().kind != ErrorKind::corrupt) return std::unexpected(database.error());
      breaks(name, 0, 0, fmt::format("the file cannot be read: {}", database.error().text));
      return {};
    }
    Statement events(*database, select_events("ORDER BY id").c_str());
    Found<StoredEvent> found;
    while (events.next()) {
      RowReader::fill(events, found);
      const std::string& kind = found.row.kind;
      if (kind == "erased") erased_.add(unpack_ids(found.detail));
      if (kind == "key") keys_.insert(to_hex(found.detail));
      if (kind != "set_aside" && kind != "removed") continue;
      result_.notes.push_back(found.row.text);
      ByteReader in(found.detail);
      Gone gone;
      gone.before = in.number();
      gone.end.batch = in.number();
      gone.end.row = in.number();
      const auto link = digest_of(in.text());
      if (in.ok() && link) {
        gone.end.link = *link;
        gone_.push_back(gone);
      }
    }
    if (!database->ok())
      breaks(name, 0, 0, fmt::format("the file cannot be read: {}", database->take_error().error().text));
  }
  erased_.finish();
  return {};
}

void Verifier::expect_heads(const std::vector<SignedHead>& copies) {
  for (const auto* list : {&copies, &std::as_const(own_heads_)}) {
    for (const SignedHead& head : *list) {
      const auto checked = read_head(head.to_text());
      const std::string what = fmt::format("the head of batch {} signed at {}", head.batch, to_rfc3339(head.at));
      if (!checked) {
        breaks(list == &copies ? "" : "state.db", head.batch, 0, fmt::format("{}: {}", what, checked.error().text));
      } else if (!keys_.contains(head.key)) {
        breaks("", head.batch, 0,
               fmt::format("{} was signed with a key that is not this ledger's: {}", what, head.key));
      } else {
        heads_[head.batch].push_back(head.link);
      }
    }
  }
  for (const auto& file : files_) {
    if (!file.gone && file.end.batch > 0) seen_ends_[file.end.batch] = {file.name, to_hex(bytes_of(file.end.link))};
  }
}

void Verifier::check_start(const std::string& name, const ChainEnd& origin) {
  while (end_.batch < origin.batch) {
    const auto gone = std::ranges::find_if(
        gone_, [&](const Gone& one) { return one.before == end_.batch && one.end.batch > end_.batch; });
    if (gone == gone_.end()) {
      breaks(name, end_.batch + 1, end_.row + 1,
             fmt::format("batches {} to {} are missing, and no row says that they were put aside or removed",
                         end_.batch + 1, origin.batch));
      return;
    }
    end_ = gone->end;
    for (auto head = heads_.begin(); head != heads_.end() && head->first <= end_.batch; head = heads_.erase(head)) {
      if (head->first == end_.batch && head->second.front() == to_hex(bytes_of(end_.link))) {
        ++result_.heads;
      } else {
        result_.notes.push_back(fmt::format(
            "The signed head of batch {} lies in a file that is gone and cannot be compared.", head->first));
      }
    }
  }
  if (origin.batch != end_.batch || origin.row != end_.row || origin.link != end_.link) {
    breaks(name, origin.batch + 1, origin.row + 1,
           "the file does not begin where the chain of the files before it ends");
  }
}

void Verifier::check_batch(Database& database, RowReader& reader, Statement& batch, const std::string& name) {
  const std::uint64_t id = batch.number(0);
  const std::uint64_t first = batch.number(1);
  const std::uint64_t rows = batch.number(2);
  const std::uint64_t recorded = batch.number(3);
  const std::string_view root_bytes = batch.bytes(6);
  const std::string_view link_bytes = batch.bytes(7);
  const std::string_view digests = batch.bytes(8);
  if (id != end_.batch + 1 || first != end_.row + 1) {
    breaks(name, end_.batch + 1, end_.row + 1,
           fmt::format("batch {} is missing or is not where it was", end_.batch + 1));
    return;
  }
  if (rows == 0 || digests.size() / sizeof(Digest) != rows || digests.size() % sizeof(Digest) != 0) {
    breaks(name, id, first, fmt::format("batch {} has not as many digests as rows", id));
    return;
  }
  const std::uint64_t last = first + rows - 1;
  std::vector<bool> good(rows, false);
  std::vector<bool> there(rows, false);
  std::string canonical;
  const auto judge = [&](std::uint64_t row, const auto& found) {
    const std::uint64_t place = row - first;
    there[place] = true;
    good[place] = !found.odd && bytes_of(hasher_.leaf(found.salt, canonical)) ==
                                    digests.substr(place * sizeof(Digest), sizeof(Digest));
    canonical.clear();
  };

  RawLines raw;
  Statement block(database, "SELECT digest, block FROM raw WHERE batch = ?");
  if (block.start(id).next()) {
    auto lines = unpack_lines(block.bytes(1));
    if (bytes_of(hasher_.hash(block.bytes(1))) != block.bytes(0) || !lines) {
      breaks(name, id, first, fmt::format("the raw lines of rows {} to {} are damaged", first, last));
      return;
    }
    raw = std::move(*lines);
  }
  Found<StoredAttempt> attempt;
  std::int64_t earliest = INT64_MAX;
  std::int64_t latest = INT64_MIN;
  for (reader.start_attempts(first, last); reader.next(attempt); ++rows_seen_[0]) {
    const std::uint64_t place = attempt.row.id - first;
    if (place < raw.size()) attempt.row.raw = std::move(raw[place]);
    earliest = std::min(earliest, to_micros(attempt.row.when()));
    latest = std::max(latest, to_micros(attempt.row.when()));
    put_canonical(canonical, attempt.row, attempt.account);
    judge(attempt.row.id, attempt);
  }
  Found<StoredVerdict> verdict;
  for (reader.start_verdicts(first, last); reader.next(verdict); ++rows_seen_[1]) {
    put_canonical(canonical, verdict.row, verdict.account);
    judge(verdict.row.id, verdict);
  }
  Found<StoredEvent> event;
  for (reader.start_events(first, last); reader.next(event); ++rows_seen_[2]) {
    put_canonical(canonical, event.row, event.detail);
    judge(event.row.id, event);
  }
  bool whole = true;
  for (std::uint64_t place = 0; place < rows; ++place) {
    if (there[place] && good[place]) continue;
    const std::uint64_t row = first + place;
    if (there[place]) {
      breaks(name, id, row, fmt::format("row {} is not what was written", row));
      return;
    }
    if (!erased_.has(row)) {
      breaks(name, id, row, fmt::format("row {} is missing, and no row says that it was erased", row));
      return;
    }
    whole = false;
    ++result_.erased;
  }
  if (whole && (batch.integer(4) != earliest || batch.integer(5) != latest)) {
    breaks(name, id, first, fmt::format("batch {} tells other times than its rows", id));
    return;
  }
  const Digest root = hasher_.root(digests);
  const std::array<std::uint64_t, 4> facts = {id, first, rows, recorded};
  const Digest link = hasher_.link(end_.link, facts, root);
  if (bytes_of(root) != root_bytes) {
    breaks(name, id, first,
           fmt::format("the root of batch {} (rows {} to {}) is not that of its rows", id, first, last));
  } else if (bytes_of(link) != link_bytes) {
    breaks(name, id, first, fmt::format("the chain is broken at batch {} (rows {} to {})", id, first, last));
  }
  end_ = {id, last, link};
  ++result_.batches;
  result_.rows += rows;
  const std::string hex = to_hex(bytes_of(link));
  if (const auto head = heads_.find(id); head != heads_.end()) {
    for (const auto& signed_link : head->second) {
      if (signed_link != hex) {
        breaks(name, id, first,
               fmt::format("the chain up to batch {} is not the one whose head was signed: it was written anew", id));
      }
      ++result_.heads;
    }
    heads_.erase(head);
  }
  if (const auto seen = seen_ends_.find(id); seen != seen_ends_.end()) {
    if (seen->second.second != hex) {
      breaks(name, id, first, fmt::format("the chain up to batch {} is not the one that state.db has seen", id));
    }
    seen_ends_.erase(seen);
  }
}

void Verifier::check_strays(Database& database, const std::string& name) {
  constexpr std::array<const char*, 3> kCounts = {"SELECT count(*) FROM attempt", "SELECT count(*) FROM verdict",
                                                  "SELECT count(*) FROM event"};
  for (std::size_t i = 0; i < kCounts.size(); ++i) {
    if (static_cast<std::uint64_t>(database.number(kCounts[i])) != rows_seen_[i]) {
      breaks(name, 0, 0, "the file holds rows that belong to no batch");
    }
  }
  rows_seen_ = {};
}

Result<void> Verifier::check_file(const std::string& name) {
  auto database = open_checked(folder_ + "/" + name, month_schema());
  if (!database) return std::unexpected(database.error());
  database->execute("BEGIN");  // one moment, whatever the guard writes meanwhile
  Statement origin(*database, "SELECT batch, row, link FROM origin WHERE id = 1");
  if (!origin.next()) {
    breaks(name, 0, 0, "its first row is missing");
    return {};
  }
  const auto link = digest_of(origin.bytes(2));
  check_start(name, {origin.number(0), origin.number(1), link.value_or(Digest{})});
  RowReader reader(*database);
  Statement batches(*database,
                    "SELECT id, first, rows, recorded, earliest, latest, root, link, digests FROM batch ORDER BY id");
  while (!broken() && batches.next()) check_batch(*database, reader, batches, name);
  if (!broken()) check_strays(*database, name);
  if (!database->ok()) {
    // Where SQLite itself cannot go on, the row behind the last good one is the first that is lost.
    breaks(name, end_.batch + 1, end_.row + 1,
           fmt::format("the file is damaged behind row {}: {}", end_.row, database->take_error().error().text));
  }
  ++result_.files;
  return {};
}

void Verifier::check_end() {
  for (const auto& [batch, seen] : seen_ends_) {
    if (batch > end_.batch) {
      breaks(
          seen.first, end_.batch + 1, end_.row + 1,
          fmt::format("the chain ends at batch {}, but state.db has seen batch {}: what came last was taken away, or a "
                      "power cut took it, which the guard says at its next start",
                      end_.batch, batch));
    }
  }
  for (const auto& [batch, links] : heads_) {
    if (batch > end_.batch) {
      breaks(
          "", end_.batch + 1, end_.row + 1,
          fmt::format("the chain ends at batch {}, but the head of batch {} was signed: what came last was taken away",
                      end_.batch, batch));
    } else if (batch > 0 || links.front() != std::string(64, '0')) {
      breaks("", batch, 0, fmt::format("the head of batch {} was signed, but the ledger has no such batch", batch));
    }
  }
  for (const auto& file : files_) {
    if (!file.gone && std::ranges::find(names_, file.name) == names_.end()) {
      breaks(file.name, file.begin.batch + 1, file.begin.row + 1,
             "the file is missing, and no row says that it was removed");
    }
  }
}

Result<VerifyResult> Verifier::run(const std::vector<SignedHead>& copies) {
  struct stat about{};
  if (::stat(folder_.c_str(), &about) != 0) return fail(ErrorKind::not_found, "there is no ledger", folder_);
  // state.db first: the months may grow beyond what it says, never the other way round.
  if (auto done = read_state(); !done) return std::unexpected(done.error());
  names_ = list_months(folder_);
  if (broken() && names_.empty()) return fail(ErrorKind::not_found, "there is no ledger", folder_);
  if (auto done = read_events(); !done) return std::unexpected(done.error());
  expect_heads(copies);
  for (const auto& name : names_) {
    if (broken()) break;
    if (auto done = check_file(name); !done) return std::unexpected(done.error());
  }
  if (!broken()) check_end();
  return std::move(result_);
}

}  // namespace

Result<VerifyResult> verify_ledger(const std::string& folder, const std::vector<SignedHead>& copies) {
  return Verifier(folder).run(copies);
}

}  // namespace tipstaff
