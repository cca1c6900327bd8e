#include "ledger/posting.h"

#include <algorithm>
#include <string>

#include "base/hash.h"
#include "ledger/encode.h"

namespace tipstaff {
namespace {

constexpr std::uint64_t kFan = 16;     // segments of a level that are merged
constexpr unsigned kSummaryLevel = 2;  // a segment of this level is counted in the summary
constexpr auto kAddress = static_cast<unsigned>(SubjectKind::address);  // the summary has no others
constexpr std::uint64_t kMostMerged =
    262'144;                              // entries of a merge beyond that level; a larger one holds up the writer
constexpr std::size_t kChunkBytes = 800;  // entries of one database row; with its key it fits beside others in a page

void put(std::string& out, const Posting& posting, std::uint64_t& before) {
  put_number(out, posting.subject - before);
  before = posting.subject;
  put_signed(out, posting.failures);
  put_signed(out, posting.successes);
  put_signed(out, posting.probes);
  const bool timed = posting.first <= posting.last;
  put_number(out, timed ? 1 + static_cast<std::uint64_t>(posting.last - posting.first) : 0);
  if (timed) put_signed(out, posting.first);
  put_number(out, posting.rows.size());
  std::uint64_t row_before = 0;
  for (const std::uint64_t row : posting.rows) {
    put_number(out, row - row_before);
    row_before = row;
  }
}

enum class Rows : std::uint8_t { read, pass_over };

// Calls `use(posting)` for each entry until it gives false. Damaged bytes end the list.
template <Rows kRows = Rows::read, class Use>
void each_of(std::string_view entries, Use&& use) {
  ByteReader in(entries);
  std::uint64_t subject = 0;
  Posting posting;
  while (!in.at_end()) {
    posting.subject = subject += in.number();
    posting.failures = in.signed_number();
    posting.successes = in.signed_number();
    posting.probes = in.signed_number();
    posting.first = INT64_MAX, posting.last = INT64_MIN;
    if (const std::uint64_t span = in.number(); span > 0) {
      posting.first = in.signed_number();
      posting.last = static_cast<std::int64_t>(static_cast<std::uint64_t>(posting.first) + span - 1);
    }
    posting.rows.clear();
    std::uint64_t row = 0;
    for (std::uint64_t count = in.number(); count > 0 && in.ok(); --count) {
      row += in.number();
      if (kRows == Rows::read && in.ok()) posting.rows.push_back(row);
    }
    if (!in.ok() || !use(posting)) return;
  }
}

// Counts of a damaged file may be any number; they wrap instead of being undefined.
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// The first five columns of a summary.
Posting counts_of(const Statement& row) {
  return {.failures = row.integer(0),
          .successes = row.integer(1),
          .probes = row.integer(2),
          .first = row.integer(3),
          .last = row.integer(4),
          .rows = {}};
}

// Counts by subject, open addressing: there can be more than a hundred thousand, and most are looked at once.
class YoungCounts {
 public:
  void add(const Posting& counts) {
    if ((all_.size() + 1) * 2 > slots_.size()) grow();
    std::uint32_t& slot = slots_[place_of(counts.subject)];
    if (slot != kNone) return all_[slot].join(counts);
    slot = static_cast<std::uint32_t>(all_.size());
    all_.push_back(counts);
  }
  /// Its counts, once.
  const Posting* take(std::uint64_t subject) {
    const std::uint32_t slot = slots_.empty() ? kNone : slots_[place_of(subject)];
    if (slot == kNone) return nullptr;
    taken_.resize(all_.size());
    if (taken_[slot]) return nullptr;
    taken_[slot] = true;
    return &all_[slot];
  }
  /// Those that were not taken.
  template <class Use>
  void each_left(Use&& use) {
    taken_.resize(all_.size());
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!taken_[i]) use(all_[i]);
    }
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  [[nodiscard]] std::size_t place_of(std::uint64_t subject) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = mix(subject) & mask;
    while (slots_[at] != kNone && all_[slots_[at]].subject != subject) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    slots_.assign(std::max<std::size_t>(slots_.size() * 4, 4'096), kNone);
    for (std::uint32_t i = 0; i < all_.size(); ++i) slots_[place_of(all_[i].subject)] = i;
  }

  std::vector<Posting> all_;
  std::vector<bool> taken_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace

void Posting::join(const Posting& other) {
  failures = sum(failures, other.failures);
  successes = sum(successes, other.successes);
  probes = sum(probes, other.probes);
  first = std::min(first, other.first);
  last = std::max(last, other.last);
  const bool in_order = rows.empty() || other.rows.empty() || rows.back() < other.rows.front();
  rows.insert(rows.end(), other.rows.begin(), other.rows.end());
  if (!in_order) std::ranges::sort(rows);
}

void PostingList::add(const Posting& counts, std::uint64_t subject, const std::uint64_t* rows, std::size_t count) {
  entries_.push_back({subject, counts.failures, counts.successes, counts.probes, counts.first, counts.last,
                      static_cast<std::uint32_t>(rows_.size()), static_cast<std::uint32_t>(count)});
  rows_.insert(rows_.end(), rows, rows + count);
}

void PostingList::clear() {
  entries_.clear();
  rows_.clear();
}

template <class Use>
void PostingList::each_subject(Use&& use) {
  std::ranges::stable_sort(entries_, {}, &Entry::subject);
  Posting posting;
  for (std::size_t i = 0; i < entries_.size();) {
    const std::uint64_t subject = entries_[i].subject;
    posting.subject = subject;
    posting.failures = posting.successes = posting.probes = 0;
    posting.first = INT64_MAX, posting.last = INT64_MIN;
    posting.rows.clear();
    for (; i < entries_.size() && entries_[i].subject == subject; ++i) {
      const Entry& entry = entries_[i];
      posting.failures = sum(posting.failures, entry.failures);
      posting.successes = sum(posting.successes, entry.successes);
      posting.probes = sum(posting.probes, entry.probes);
      posting.first = std::min(posting.first, entry.first);
      posting.last = std::max(posting.last, entry.last);
      const auto rows = rows_.begin() + entry.rows_at;
      posting.rows.insert(posting.rows.end(), rows, rows + entry.rows);
    }
    use(posting);
  }
}

PostingWriter::PostingWriter(Database& database)
    : database_(database),
      new_segment_(database, "INSERT INTO segment(level, rows) VALUES(?, ?)"),
      new_posting_(database, "INSERT INTO posting(segment, kind, first, entries) VALUES(?, ?, ?, ?)"),
      count_level_(database, "SELECT count(*), total(rows) FROM segment WHERE level = ?"),
      read_level_(
          database,
          "SELECT p.entries FROM segment s CROSS JOIN posting p ON p.segment = s.id WHERE s.level = ? AND p.kind = ? "
          "ORDER BY s.id, p.first"),
      drop_postings_(database, "DELETE FROM posting WHERE segment IN (SELECT id FROM segment WHERE level = ?)"),
      drop_segments_(database, "DELETE FROM segment WHERE level = ?"),
      // The sum of a damaged file's numbers may be too large: it is cut off, since a number with a fraction is no integer.
      add_summary_(database,
                   "INSERT INTO summary(kind, subject, failures, successes, probes, first, last) VALUES(?,?,?,?,?,?,?) "
                   "ON CONFLICT DO UPDATE SET failures = CAST(failures + excluded.failures AS INTEGER), "
                   "successes = CAST(successes + excluded.successes AS INTEGER), "
                   "probes = CAST(probes + excluded.probes AS INTEGER), "
                   "first = min(first, excluded.first), last = max(last, excluded.last)"),
      drop_summary_(
          database,
          "DELETE FROM summary WHERE kind = ? AND subject = ? AND failures = 0 AND successes = 0 AND probes = 0") {}

void PostingWriter::add(SubjectKind kind, std::uint64_t subject, const Posting& counts, std::uint64_t row) {
  added_[static_cast<std::size_t>(kind)].add(counts, subject, &row, row != 0 ? 1 : 0);
}

void PostingWriter::discard() {
  for (auto& list : added_) list.clear();
}

void PostingWriter::flush() {
  const std::uint64_t entries = added_[0].size() + added_[1].size();
  if (entries == 0) return;
  write_segment(0, added_, entries);
  discard();
  for (unsigned level = 0; merge(level); ++level) {
  }
}

void PostingWriter::write_segment(unsigned level, Lists& lists, std::uint64_t rows) {
  new_segment_.run(level, rows);
  const std::uint64_t segment = database_.last_id();
  for (unsigned kind = 0; kind < lists.size(); ++kind) {
    std::string chunk;
    std::uint64_t first = 0;
    std::uint64_t before = 0;
    lists[kind].each_subject([&](const Posting& posting) {
      if (level == kSummaryLevel && kind == kAddress) add_to_summary(posting);
      if (chunk.empty()) {
        first = posting.subject;
        before = 0;
      }
      put(chunk, posting, before);
      if (chunk.size() < kChunkBytes) return;
      new_posting_.run(segment, kind, first, Blob(chunk));
      chunk.clear();
    });
    if (!chunk.empty()) new_posting_.run(segment, kind, first, Blob(chunk));
  }
}

bool PostingWriter::merge(unsigned level) {
  if (!count_level_.start(level).next()) return false;
  const std::uint64_t segments = count_level_.number(0);
  const std::uint64_t rows = count_level_.number(1);
  count_level_.reset();
  if (segments < kFan || (level >= kSummaryLevel && rows > kMostMerged)) return false;
  Lists lists;
  for (unsigned kind = 0; kind < lists.size(); ++kind) {
    read_level_.start(level, kind);
    while (read_level_.next()) {
      each_of(read_level_.bytes(0), [&](const Posting& posting) {
        lists[kind].add(posting, posting.subject, posting.rows.data(), posting.rows.size());
        return true;
      });
    }
    read_level_.reset();
  }
  drop_postings_.run(level);
  drop_segments_.run(level);
  write_segment(level + 1, lists, rows);
  return database_.ok();
}

void PostingWriter::add_to_summary(const Posting& posting) {
  add_summary_.run(kAddress, posting.subject, posting.failures, posting.successes, posting.probes, posting.first,
                   posting.last);
  const bool takes_back = posting.failures < 0 || posting.successes < 0 || posting.probes < 0;
  const bool counts = posting.failures > 0 || posting.successes > 0 || posting.probes > 0;
  if (takes_back || !counts) drop_summary_.run(kAddress, posting.subject);
}

// CROSS JOIN keeps the order of the loops: the other one reads every posting there is.
PostingReader::PostingReader(Database& database)
    : all_segments_(database, "SELECT id FROM segment ORDER BY id"),
      newest_segments_(database, "SELECT id FROM segment ORDER BY id DESC"),
      young_segments_(database, "SELECT id FROM segment WHERE level < 2"),
      chunk_(database,
             "SELECT entries FROM posting WHERE segment = ? AND kind = ? AND first <= ? ORDER BY first DESC LIMIT 1"),
      summary_(database, "SELECT failures, successes, probes, first, last FROM summary WHERE kind = ? AND subject = ?"),
      top_(database,
           "SELECT failures, successes, probes, first, last, subject FROM summary INDEXED BY summary_busy WHERE "
           "kind = 0 AND failures >= 8 ORDER BY failures DESC LIMIT ?"),
      rest_(database,
            "SELECT failures, successes, probes, first, last, subject FROM summary WHERE kind = 0 AND failures < 8 "
            "ORDER BY failures DESC LIMIT ?"),
      total_(database,
             "SELECT total(failures), total(successes), total(probes), ifnull(min(first), 9223372036854775807), "
             "ifnull(max(last), -9223372036854775807 - 1) FROM summary WHERE kind = 0"),
      young_chunks_(
          database,
          "SELECT p.entries FROM segment s CROSS JOIN posting p ON p.segment = s.id WHERE s.level < 2 AND p.kind = 0"),
      chunks_(database, "SELECT entries FROM posting WHERE segment = ? AND kind = ? ORDER BY first") {}

void PostingReader::look_up(Statement& segments, SubjectKind kind, std::uint64_t subject, Posting& found,
                            std::size_t enough) {
  segments.start();
  while (found.rows.size() < enough && segments.next()) {
    if (!chunk_.start(segments.number(0), static_cast<unsigned>(kind), subject).next()) continue;
    each_of(chunk_.bytes(0), [&](const Posting& posting) {
      if (posting.subject == subject) found.join(posting);
      return posting.subject < subject;
    });
  }
  chunk_.reset();
  segments.reset();
}

Posting PostingReader::find(SubjectKind kind, std::uint64_t subject) {
  Posting found{.subject = subject, .rows = {}};
  look_up(all_segments_, kind, subject, found);
  const auto again = std::ranges::unique(found.rows);
  found.rows.erase(again.begin(), again.end());
  return found;
}

// A segment that was merged holds rows older than those of any segment with a higher id.
Posting PostingReader::find_newest(SubjectKind kind, std::uint64_t subject, std::size_t enough) {
  Posting found{.subject = subject, .rows = {}};
  look_up(newest_segments_, kind, subject, found, enough);
  const auto again = std::ranges::unique(found.rows);
  found.rows.erase(again.begin(), again.end());
  return found;
}

void PostingReader::each_segment(SubjectKind kind, const std::vector<std::uint64_t>& subjects,
                                 const std::function<bool(std::vector<std::uint64_t>)>& use) {
  all_segments_.start();
  bool more = true;
  while (more && all_segments_.next()) {
    std::vector<std::uint64_t> rows;
    auto next = subjects.begin();  // the postings of a segment are in the order of their subjects too
    chunks_.start(all_segments_.number(0), static_cast<unsigned>(kind));
    while (next != subjects.end() && chunks_.next()) {
      each_of(chunks_.bytes(0), [&](const Posting& posting) {
        while (next != subjects.end() && *next < posting.subject) ++next;
        if (next == subjects.end()) return false;
        if (*next == posting.subject) rows.insert(rows.end(), posting.rows.begin(), posting.rows.end());
        return true;
      });
    }
    more = use(std::move(rows));
  }
  chunks_.reset();
  all_segments_.reset();
}

Posting PostingReader::summary(std::uint64_t address) {
  Posting found{.subject = address, .rows = {}};
  look_up(young_segments_, SubjectKind::address, address, found);
  found.rows.clear();
  if (summary_.start(kAddress, address).next()) {
    found.join(counts_of(summary_));
  }
  summary_.reset();
  return found;
}

template <class Use>
void PostingReader::each_young(Use&& use) {
  young_chunks_.start();
  while (young_chunks_.next()) {
    each_of<Rows::pass_over>(young_chunks_.bytes(0), [&](const Posting& posting) {
      use(posting);
      return true;
    });
  }
  young_chunks_.reset();
}

Posting PostingReader::total() {
  Posting all;
  if (total_.start().next()) all = counts_of(total_);
  total_.reset();
  each_young([&](const Posting& posting) { all.join(posting); });
  return all;
}

std::vector<Posting> PostingReader::busiest(std::size_t most) {
  YoungCounts young;  // not yet in the summary
  each_young([&](const Posting& posting) { young.add(posting); });
  std::vector<Posting> list;
  std::int64_t least = 0;                          // failures of the last that the summary gave
  const std::size_t wanted = most + 100;           // more, since an amendment among the young may lower one
  for (Statement* const rows : {&top_, &rest_}) {  // those that tried seldom only where there are few others
    if (list.size() >= wanted) break;
    rows->start(static_cast<std::uint64_t>(wanted - list.size()));
    while (rows->next()) {
      Posting posting = counts_of(*rows);
      posting.subject = rows->number(5);
      least = posting.failures;
      if (const Posting* const more = young.take(posting.subject); more != nullptr) posting.join(*more);
      list.push_back(std::move(posting));
    }
    rows->reset();
  }
  const auto busier = [](const Posting& a, const Posting& b) {
    return a.failures != b.failures ? a.failures > b.failures : a.subject < b.subject;
  };
  const auto trim = [&] {
    std::erase_if(list, [](const Posting& one) { return one.failures <= 0 && one.successes <= 0 && one.probes <= 0; });
    std::ranges::sort(list, busier);
    if (list.size() > most) list.resize(most);
  };
  trim();
  // Of the young alone those are looked up that can get onto the list even with what the summary has of them.
  const std::int64_t bar = list.size() < most ? INT64_MIN : list.back().failures;
  young.each_left([&](const Posting& posting) {
    if (sum(posting.failures, least) < bar) return;
    Posting& one = list.emplace_back(posting);
    if (summary_.start(kAddress, posting.subject).next()) one.join(counts_of(summary_));
    summary_.reset();
  });
  trim();
  return list;
}

}  // namespace tipstaff
