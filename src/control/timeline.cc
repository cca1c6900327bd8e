#include "control/timeline.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <thread>

namespace tipstaff {
namespace {

constexpr std::size_t kBatch = 256;        // attempts handed over at a time
constexpr std::size_t kMostBatches = 512;  // waiting of one file; then its reader waits

using Batch = std::vector<Attempt>;
using Permits = std::counting_semaphore<>;  // as many as there are jobs; a thread has one while it reads

// One file and the thread that reads it.
class Lane {
 public:
  Lane(const std::string& path, const FileScanOptions& options, std::size_t index, Permits& permits)
      : path_(path), options_(options), index_(index), permits_(permits) {}
  ~Lane() {
    if (thread_.joinable()) thread_.join();
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  [[nodiscard]] bool started() const { return thread_.joinable(); }
  [[nodiscard]] std::size_t index() const { return index_; }

  void start() {
    thread_ = std::thread([this] {
      Batch batch;
      batch.reserve(kBatch);
      const auto sink = [&](const Attempt& attempt) {
        batch.push_back(attempt);
        if (batch.size() == kBatch) put(batch);
      };
      permits_.acquire();
      outcome_.result = scan_file(path_, options_, sink, outcome_.counts, nullptr);
      if (!batch.empty()) put(batch);
      permits_.release();
      const std::scoped_lock lock(mutex_);
      ended_ = true;
      changed_.notify_all();
    });
  }

  // The next attempt; waits for it. Null: the file is done.
  const Attempt* head() {
    if (at_ < current_.size()) return &current_[at_];
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !batches_.empty() || ended_; });
    if (batches_.empty()) return nullptr;
    current_ = std::move(batches_.front());
    batches_.pop_front();
    at_ = 0;
    changed_.notify_all();
    return &current_[at_];
  }
  void pop() { ++at_; }

  FileResult finish() {
    thread_.join();
    return std::move(outcome_);
  }

 private:
  void put(Batch& batch) {
    std::unique_lock lock(mutex_);
    if (batches_.size() >= kMostBatches) {  // a thread that waits lets others read
      permits_.release();
      changed_.wait(lock, [&] { return batches_.size() < kMostBatches; });
      lock.unlock();
      permits_.acquire();
      lock.lock();
    }
    batches_.push_back(std::move(batch));
    changed_.notify_all();
    batch = Batch();
    batch.reserve(kBatch);
  }

  const std::string& path_;
  const FileScanOptions& options_;
  std::size_t index_;
  Permits& permits_;
  std::thread thread_;
  FileResult outcome_;
  Batch current_;
  std::size_t at_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;  // guarded by mutex_
  bool ended_ = false;         // guarded by mutex_
};

}  // namespace

std::vector<FileResult> read_timeline(const std::vector<std::string>& paths, const FileScanOptions& options,
                                      unsigned jobs, const std::function<void(const Attempt&, std::size_t)>& sink,
                                      const ProgressSink& progress) {
  std::vector<FileResult> results(paths.size());
  if (paths.size() == 1) {
    results[0].result =
        scan_file(paths[0], options, [&](const Attempt& attempt) { sink(attempt, 0); }, results[0].counts, progress);
    return results;
  }

  // the files by their first stamp; standard input can be read only once, so it takes part at once
  std::vector<Instant> begins(paths.size(), Instant::min());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i] != "-") begins[i] = first_stamp(paths[i], options).value_or(Instant::min());
  }
  std::vector<std::size_t> order(paths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return begins[a] < begins[b]; });
  Permits permits(jobs);
  std::deque<std::unique_ptr<Lane>> waiting;
  for (const std::size_t i : order) waiting.push_back(std::make_unique<Lane>(paths[i], options, i, permits));

  std::vector<std::unique_ptr<Lane>> active;
  std::size_t done = 0;
  while (done < paths.size()) {
    // the attempt that comes next among the files that take part
    std::size_t best = active.size();
    for (std::size_t i = 0; i < active.size();) {
      const Attempt* head = active[i]->head();
      if (head == nullptr) {
        results[active[i]->index()] = active[i]->finish();
        active.erase(active.begin() + static_cast<std::ptrdiff_t>(i));
        ++done;
        best = active.size();
        i = 0;
        if (progress) progress(static_cast<double>(done) / static_cast<double>(paths.size()));
        continue;
      }
      if (best >= active.size() || head->window_time < active[best]->head()->window_time ||
          (head->window_time == active[best]->head()->window_time && active[i]->index() < active[best]->index())) {
        best = i;
      }
      ++i;
    }
    // files whose time has come, and those that are read ahead
    bool joined = false;
    while (!waiting.empty() &&
           (active.empty() || begins[waiting.front()->index()] <= active[best]->head()->window_time)) {
      if (!waiting.front()->started()) waiting.front()->start();
      active.push_back(std::move(waiting.front()));
      waiting.pop_front();
      joined = true;
      if (best >= active.size() - 1) break;  // no head yet to compare with
    }
    for (std::size_t i = 0; i < waiting.size() && active.size() + i < jobs; ++i) {
      if (!waiting[i]->started()) waiting[i]->start();
    }
    if (joined || best >= active.size()) continue;
    sink(*active[best]->head(), active[best]->index());
    active[best]->pop();
  }
  return results;
}

}  // namespace tipstaff
