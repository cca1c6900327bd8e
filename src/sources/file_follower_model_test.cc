// A writer that writes and rotates at random, and a follower that is ended and restored at random, from its last
// checkpoint. What matters is what a ledger keyed by places would hold in the end: every line once, each at one place.
// Lines handed out after a checkpoint are forgotten when the follower is ended, as an uncommitted batch is.
#include <fmt/format.h>

#include <map>
#include <random>

#include "sources/file_testing.h"

namespace tipstaff {
namespace {

constexpr const char* kLog = "app.log";

/// Writes numbered lines and does to their file what administrators and their tools do.
class Writer {
 public:
  Writer(TestFolder& folder, std::mt19937& random, bool linked) : folder_(&folder), random_(&random), linked_(linked) {
    if (linked_) std::filesystem::create_symlink(next_target(), *folder_ / kLog);
    reopen();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { close(descriptor_); }

  void write_lines() {
    for (unsigned count = pick(8); count > 0; --count) {
      std::string line = std::to_string(written_.size()) + std::string(pick(20) == 0 ? pick(3000) : pick(60), '.');
      written_.push_back(line);
      line += '\n';
      const std::size_t half = pick(6) == 0 ? pick(static_cast<unsigned>(line.size())) : line.size();
      folder_->append(descriptor_, unfinished_ + line.substr(0, half));
      unfinished_ = line.substr(half);
    }
  }

  /// Everything that was written has been kept: the file may go.
  void remove_and_create() {
    folder_->remove(kLog);
    reopen();
  }

  std::string rotate() {
    switch (pick(linked_ ? 4 : 8)) {
      case 0:
        return pack_one();
      case 1:
      case 2:
        return linked_ ? swap_link() : rename_and_create(false);
      case 3:
        return linked_ ? swap_link() : rename_and_create(true);
      case 4:
      case 5:
        return copy_and_empty();
      case 6:
        return rename_and_wait();
      default:
        return there_and_back();
    }
  }

  void finish_line() {
    folder_->append(descriptor_, unfinished_);
    unfinished_.clear();
  }

  [[nodiscard]] const std::vector<std::string>& written() const { return written_; }

 private:
  unsigned pick(unsigned below) { return below == 0 ? 0 : static_cast<unsigned>((*random_)() % below); }
  std::string next_target() { return "app-" + std::to_string(++target_) + ".data"; }
  void reopen() {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = folder_->open(kLog);
  }
  std::string put_aside() {
    folder_->shift(kLog);
    folder_->rename(kLog, "app.log.1");
    return "app.log.1";
  }

  std::string rename_and_create(bool late) {
    put_aside();
    if (late) {  // the new file is there, and the writer has not noticed
      close(folder_->open(kLog));
      write_lines();
    }
    finish_line();
    reopen();
    return late ? "rename, create, late lines" : "rename, create";
  }
  std::string rename_and_wait() {
    put_aside();
    write_lines();
    finish_line();
    reopen();
    return "rename, lines, create";
  }
  std::string copy_and_empty() {
    finish_line();
    folder_->shift(kLog);
    folder_->copy_and_empty(kLog, "app.log.1");
    return "copytruncate";
  }
  std::string swap_link() {
    finish_line();
    const std::string target = next_target();
    close(folder_->open(target));
    std::filesystem::create_symlink(target, *folder_ / "new");
    folder_->rename("new", kLog);
    reopen();
    return "link swapped";
  }
  std::string there_and_back() {
    folder_->rename(kLog, "elsewhere");
    write_lines();
    folder_->rename("elsewhere", kLog);
    return "there and back";
  }
  std::string pack_one() {
    const std::string name = linked_ ? "app-" + std::to_string(target_ - 1) + ".data" : "app.log.1";
    if (!folder_->has(name)) return "";
    folder_->pack(name);
    return "pack " + name;
  }

  TestFolder* folder_;
  std::mt19937* random_;
  bool linked_;
  unsigned target_ = 100;
  int descriptor_ = -1;
  std::string unfinished_;
  std::vector<std::string> written_;
};

/// What a ledger would hold.
class Model {
 public:
  /// Takes over what was handed out, as a batch that is committed with this checkpoint.
  void commit(const TestFollower& follower, std::size_t& taken) {
    for (; taken < follower.handed().size(); ++taken) {
      const Handed& handed = follower.handed()[taken];
      const auto [at, made] = lines_.emplace(handed.place, handed.line);
      ASSERT_EQ(at->second, handed.line) << "at " << handed.place.generation << ":" << handed.place.offset;
      ASSERT_FALSE(handed.cut);
    }
  }
  /// What is wrong, in one text; empty: every line is held once.
  [[nodiscard]] std::string compare(const std::vector<std::string>& written) const {
    std::map<std::string, std::vector<Place>> places;
    for (const auto& [place, line] : lines_) places[line].push_back(place);
    std::string wrong;
    for (const std::string& line : written) {
      const std::vector<Place>& at = places[line];
      if (at.size() == 1) continue;
      wrong += fmt::format("\n{}:", line.substr(0, line.find('.')));
      for (const Place& place : at) wrong += fmt::format(" {}:{}", place.generation, place.offset);
    }
    if (places.size() != written.size()) wrong += "\nlines that nobody wrote";
    return wrong;
  }

