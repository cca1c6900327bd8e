#include "ledger/gathering.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "ledger/encode.h"
#include "ledger/secret.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostWaiting = 262'144;  // row numbers that are sorted at a time
constexpr std::size_t kMostNumbers = 65'536;   // of names of one kind kept; then looked up again
constexpr std::uint64_t kNobody = UINT64_MAX;  // no account of the month
constexpr std::uint64_t kLookup = 60;          // looking for one subject in a segment costs as reading so many entries

// Tells attempts apart. Of one source and generation no two places give the same.
std::uint64_t number_of(std::uint64_t source, const AttemptFacts& row) {
  return mix(row.offset + mix(row.generation + mix(source + row.index)));
}

// The tally's number of a name by its id; `name_of` is asked once for each.
template <class Numbers, class NameOf>
std::uint32_t number_of(std::uint64_t id, bool first_month, Numbers& known, NameTally& tally, NameOf&& name_of) {
  if (id == 0) return NameTally::kNone;
  if (const auto found = known.find(id); found != known.end()) return found->second;
  if (first_month && tally.full()) {  // all names of the tally are in `known`
    tally.leave_out();
    return NameTally::kNone;
  }
  const std::string name = name_of(id);
  const std::uint32_t number = name.empty() ? NameTally::kNone : tally.number(name);
  if (known.size() < kMostNumbers) known.emplace(id, number);
  return number;
}

}  // namespace

std::string last_of(const IpNetwork& network) {
  std::string last = to_bytes(network.address());
  const unsigned bits = network.bits() + (network.address().is_v4() ? 96 : 0);
  for (unsigned bit = bits; bit < 128; ++bit) last[bit / 8] = static_cast<char>(last[bit / 8] | (0x80 >> (bit % 8)));
  return last;
}

std::uint32_t NameTally::number(const std::string& name) {
  if (const auto known = numbers_.find(name); known != numbers_.end()) return known->second;
  if (numbers_.size() == kMostNames) {
    more_ = true;
    return kNone;
  }
  tries_.push_back(0);
  return numbers_.emplace(name, static_cast<std::uint32_t>(numbers_.size())).first->second;
}

NameCounts NameTally::result() const {
  NameCounts all{.names = {}, .more = more_};
  for (const auto& [name, number] : numbers_) {
    if (tries_[number] > 0) all.names.push_back({name, tries_[number], false});
  }
  std::ranges::sort(all.names, [](const NameCount& a, const NameCount& b) {
    return a.tries != b.tries ? a.tries > b.tries : a.name < b.name;
  });
  return all;
}

Gathering::Gathering(const ReportQuery& query)
    : query_(query), account_(query.account ? stored_name(*query.account) : std::string()) {}

void Gathering::look_into(OpenMonth& month) {
  month_ = &month;
  index_.months.push_back(month.name);
  for (Numbers* const numbers : {&address_numbers_, &account_numbers_, &host_numbers_}) numbers->clear();
  sources_.clear();
  account_id_ = kNobody;
  if (query_.account) {
    Statement account(month.database, "SELECT id FROM account WHERE value = ?");
    if (account.start(account_).next()) account_id_ = account.number(0);
  }
  if (query_.network) {
    look_into_network(month);  // also for nobody: a row may say that one of an older month does not hold
  } else if (account_id_ != kNobody) {
    add_rows(month.postings.find(SubjectKind::account, account_id_).rows);
  }
  static_cast<void>(walk());
}

// Few addresses are looked up one by one, for many all postings are read in their order.
void Gathering::look_into_network(OpenMonth& month) {
  subjects_.clear();
  const std::string first = to_bytes(query_.network->address());
  const std::string last = last_of(*query_.network);
  Statement addresses(month.database, "SELECT id, value FROM address WHERE value BETWEEN ? AND ?");
  addresses.start(first, last);
  while (addresses.next()) {  // IPv4 lies within ::/0 as bytes, but is none of its addresses
    const auto address = address_of(addresses.bytes(1));
    if (address && query_.network->contains(*address)) subjects_.push_back(addresses.number(0));
  }
  std::ranges::sort(subjects_);

  Statement size(month.database, "SELECT count(*), total(rows) FROM segment");
  if (!size.next()) return;
  if (query_.sample == 0 && subjects_.size() > 1 && subjects_.size() * size.number(0) * kLookup > size.number(1)) {
    month.postings.each_segment(SubjectKind::address, subjects_, [this](std::vector<std::uint64_t> rows) {
      add_rows(std::move(rows));
      return walk();
    });
    return;
  }
  for (const std::uint64_t subject : subjects_) {
    if (query_.sample == 0) {
      add_rows(month.postings.find(SubjectKind::address, subject).rows);
    } else {
      auto rows = month.postings.find_newest(SubjectKind::address, subject, query_.sample + 1).rows;
      if (rows.size() > query_.sample) {
        rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(query_.sample));
        sampled_ = true;
      }
      add_rows(std::move(rows));
    }
    if (rows_.size() >= kMostWaiting && !walk()) return;
  }
}

void Gathering::add_rows(std::vector<std::uint64_t> found) {
  if (rows_.empty()) {
    rows_ = std::move(found);
  } else {
    rows_.insert(rows_.end(), found.begin(), found.end());
  }
}

// Looks at the rows that wait. False: there are too many in the report.
bool Gathering::walk() {
  std::ranges::sort(rows_);
  const auto again = std::ranges::unique(rows_);
  rows_.erase(again.begin(), again.end());
  month_->rows.each_facts(rows_, [this](const AttemptFacts& row) { return take(row); });
  rows_.clear();
  return !too_many();
}

bool Gathering::take(const AttemptFacts& row) {
  const bool fits = !row.withdrawn && (!query_.since || row.when >= *query_.since) &&
                    (!query_.until || row.when < *query_.until) &&
                    (!query_.network || std::ranges::binary_search(subjects_, row.address)) &&
                    (!query_.account || row.account == account_id_);
  if (!fits && row.version == 0) return true;  // a later version must stay, to say that an older one does not hold
  auto source = sources_.find(row.source);
  if (source == sources_.end()) {
    source = sources_.emplace(row.source, hash_of(month_->rows.source_name(row.source))).first;
  }
  Entry entry{.key = number_of(source->second, row),
              .when = row.when,
              .place = {row.id, static_cast<std::uint32_t>(index_.months.size() - 1)},
              .version = row.version,
              .count = row.count,
              .address = NameTally::kNone,
              .account = NameTally::kNone,
              .host = NameTally::kNone,
              .outcome = row.outcome,
              .fits = fits};
  if (fits) {
    RowReader& rows = month_->rows;
    const bool first = index_.months.size() == 1;
    entry.address = number_of(row.address, first, address_numbers_, addresses_,
                              [&](std::uint64_t id) { return rows.address_of_id(id).to_string(); });
    entry.account = number_of(row.account, first, account_numbers_, accounts_,
                              [&](std::uint64_t id) { return rows.account_name(id); });
    entry.host = number_of(row.host, first, host_numbers_, hosts_, [&](std::uint64_t id) { return rows.text(id); });
  }
  entries_.push_back(entry);
  return !too_many();
}

ReportIndex Gathering::finish() {
  std::ranges::sort(
      entries_, [](const Entry& a, const Entry& b) { return a.key != b.key ? a.key < b.key : a.version > b.version; });
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
  index_.rows.reserve(entries_.size() - left_out);
  for (std::size_t i = left_out; i < entries_.size(); ++i) index_.rows.push_back(entries_[i].place);
  return std::move(index_);
}

}  // namespace tipstaff
