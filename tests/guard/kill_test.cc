// The guard is killed with SIGKILL again and again while a feeder writes on and rotates its logs in every way; some kills
// come at a chosen place, between the rows of a batch and its commit, and between the renaming of a log and the opening
// of its successor. In the end the ledger must hold every try of the feeder exactly once, and its chain must verify.
//
// The plain run makes few kills. TIPSTAFF_LONG=1 makes 200 among 100,000 lines; TIPSTAFF_SEED repeats a run,
// TIPSTAFF_KILLS and TIPSTAFF_LINES change its size.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ledger/reader.h"
#include "tests/guard/feeder.h"
#include "tests/guard/guard_process.h"
#include "tests/guard/told.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

struct Size {
  std::size_t lines, kills, at_commit, at_rename;
};

Size size_of_run() {
  const bool is_long = setting("TIPSTAFF_LONG", 0) != 0;
  Size size = is_long ? Size{100'000, 200, 20, 20} : Size{10'000, 20, 3, 3};
  size.kills = setting("TIPSTAFF_KILLS", size.kills);
  size.lines = setting("TIPSTAFF_LINES", size.lines);
  return size;
}

enum class Moment : std::uint8_t { random, commit, rename };

// Writes on, on a thread of its own, up to the number of lines it is allowed.
class FeedingThread {
 public:
  FeedingThread(const Feeder::Options& options) : feeder_(options), thread_([this] { run(); }) {}
  ~FeedingThread() {
    stop_ = true;
    thread_.join();
  }
  FeedingThread(const FeedingThread&) = delete;
  FeedingThread& operator=(const FeedingThread&) = delete;

  void allow(std::size_t lines) { allowed_ = lines; }
  /// With nobody writing meanwhile.
  template <class Do>
  auto with(Do&& action) {
    const std::lock_guard lock(mutex_);
    return action(feeder_);
  }

 private:
  void run() {
    while (!stop_) {
      with([this](Feeder& feeder) {
        if (!feeder.done() && feeder.written() < allowed_) feeder.feed(24);
      });
      std::this_thread::sleep_for(milliseconds(4));
    }
  }

  Feeder feeder_;
  std::mutex mutex_;
  std::atomic<std::size_t> allowed_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class Kill : public testing::Test {
 protected:
  void SetUp() override {
    std::cout << "[ SEED     ] TIPSTAFF_SEED=" << seed_ << ", " << size_.kills << " kills, " << size_.lines
              << " lines\n";
    std::string files;
    for (const auto& path : feeding_.with([](Feeder& feeder) { return feeder.paths(); })) files += "'" + path + "', ";
    write_file(config_, "version = 1\n[sources]\nfiles = [" + files + "]\nfrom_start = true\ntimezone = 'UTC'\n" +
                            "[ledger]\ndirectory = '" + ledger_.string() + "'\n[control]\nsocket = '" +
                            (folder_.path() / "control").string() + "'\n");
  }

  GuardProcess start(const std::string& failpoint = {}) {
    return {TIPSTAFF_FAILPOINT_BINARY, config_, log_, failpoint};
  }

  // What the ledger holds, sorted; of one host, or of all.
  [[nodiscard]] std::vector<Told> recorded(const std::string& host = {}) const {
    std::vector<Told> all;
    auto reader = LedgerReader::open(ledger_);
    if (!reader) return all;  // no ledger yet
    for (const auto& row : all_rows(**reader)) {
      if (!host.empty() && row.host != host) continue;
      constexpr const char* kOutcomes[] = {"failure", "success", "probe"};
      all.push_back({row.address ? row.address->to_string() : "", row.port, row.account.value_or(""),
                     kOutcomes[static_cast<std::size_t>(row.outcome)],
                     std::chrono::floor<seconds>(row.time.value_or(Instant())), row.count, row.host});
    }
    std::ranges::sort(all);
    return all;
  }

  // The first guard is killed as soon as it says that it is ready: what is put aside from then on must be found again.
  // (Before, it has promised nothing: lines that were put aside before any guard looked are not its matter.)
  void first_start() {
    feeding_.with([](Feeder& feeder) { feeder.feed(200); });  // fewer than there are before a log is rotated
    ServiceManager manager(folder_.path() / "notify");
    GuardProcess guard(TIPSTAFF_FAILPOINT_BINARY, config_, log_, "", manager.path());
    ASSERT_TRUE(manager.told().starts_with("READY=1\n")) << last_words();
    guard.end(SIGKILL);
    const auto reader = LedgerReader::open(ledger_);
    ASSERT_TRUE(reader) << reader.error().message();
    const auto places = (*reader)->positions();
    ASSERT_TRUE(places);
    EXPECT_GE(places->size(), feeding_.with([](Feeder& feeder) { return feeder.paths().size(); }));
    feeding_.with([](Feeder& feeder) {
      for (const auto kind : {Rotation::copy_truncate, Rotation::compress, Rotation::rename_dates}) feeder.rotate(kind);
    });
  }

  // Waits until that is recorded, while nothing is written; fails the test if it is not.
  void wait_for(const std::vector<Told>& expected, const std::string& host = {}) const {
    const auto until = std::chrono::steady_clock::now() + seconds(120);  // a busy machine needs some for catching up
    auto got = recorded(host);
    while (got != expected && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(100));
      got = recorded(host);
    }
    expect_same(got, expected);
    if (got != expected) ADD_FAILURE() << tipstaff({"status", "--config", config_}).out;
  }