 private:
  std::map<Place, std::string> lines_;
};

class FileModel : public ::testing::TestWithParam<unsigned> {};

TEST_P(FileModel, EveryLineOnceWhateverHappens) {
  const unsigned seed = GetParam();
  std::mt19937 random(seed);
  const auto pick = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  TestFolder folder;
  Writer writer(folder, random, seed % 4 == 0);
  Model model;
  auto follower = std::make_unique<TestFollower>(follow(folder / kLog));
  std::size_t taken = 0;
  SavedPlace saved = follower->save();
  std::string story;
  unsigned rotations = 0;  // since the last checkpoint: more of them than are kept would lose lines, rightly

  bool paused = false;
  const bool may_remove = seed % 4 == 1;  // then a saved place may be in a file that is gone, and that is said

  const auto resume = [&] {
    (*follower)->pause(false);
    follower->pause_after = ~std::size_t{0};
    paused = false;
  };
  const auto expect_no_warnings = [&] {
    const auto warnings = (*follower)->health().warnings;
    EXPECT_TRUE(may_remove || warnings.empty()) << warnings.at(0);
  };
  const auto checkpoint = [&] {
    model.commit(*follower, taken);
    Place place = (*follower)->position();
    if (!follower->handed().empty() && pick(3) == 0) {  // a connection is open since one of the last lines
      const std::size_t back = std::min<std::size_t>(follower->handed().size(), 1 + pick(5));
      place = std::min(place, follower->handed()[follower->handed().size() - back].place);
    }
    saved = follower->save(place);
    rotations = 0;
    story += fmt::format("; saved {}:{}", place.generation, place.offset);
  };

  for (int step = 0; step < 150 && !HasFatalFailure(); ++step) {
    switch (pick(8)) {
      case 0:
      case 1:
        writer.write_lines();
        story += fmt::format("; {} lines", writer.written().size());
        break;
      case 2: {
        if (rotations > 5) break;
        if (follower && !paused && may_remove && pick(5) == 0) {
          writer.finish_line();
          follower->spin();
          model.commit(*follower, taken);
          saved = follower->save();
          writer.remove_and_create();
          story += "; removed";
          break;
        }
        const std::string what = writer.rotate();
        rotations += what.empty() ? 0 : 1;
        story += "; " + what;
        break;
      }
      case 3:
        if (follower) {
          follower->spin();
          story += "; read";
        }
        break;
      case 4:
        if (follower) checkpoint();
        break;
      case 5:
        if (!follower || paused) break;
        paused = true;
        story += "; pause";
        follower->pause_after = 1 + pick(6);
        follower->spin();
        break;
      case 6:
        if (!follower) break;
        resume();
        story += "; go on";
        break;
      default:
        if (follower) {
          follower.reset();
          story += "; ended";
        } else {
          follower = std::make_unique<TestFollower>(follow(folder / kLog), saved);
          taken = 0;
          story += "; restored";
          paused = false;
          expect_no_warnings();
        }
    }
  }
  writer.finish_line();
  if (!follower) follower = std::make_unique<TestFollower>(follow(folder / kLog), saved), taken = 0;
  resume();
  follower->spin();
  model.commit(*follower, taken);
  EXPECT_EQ(model.compare(writer.written()), "");
  expect_no_warnings();
  EXPECT_EQ((*follower)->health().behind, 0U);
  if (HasFailure()) std::cerr << "seed " << seed << story << "\n";
}

INSTANTIATE_TEST_SUITE_P(Seeds, FileModel, ::testing::Range(0U, 40U));

}  // namespace
}  // namespace tipstaff
