// The one hand that writes. A batch is one transaction in the file of its month: rows, postings, raw lines, chain and the
// positions of the sources together, so that after any crash reading goes on where the rows end. What it cannot mend it
// says: a damaged file is put aside once and a new one begun; a full disk is an error after which the same batch may be
// tried again. Not thread-safe; LedgerThread gives it a thread. Several processes may have one open at the same time.
#pragma once

#include <chrono>
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

struct LedgerOptions {
  std::string folder;  ///< made (0750) if it is not there; its parent must be
  /// Called with a sentence that the administrator must see: a file put aside, writes lost. On the writing thread.
  std::function<void(const std::string&)> notice;
  std::function<Instant()> clock;  ///< for what happens outside a batch; none: the system's
  std::uint64_t most_bytes = 0;    ///< a month's file does not grow beyond this, as if the disk were full; 0: no limit
};

/// What became of a batch's rows.
struct WriteCounts {
  std::size_t written = 0;
  std::size_t known = 0;  ///< attempts and verdicts that were there already
  std::size_t cut = 0;    ///< texts that were too long
};

/// The state of the chain at a moment, signed. One line of text; a copy that lies elsewhere is what makes the ledger
/// evidence.
struct SignedHead {
  std::string host;  ///< uuid
  std::uint64_t batch = 0;
  std::string link;  ///< 64 hexadecimal digits
  Instant at{};
  std::string signature;  ///< Ed25519, 128 hexadecimal digits
  std::string key;        ///< public, 64 hexadecimal digits
  /// "tipstaff-head 1 HOST BATCH LINK TIME KEY SIGNATURE"
  [[nodiscard]] std::string to_text() const;
};

/// How long rows stay, counted from recording; none: for ever. Rows under a hold stay.
struct KeepingPeriods {
  std::optional<std::chrono::days> failures;  ///< and probes
  std::optional<std::chrono::days> successes = std::chrono::days(180);
};

/// Whose rows are to go. With `before` alone: all rows recorded before it.
struct ForgetQuery {
  std::optional<IpAddress> address;
  std::optional<std::string> account;
  std::optional<Instant> before;
};

class LedgerWriter {
 public:
  /// Opens or makes the ledger, brings older files to this version's form, mends what a power cut left behind.
  /// Errors: denied, unavailable (disk), invalid (a file is of a newer version), corrupt (state.db).
  [[nodiscard]] static Result<std::unique_ptr<LedgerWriter>> open(LedgerOptions options);
  ~LedgerWriter();
  LedgerWriter(const LedgerWriter&) = delete;
  LedgerWriter& operator=(const LedgerWriter&) = delete;

  /// All of the batch or nothing. Errors: unavailable (disk full, busy: try again), corrupt (a second file would have to
  /// be put aside), denied, internal.
  [[nodiscard]] Result<WriteCounts> write(const Batch& batch);
  /// Nothing will be written for a while: lets go of memory that only makes writing faster.
  void rest();

  /// Saved positions of all sources.
  [[nodiscard]] Result<std::vector<PositionRow>> positions();

  /// Brings all to the disk, then signs the chain's head. Daily, and before a notice.
  [[nodiscard]] Result<SignedHead> sign_head(Instant now);

  /// Erases payloads; digests stay, and an "erased" row says how many and why. Gives the number of rows.
  /// Errors: conflict (a hold), invalid (nothing asked for), and those of write().
  [[nodiscard]] Result<std::size_t> forget(const ForgetQuery& query, const std::string& reason, Instant now);
  /// Erases what has been kept long enough. At most a few hundred milliseconds of work for each call; 0: nothing left.
  [[nodiscard]] Result<std::size_t> expire(const KeepingPeriods& periods, Instant now);

  /// A hold keeps an address's rows from expire() and forget() until it is lifted.
  [[nodiscard]] Result<void> hold(IpAddress address, const std::string& reason, Instant now);
  [[nodiscard]] Result<void> lift_hold(IpAddress address);

  /// This host's uuid; with a row's id it names the row for ever.
  [[nodiscard]] const std::string& host() const;

  struct State;  // writer_state.h

 private:
  explicit LedgerWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
