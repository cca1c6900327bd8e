#include "ledger/thread.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace tipstaff {
namespace {

constexpr std::chrono::seconds kRest{2};         // without a batch
constexpr std::chrono::hours kHousekeeping{24};  // by the batches' own time: signing and expiry

std::size_t rows_of(const Batch& batch) { return batch.attempts.size() + batch.verdicts.size(); }

// What is missing of one source.
struct Gap {
  std::uint64_t attempts = 0, tries = 0;
  AttemptKey first, last;
  Instant from{}, to{};

  void add(const AttemptRow& row) {
    const Instant when = row.time.value_or(row.window_time);
    if (attempts == 0) {
      first = last = row.key;
      from = to = when;
    }
    first = std::min(first, row.key);
    last = std::max(last, row.key);
    from = std::min(from, when);
    to = std::max(to, when);
    ++attempts;
    tries += row.count;
  }
};

}  // namespace

struct LedgerThread::State {
  std::unique_ptr<LedgerWriter> writer;
  LedgerThreadOptions options;

  mutable std::mutex mutex;
  std::condition_variable wake, idle;
  std::deque<Batch> queue;
  std::size_t waiting = 0;  // rows in the queue and in the batch being written
  bool busy = false;        // a batch is being written
  bool stop = false;
  std::map<std::string, Gap> gaps;
  std::uint64_t lost_verdicts = 0;
  std::map<std::string, PositionRow> positions;  // of batches that were dropped
  LedgerHealth health;
  Instant last_recorded{};
  std::optional<Instant> kept_house;  // when housekeeping was last done
  bool head_due = false;
  std::thread thread;

  void run();
  bool write(Batch& batch, bool last_try);
  void add_gaps(Batch& batch);
  void keep_house(Instant now);
  void notice(const std::string& text) const {
    if (options.notice) options.notice(text);
  }
};

// Under the mutex. Moves what is missing into the batch, to stand in the ledger with it.
void LedgerThread::State::add_gaps(Batch& batch) {
  for (const auto& [source, gap] : gaps) {
    batch.events.push_back(
        {"gap", batch.recorded, source,
         fmt::format("{} attempts ({} tries) of {} are missing, from {} at {}:{} to {} at {}:{}: the disk could not be "
                     "written to",
                     gap.attempts, gap.tries, source, to_rfc3339(gap.from), gap.first.generation, gap.first.offset,
                     to_rfc3339(gap.to), gap.last.generation, gap.last.offset)});
  }
  if (lost_verdicts > 0) {
    batch.events.push_back({"gap", batch.recorded, {}, fmt::format("{} verdicts are missing", lost_verdicts)});
  }
  for (auto& [source, position] : positions) {
    const auto same = std::ranges::find(batch.positions, source, &PositionRow::source);
    if (same == batch.positions.end()) {
      batch.positions.push_back(std::move(position));
    } else if (std::pair(same->generation, same->offset) < std::pair(position.generation, position.offset)) {
      *same = std::move(position);
    }
  }
  gaps.clear();
  lost_verdicts = 0;
  positions.clear();
}

// Gives true when the batch is done with, written or given up.
bool LedgerThread::State::write(Batch& batch, bool last_try) {
  auto counts = writer->write(batch);
  std::unique_lock lock(mutex);
  if (counts) {
    health.written += counts->written;
    health.known += counts->known;
    const bool resumed = !std::exchange(health.recording, true);
    health.problem.clear();
    lock.unlock();
    if (resumed) notice("The ledger is written again.");
    return true;
  }
  const std::string problem = counts.error().message();
  const bool first = std::exchange(health.recording, false);
  health.problem = fmt::format("the ledger cannot be written: {}. Guarding goes on; {} rows wait, {} are lost", problem,
                               waiting, health.dropped);
  lock.unlock();
  if (first) {
    notice(
        fmt::format("The ledger cannot be written: {}. Guarding goes on, and recording resumes by itself.", problem));
  }
  return last_try;
}

void LedgerThread::State::keep_house(Instant now) {
  const bool due = !kept_house || now - *kept_house >= kHousekeeping;
  if (due) kept_house = now;
  head_due = head_due || due;
  while (due) {
    const auto expired = writer->expire(options.keep, now);
    if (!expired) notice("Rows kept long enough could not be erased: " + expired.error().message());
    if (!expired || *expired == 0) break;
    const std::lock_guard lock(mutex);
    if (stop || waiting > options.most_rows / 4) {  // the rest next time a batch comes
      kept_house.reset();
      break;
    }
  }
  if (!head_due || health.written == 0) return;  // the head of a chain without rows would say nothing
  head_due = false;
  const auto head = writer->sign_head(now);
  if (!head) {
    notice("The ledger's head could not be signed: " + head.error().message());
    return;
  }
  const std::lock_guard lock(mutex);
  health.last_head = head->to_text();
}

void LedgerThread::State::run() {
  std::unique_lock lock(mutex);
  const auto called = [this] { return stop || !queue.empty(); };
  bool rests = true;
  while (true) {
    if (!rests && !wake.wait_for(lock, kRest, called)) {
      rests = true;
      lock.unlock();
      writer->rest();
      malloc_trim(0);  // what catching up took: queued batches, pages
      lock.lock();
    }
    wake.wait(lock, called);
    rests = false;
    Batch batch;
    if (!queue.empty()) {
      batch = std::move(queue.front());
      queue.pop_front();
    } else if (gaps.empty() && lost_verdicts == 0) {
      return;
    } else {
      batch.recorded = last_recorded;
    }
    last_recorded = batch.recorded;
    busy = true;
    const std::size_t rows = rows_of(batch);
    // Everything dropped so far came behind this batch, so the gap is told with the last one that waits.
    if (queue.empty()) add_gaps(batch);
    while (true) {
      const bool last_try = stop;
      lock.unlock();
      const bool done = write(batch, last_try);
      if (done && health.recording) keep_house(batch.recorded);
      lock.lock();
      if (done) break;
      wake.wait_for(lock, options.retry, [&] { return stop; });
    }
    waiting -= rows;
    busy = false;
    idle.notify_all();
  }
}

LedgerThread::LedgerThread(std::unique_ptr<LedgerWriter> writer, LedgerThreadOptions options)
    : state_(std::make_unique<State>()) {
  state_->writer = std::move(writer);
  state_->options = std::move(options);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

LedgerThread::~LedgerThread() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

bool LedgerThread::submit(Batch batch) {
  const std::size_t rows = rows_of(batch);
  {
    const std::lock_guard lock(state_->mutex);
    State& state = *state_;
    // A batch that finds nothing waiting is taken whatever its size.
    if (state.waiting > 0 && state.waiting + rows > state.options.most_rows) {
      for (const auto& row : batch.attempts) state.gaps[row.key.source].add(row);
      for (auto& position : batch.positions) state.positions[position.source] = std::move(position);
      state.lost_verdicts += batch.verdicts.size();
      state.health.dropped += rows;
      return false;
    }
    state.waiting += rows;
    state.queue.push_back(std::move(batch));
  }
  state_->wake.notify_all();
  return true;
}

bool LedgerThread::crowded() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiting > state_->options.most_rows / 2;
}

bool LedgerThread::drain(std::chrono::milliseconds limit) {
  std::unique_lock lock(state_->mutex);
  return state_->idle.wait_for(lock, limit, [&] { return state_->queue.empty() && !state_->busy; });
}

LedgerHealth LedgerThread::health() const {
  const std::lock_guard lock(state_->mutex);
  LedgerHealth health = state_->health;
  health.waiting = state_->waiting;
  return health;
}

}  // namespace tipstaff
