// The ledger's own thread behind a bounded queue, so that guarding never waits for a disk. While the disk is full or busy
// the thread keeps trying the same batch; what no longer fits into the queue is dropped and counted by source, and the
// first batch that can be written again carries a "gap" row for each source that says from where to where and how many.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "ledger/rows.h"
#include "ledger/writer.h"

namespace tipstaff {

struct LedgerThreadOptions {
  std::size_t most_rows = 100'000;         ///< attempts and verdicts in the queue; more are dropped
  std::chrono::milliseconds retry{1'000};  ///< between two tries while the disk is full
  KeepingPeriods keep;
  /// Sentences for the administrator, on the ledger's thread: recording stopped, resumed, a file was put aside.
  std::function<void(const std::string&)> notice;
};

/// What `status` says about recording.
struct LedgerHealth {
  bool recording = true;
  std::string problem;  ///< why not, as a sentence
  std::uint64_t written = 0, known = 0, dropped = 0;
  std::size_t waiting = 0;  ///< rows in the queue
  std::string last_head;    ///< as SignedHead::to_text
};

class LedgerThread {
 public:
  LedgerThread(std::unique_ptr<LedgerWriter> writer, LedgerThreadOptions options);
  /// Writes what waits (one try each), then ends.
  ~LedgerThread();
  LedgerThread(const LedgerThread&) = delete;
  LedgerThread& operator=(const LedgerThread&) = delete;

  /// Takes the batch and returns at once. False: the queue is full, its rows are dropped and will be told of as a gap;
  /// its positions still count.
  bool submit(Batch batch);
  /// True when half the queue is used: a source that can wait should.
  [[nodiscard]] bool crowded() const;
  /// Waits until all that was submitted before is written or dropped, at most `limit`. False: it is not.
  [[nodiscard]] bool drain(std::chrono::milliseconds limit);
  [[nodiscard]] LedgerHealth health() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
