// Random histories of a journal: entries, rotations, vacuum, restarts at any place that was saved, pauses. Whatever the
// order, every entry is handed out, an entry has one place only, and a place one entry.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "sources/journal.h"
#include "sources/journal_testing.h"

namespace tipstaff {
namespace {

class History {
 public:
  explicit History(unsigned seed) : random_(seed) {}

  void run(int steps) {
    restart();
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    follower_->pause(false);
    spin();
    EXPECT_EQ(handed_.size(), static_cast<std::size_t>(written_)) << log_;
  }

 private:
  void step() {
    switch (below(8)) {
      case 0:
        log_ += "rotate ";
        if (std::filesystem::exists(journal_ / "system.journal")) {
          old_.push_back("system@" + std::to_string(old_.size()) + ".journal");
          journal_.rename("system.journal", old_.back());
          ++seconds_;  // where numbers begin anew, only time tells what was read
        }
        break;
      case 1:
        log_ += "vacuum ";
        if (vacuumed_ < old_.size() && !paused_) {
          spin();  // what is removed unread is lost, which is another test's matter
          journal_.remove(old_[vacuumed_++]);
        }
        break;
      case 2:
        log_ += paused_ ? "go " : "pause ";
        follower_->pause(paused_ = !paused_);
        break;
      case 3:
        log_ += "restart ";
        restart();
        break;
      case 4:
        log_ += "spin ";
        spin();
        break;
      default:
        append(1 + below(3));
    }
  }

  void append(int count) {
    log_ += "append" + std::to_string(count) + " ";
    std::vector<TestEntry> entries;
    for (int i = 0; i < count; ++i) {
      entries.push_back({"entry " + std::to_string(written_++), seconds_});
      seconds_ += below(4) == 0 ? 0 : 1;
    }
    journal_.append("system.journal", entries);
  }

  // As the guard does it: with the place of an open connection's line, or with the end of what was read.
  void restart() {
    std::optional<SavedPlace> saved;
    if (follower_) {
      Place place = follower_->position();
      if (!recent_.empty() && below(2) == 0) place = recent_[recent_.size() - 1 - below(std::min(3UL, recent_.size()))];
      saved = {place, follower_->checkpoint(place)};
    }
    follower_.reset();
    watch_.reset();
    loop_ = std::make_unique<boost::asio::io_context>();
    watch_ = std::make_unique<FileWatch>(*loop_);
    JournalOptions options;
    options.directory = journal_.path();
    options.from_start = true;
    follower_ = std::make_unique<JournalFollower>(*watch_, options, saved);
    paused_ = false;
    const auto started = follower_->start(*loop_, [this](const Record& record) { take(record); });
    ASSERT_TRUE(started);
  }

  void take(const Record& record) {
    const std::string line(record.line);
    const auto [known, is_new] = handed_.try_emplace(line, record.place);
    EXPECT_EQ(known->second, record.place) << line << " has two places: " << log_;
    const auto [at, first] = places_.try_emplace(record.place, line);
    EXPECT_EQ(at->second, line) << "two entries have one place: " << log_;
    if (is_new) {
      EXPECT_EQ(line, "entry " + std::to_string(handed_.size() - 1)) << "out of order: " << log_;
      recent_.push_back(record.place);
    }
  }

  void spin() {
    do {
      loop_->restart();
    } while (loop_->poll() > 0);
  }

  template <class Number>
  Number below(Number limit) {
    return std::uniform_int_distribution<Number>(0, limit - 1)(random_);
  }

  std::mt19937 random_;
  TestJournal journal_;
  std::unique_ptr<boost::asio::io_context> loop_;
  std::unique_ptr<FileWatch> watch_;
  std::unique_ptr<JournalFollower> follower_;
  std::vector<std::string> old_;
  std::size_t vacuumed_ = 0;
  bool paused_ = false;
  int written_ = 0;
  std::int64_t seconds_ = 0;
  std::map<std::string, Place> handed_;
  std::map<Place, std::string> places_;
  std::vector<Place> recent_;
  std::string log_;
};

TEST(JournalModel, RandomHistoriesSlow) {
  if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  for (unsigned seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).run(60);
  }
}

}  // namespace
}  // namespace tipstaff