  [[nodiscard]] std::string last_words() const {
    const std::string text = read_file(log_);
    return text.substr(text.size() - std::min<std::size_t>(text.size(), 3000));
  }

  const std::uint64_t seed_ = setting("TIPSTAFF_SEED", std::random_device()());
  const Size size_ = size_of_run();
  std::mt19937_64 random_{seed_};
  TemporaryFolder folder_;
  const fs::path ledger_ = folder_.path() / "ledger";
  const std::string config_ = folder_.path() / "tipstaff.toml";
  const std::string log_ = folder_.path() / "guard.log";
  FeedingThread feeding_{
      {.folder = folder_.path(),
       .seed = seed_,
       .lines = size_.lines,
       .begin = std::chrono::floor<seconds>(std::chrono::system_clock::now()) - std::chrono::minutes(45),
       .step = std::chrono::microseconds(std::chrono::minutes(40)) / static_cast<std::int64_t>(size_.lines)}};
};

TEST_F(Kill, EveryTryIsRecordedOnce) {
  std::vector<Moment> plan(size_.kills, Moment::random);
  std::fill_n(plan.begin(), size_.at_commit, Moment::commit);
  std::fill_n(plan.begin() + static_cast<std::ptrdiff_t>(size_.at_commit), size_.at_rename, Moment::rename);
  std::ranges::shuffle(plan, random_);

  ASSERT_NO_FATAL_FAILURE(first_start());
  std::size_t at_commit = 0;
  std::size_t at_rename = 0;
  for (std::size_t i = 0; i < plan.size() && i < size_.kills * 2; ++i) {
    // Some lines are left for kills that have to be tried again.
    feeding_.allow(std::min(size_.lines * 9 / 10 * (i + 1) / size_.kills, size_.lines * 97 / 100));
    if (random_() % 3 == 0) feeding_.with([](Feeder& feeder) { feeder.rotate(Rotation::compress); });
    if (random_() % 3 == 0) feeding_.with([](Feeder& feeder) { feeder.rotate(Rotation::copy_truncate); });
    const char* const hits = random_() % 4 == 0 ? "2" : "1";
    switch (plan[i]) {
      case Moment::random: {
        GuardProcess guard = start();
        // The guard commits once a second, or when many rows wait: so some live long enough to do so.
        const auto life = milliseconds(random_() % (random_() % 3 == 0 ? 2'000 : 300));
        static_cast<void>(guard.ended(life / 2));
        if (random_() % 2 == 0) feeding_.with([](Feeder& feeder) { feeder.rotate(Rotation::copy_truncate); });
        const auto ended = guard.ended(life / 2);
        ASSERT_FALSE(ended) << "the guard ended by itself: " << last_words();
        guard.end(SIGKILL);
        break;
      }
      case Moment::commit: {
        GuardProcess guard = start(std::string("ledger.before_commit:") + hits);
        if (guard.ended(seconds(5))) {
          ++at_commit;
        } else {
          plan.push_back(plan[i]);  // there was nothing to commit
        }
        break;
      }
      case Moment::rename: {
        GuardProcess guard = start("files.between_rename_and_reopen:1");
        for (int tries = 0; tries < 5 && !guard.ended(milliseconds(tries * 1'000)); ++tries) {
          feeding_.with([](Feeder& feeder) { feeder.rotate(Rotation::rename_dates); });
        }
        if (guard.ended(seconds(5))) {
          ++at_rename;
        } else {
          plan.push_back(plan[i]);
        }
        break;
      }
    }
    if (i % (1 + size_.kills / 6) != 0) continue;
    // A log that is deleted is lost to whoever has not read it: so the guard is let come to its end before.
    GuardProcess guard = start();
    feeding_.with([&](Feeder& feeder) {
      feeder.finish(Rotation::remove);
      const auto expected = feeder.expected(Rotation::remove);
      if (!expected.empty()) wait_for(expected, expected[0].host);
      feeder.rotate(Rotation::remove);
    });
    guard.end(SIGKILL);
    ASSERT_FALSE(HasFailure()) << "after kill " << i << ": " << last_words();
  }
  EXPECT_EQ(at_commit, size_.at_commit) << "some kills between write and commit did not come";
  EXPECT_EQ(at_rename, size_.at_rename) << "some kills between rename and reopen did not come";

  feeding_.allow(size_.lines);
  while (!feeding_.with([](Feeder& feeder) { return feeder.done(); })) std::this_thread::sleep_for(milliseconds(5));
  const auto expected = feeding_.with([](Feeder& feeder) { return feeder.expected(); });
  GuardProcess guard = start();
  wait_for(expected);
  const int status = guard.end(SIGTERM);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << ": " << last_words();
  expect_same(recorded(), expected);
  const Said verified = tipstaff({"ledger", "verify", "--folder", ledger_});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
}

}  // namespace
}  // namespace tipstaff
