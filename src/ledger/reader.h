// Questions to the ledger, on connections of their own that never write: they work while the guard runs and while it does
// not. Each answer comes from one moment of each file. A damaged month is left out of an answer and named in `problems`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "ledger/rows.h"

namespace tipstaff {

/// Counts of an address or account over all months. Tries, not rows: a row that stands for four counts four.
struct SubjectSummary {
  std::int64_t failures = 0;
  std::int64_t successes = 0;
  std::int64_t probes = 0;
  std::optional<Instant> first, last;
};

struct BusyAddress {
  IpAddress address;
  SubjectSummary summary;
};

/// What an address lately tried.
struct RecentNames {
  std::size_t accounts = 0, hosts = 0;  ///< different ones
  bool more = false;                    ///< there are older rows, which were not looked at
};

/// What a rule said so far.
struct RuleTotals {
  std::string rule;  ///< as logged
  VerdictKind kind = VerdictKind::block;
  std::uint64_t verdicts = 0;
  bool enforced = false;  ///< the newest was no watch-only one
};

/// Network (a single address too) or account is to be given; with both, the network's rows of that account are meant.
struct ReportQuery {
  std::optional<IpNetwork> network;
  std::optional<std::string> account;
  std::optional<Instant> since;  ///< by the attempt's own time; including
  std::optional<Instant> until;  ///< excluding
  bool raw = false;              ///< with the raw lines
  std::size_t most = 1'000'000;  ///< rows; the newest are given where there are more
  /// Looks at so many rows of each address and month only, those recorded last; 0: at all.
  std::size_t sample = 0;
};

/// A name and the tries it occurs in.
struct NameCount {
  std::string name;  ///< bytes as logged
  std::int64_t tries = 0;
  bool hidden = false;  ///< an account of which `name` is the shape of a password
};

/// The names of one kind in a report, most tries first.
struct NameCounts {
  std::vector<NameCount> names;  ///< at most 10,000
  bool more = false;             ///< there may be others
};

/// What a query found, without the rows themselves: their places, of each attempt the newest version, none withdrawn.
struct ReportIndex {
  struct Place {
    std::uint64_t id = 0;
    std::uint32_t month = 0;  ///< index in `months`
  };
  SubjectSummary summary;                 ///< of all rows that fit
  NameCounts addresses, accounts, hosts;  ///< in all rows that fit
  std::vector<StoredVerdict> verdicts;    ///< that concern the network, or the account; oldest first
  std::vector<Place> rows;                ///< oldest first
  bool more = false;                      ///< there are older ones than `most`, or the sample left some out
  std::vector<std::string> months;        ///< names of their files
};

struct Report {
  std::vector<StoredAttempt> attempts;  ///< oldest first; newest versions, none withdrawn
  SubjectSummary summary;               ///< of these attempts
  std::vector<StoredVerdict> verdicts;  ///< that concern the network or account, oldest first
  bool more = false;                    ///< there are older ones than `most`
};

struct MonthInfo {
  std::string file;  ///< "2026-11.db"
  std::uint64_t bytes = 0;
  std::uint64_t attempts = 0, verdicts = 0, events = 0;
  std::uint64_t erased = 0;
  std::uint64_t first_batch = 0, last_batch = 0;  ///< 0: none
  std::string set_aside;                          ///< reason, where it was put aside or removed
};

struct LedgerInfo {
  std::string host;
  std::vector<MonthInfo> months;
  std::uint64_t addresses = 0, accounts = 0;  ///< of the months together, not merged
  std::uint64_t head_batch = 0;
  std::string head_link;         ///< hexadecimal
  std::string last_signed_head;  ///< as SignedHead::to_text; empty: never signed
  std::string public_key;        ///< hexadecimal
};

class LedgerReader {
 public:
  /// Errors: not_found (no ledger there), denied (say which group), invalid (needs the guard of this version to run once).
  [[nodiscard]] static Result<std::unique_ptr<LedgerReader>> open(const std::string& folder);
  ~LedgerReader();
  LedgerReader(const LedgerReader&) = delete;
  LedgerReader& operator=(const LedgerReader&) = delete;

  [[nodiscard]] Result<Report> report(const ReportQuery& query);
  /// The same in two steps, for reports of any length: find() holds some 60 bytes for each row while it looks, and
  /// keeps 16. Errors: invalid (nothing asked for; more than 5,000,000 rows fit).
  [[nodiscard]] Result<ReportIndex> find(const ReportQuery& query);
  /// Rows [first, first + most) of what find() found, in its order. Those erased meanwhile are missing.
  [[nodiscard]] std::vector<StoredAttempt> rows(const ReportIndex& index, std::size_t first, std::size_t most,
                                                bool raw);
  /// Attempts recorded within `span` before the newest one, newest versions, in the order in which they were made; of more
  /// than `most` rows the newest. For a guard that goes on where it ended.
  [[nodiscard]] Result<std::vector<StoredAttempt>> last_recorded(std::chrono::seconds span, std::size_t most);
  /// Addresses with most failures, at most `most` (up to 1,000). With since/until all rows of that time are counted, which
  /// takes a second for a few million.
  [[nodiscard]] Result<std::vector<BusyAddress>> busiest(std::size_t most, std::optional<Instant> since = std::nullopt,
                                                         std::optional<Instant> until = std::nullopt);
  /// For each of these addresses what the `sample` rows of each month tell that were recorded last.
  [[nodiscard]] Result<std::vector<RecentNames>> recent_names(const std::vector<IpAddress>& addresses,
                                                              std::size_t sample);
  /// Counts of all attempts that have an address. Those without one are in no summary.
  [[nodiscard]] Result<SubjectSummary> totals();
  /// Blocks and alerts of each rule since the ledger began, by name; none by hand. Reads every verdict.
  [[nodiscard]] Result<std::vector<RuleTotals>> rule_totals();
  /// Counts of one address, without its rows.
  [[nodiscard]] Result<SubjectSummary> summary(IpAddress address);
  /// Newest first, at most `most`; without `drops`.
  [[nodiscard]] Result<std::vector<StoredVerdict>> verdicts(std::size_t most);
  /// The same, handed on one by one; with `over`: those alone that each_standing(over) does not give.
  [[nodiscard]] Result<void> each_verdict(std::size_t most, std::optional<Instant> over,
                                          const std::function<void(const StoredVerdict&)>& use);
  /// What a guard has to know of the blocks that stand: rows whose `until` lies after `now`, and those that take something
  /// back, in the order in which they were recorded. Found by an index, however long the ledger is.
  [[nodiscard]] Result<void> each_standing(Instant now, const std::function<void(const StoredVerdict&)>& use);
  /// Those with a higher id than `behind`, in the order in which they were recorded, at most `most`; `drops` too. For who
  /// follows the ledger.
  [[nodiscard]] Result<std::vector<StoredVerdict>> verdicts_behind(std::uint64_t behind, std::size_t most);
  [[nodiscard]] Result<std::vector<StoredEvent>> events(std::size_t most);
  [[nodiscard]] Result<std::vector<PositionRow>> positions();
  [[nodiscard]] Result<LedgerInfo> info();

  /// Months that could not be read, with the reason, since open().
  [[nodiscard]] const std::vector<std::string>& problems() const;

 private:
  struct State;
  explicit LedgerReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
