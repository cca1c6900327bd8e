// What a follower finds again after it was ended, whatever happened to its file meanwhile: for each kind of rotation,
// and for each line that may have been the last one that was kept.
#include <algorithm>
#include <functional>
#include <utility>

#include "sources/file_testing.h"

namespace tipstaff {
namespace {

constexpr const char* kLog = "auth.log";

struct Case {
  const char* name;
  std::function<void(TestFolder&)> meanwhile;
  Lines expected;  // behind one, two, three
};

// Every line is long enough for heads to differ and short enough for all of them to be in one head.
const std::vector<Case> kCases = {
    {"Nothing", [](TestFolder&) {}, {}},
    {"Appended", [](TestFolder& f) { f.append(kLog, "four\nfive\n"); }, {"four", "five"}},
    {"Renamed",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.rename(kLog, "auth.log.1");
       f.append("auth.log.1", "five\n");
       f.append(kLog, "six\n");
     },
     {"four", "five", "six"}},
    {"RenamedAndNothingNewYet", [](TestFolder& f) { f.rename(kLog, "auth.log.1"); }, {}},
    {"RenamedTwice",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.rename(kLog, "auth.log.1");
       f.append(kLog, "five\n");
       f.shift(kLog);
       f.rename(kLog, "auth.log.1");
       f.append(kLog, "six\n");
     },
     {"four", "five", "six"}},
    {"RenamedThreeTimesAndPacked",
     [](TestFolder& f) {
       for (const char* line : {"four\n", "five\n", "six\n"}) {
         f.append(kLog, line);
         f.shift(kLog);
         f.rename(kLog, "auth.log.1");
         f.pack("auth.log.1");
       }
       f.append(kLog, "seven\n");
     },
     {"four", "five", "six", "seven"}},
    {"DatesInNames",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.rename(kLog, "auth.log-20261101");
       f.append(kLog, "five\n");
       f.rename(kLog, "auth.log-20261108");
       f.pack("auth.log-20261101");
       f.append(kLog, "six\n");
     },
     {"four", "five", "six"}},
    {"DatesBeforeTheExtension",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.rename(kLog, "auth-20261101.log");
       f.append(kLog, "five\n");
     },
     {"four", "five"}},
    {"Copied",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.copy_and_empty(kLog, "auth.log.1");
       f.append(kLog, "five\n");
     },
     {"four", "five"}},
    {"CopiedTwiceAndPacked",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.copy_and_empty(kLog, "auth.log.1");
       f.pack("auth.log.1");
       f.append(kLog, "five\n");
       f.shift(kLog);
       f.copy_and_empty(kLog, "auth.log.1");
       f.append(kLog, "six\n");
     },
     {"four", "five", "six"}},
    {"CopiedButNotEmptied",
     [](TestFolder& f) {
       f.append(kLog, "four\n");
       f.replace("auth.log.1", f.content(kLog));
       f.append(kLog, "five\n");
     },
     {"four", "five"}},
    {"ReplacedByACopyOfItself",
     [](TestFolder& f) {
       f.replace("copy", f.content(kLog) + "four\n");
       f.rename("copy", kLog);
     },
     {"four"}},
};

class FileRestart : public ::testing::TestWithParam<Case> {
 protected:
  TestFolder folder;
};

// A second follower goes on from each place that the first one gave. What it hands out must be the lines behind that
// place, and those that it hands out again must have the places that they had.
TEST_P(FileRestart, GoesOnFromEveryPlace) {
  folder.append("auth.log.1", "of the week before\n");
  folder.pack("auth.log.1");
  folder.append(kLog, "one\ntwo\n");
  std::vector<SavedPlace> saved;
  std::vector<Handed> handed;
  {
    TestFollower first(follow(folder / kLog));
    saved.push_back(first.save({1, 0}));
    saved.push_back(first.save({1, 4}));
    saved.push_back(first.save());
    folder.append(kLog, "three\n");
    first.spin();
    saved.push_back(first.save({1, 4}));
    saved.push_back(first.save());
    handed = first.handed();
  }
  GetParam().meanwhile(folder);

  for (const SavedPlace& place : saved) {
    SCOPED_TRACE(place.place.offset);
    TestFollower again(follow(folder / kLog), place);
    std::vector<Handed> expected = handed;
    std::erase_if(expected, [&](const Handed& h) { return h.place < place.place; });
    ASSERT_EQ(again.handed().size(), expected.size() + GetParam().expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(again.handed()[i].line, expected[i].line);
      EXPECT_EQ(again.handed()[i].place, expected[i].place);
      EXPECT_TRUE(again.handed()[i].catching_up);
    }
    for (std::size_t i = 0; i < GetParam().expected.size(); ++i) {
      EXPECT_EQ(again.handed()[expected.size() + i].line, GetParam().expected[i]);
      EXPECT_TRUE(again.handed()[expected.size() + i].catching_up);
    }
    EXPECT_EQ(again->health().warnings, std::vector<std::string>());

    const SavedPlace now = again.save();
    TestFollower third(follow(folder / kLog), now);
    EXPECT_EQ(third.lines(), Lines{});
    EXPECT_EQ(third->position(), now.place);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, FileRestart, ::testing::ValuesIn(kCases),
                         [](const auto& tested) { return std::string(tested.param.name); });

class FileRestartSpecial : public ::testing::Test {
 protected:
  /// A follower that has read what is there is ended, and its place is given.
  SavedPlace read_all(const std::string& name = kLog, bool from_start = true) {
    TestFollower follower(follow(folder / name, from_start));
    return follower.save();
  }
  TestFolder folder;
};

TEST_F(FileRestartSpecial, LinkWasSwappedTwice) {
  folder.append("app-2026-11-01.log", "one\n");
  std::filesystem::create_symlink("app-2026-11-01.log", folder / kLog);
  const SavedPlace saved = read_all();
  folder.append("app-2026-11-01.log", "two\n");
  folder.append("app-2026-11-02.log", "three\n");
  folder.append("app-2026-11-03.log", "four\n");
  folder.remove(kLog);
  std::filesystem::create_symlink("app-2026-11-03.log", folder / kLog);
  TestFollower again(follow(folder / kLog), saved);
  EXPECT_EQ(again.lines(), (Lines{"two", "three", "four"}));
}

TEST_F(FileRestartSpecial, FileOfThePlaceIsGone) {
  folder.append(kLog, "one\n");
  const SavedPlace saved = read_all();
  folder.remove(kLog);
  folder.append("auth.log.1", "two\n");
  folder.append(kLog, "three\n");
  TestFollower again(follow(folder / kLog), saved);
  EXPECT_EQ(again.lines(), (Lines{"two", "three"}));
  ASSERT_EQ(again->health().warnings.size(), 1U);
  EXPECT_NE(again->health().warnings[0].find("was read up to byte 4 is not found"), std::string::npos);
  EXPECT_EQ(again.handed()[0].place, (Place{2, 0}));
}

// More rotations than a checkpoint has room for: the older files are read before the newer ones are taken up.
TEST_F(FileRestartSpecial, RotatedOftenMeanwhile) {
  constexpr int kRotations = 40;
  for (const bool copied : {true, false}) {
    folder.append(kLog, "0\n");
    SavedPlace saved = read_all();
    Lines expected;
    for (int n = 1; n <= kRotations; ++n) {
      folder.append(kLog, std::to_string(n) + "\n");
      expected.push_back(std::to_string(n));
      folder.shift(kLog, kRotations + 1);
      if (copied) {
        folder.copy_and_empty(kLog, "auth.log.1");
      } else {
        folder.rename(kLog, "auth.log.1");
      }
      if (n % 3 == 0) folder.pack("auth.log.1");
      if (n % 7 == 0) folder.append("auth.log.2", "");  // its time says nothing
    }
    folder.append(kLog, "last\n");
    expected.emplace_back("last");
    TestFollower again(follow(folder / kLog), saved);
    EXPECT_EQ(again.lines(), expected);
    EXPECT_TRUE(again->health().warnings.empty()) << again->health().warnings[0];
    EXPECT_EQ(again->health().dropped, 0U);
    EXPECT_TRUE(std::ranges::all_of(again.handed(), &Handed::catching_up)) << "all of it stood there before";
    for (std::size_t i = 1; i < again.handed().size(); ++i)
      EXPECT_GT(again.handed()[i].place.generation, again.handed()[i - 1].place.generation);
    saved = again.save();
    EXPECT_LE(saved.checkpoint.size(), kMaxCheckpoint);
    folder.append(kLog, "later\n");
    TestFollower later(follow(folder / kLog), saved);
    EXPECT_EQ(later.lines(), Lines{"later"});
    for (const auto& file : std::filesystem::directory_iterator(folder / "")) std::filesystem::remove(file.path());
  }
}

TEST_F(FileRestartSpecial, RotatedOftenWithUnfinishedLines) {
  folder.append(kLog, "0\n");
  const SavedPlace saved = read_all();
  Lines expected;
  for (int n = 1; n <= 30; ++n) {
    folder.append(kLog, std::to_string(n) + "\nhalf of " + std::to_string(n));
    expected.push_back(std::to_string(n));
    folder.shift(kLog);
    folder.rename(kLog, "auth.log.1");
  }
  folder.append(kLog, "last\n");
  expected.emplace_back("last");
  TestFollower again(follow(folder / kLog), saved);
  Lines whole;
  for (const Handed& handed : again.handed()) {
    if (!handed.cut) whole.push_back(handed.line);
  }
  EXPECT_EQ(whole, expected);
  EXPECT_EQ(again->health().dropped, 0U);
}

TEST_F(FileRestartSpecial, InodeWithAnotherHeadIsAnotherFile) {
  folder.append(kLog, "one\n");
  const SavedPlace saved = read_all();
  folder.replace(kLog, "another file, and a longer one\n");
  TestFollower again(follow(folder / kLog), saved);
  EXPECT_EQ(again.lines(), Lines{"another file, and a longer one"});
  EXPECT_EQ(again.handed()[0].place, (Place{2, 0}));
  EXPECT_EQ(again->health().warnings.size(), 1U);
}

TEST_F(FileRestartSpecial, ThereWasNoFile) {
  folder.set_time(std::time(nullptr) - 7L * 24 * 3600);
  folder.append("auth.log.1", "of the week before\n");
  const SavedPlace saved = read_all(kLog, false);
  EXPECT_EQ(saved.place, (Place{0, 0}));
  folder.set_time(std::time(nullptr));
  folder.append(kLog, "one\n");
  folder.rename(kLog, "auth.log.2");
  folder.append(kLog, "two\n");
  folder.rename("auth.log.2", "auth.log.0");
  TestFollower again(follow(folder / kLog, false), saved);
  EXPECT_EQ(again.lines(), (Lines{"one", "two"}));
  EXPECT_TRUE(again->health().warnings.empty());
}

TEST_F(FileRestartSpecial, FileWasEmpty) {
  for (const bool copied : {false, true}) {
    folder.replace(kLog, "");
    const SavedPlace saved = read_all();
    folder.append(kLog, "one\n");
    folder.shift(kLog);
    if (copied) {
      folder.copy_and_empty(kLog, "auth.log.1");
    } else {
      folder.rename(kLog, "auth.log.1");
    }
    folder.append(kLog, "two\n");
    TestFollower again(follow(folder / kLog), saved);
    EXPECT_EQ(again.lines(), (Lines{"one", "two"})) << copied;
    EXPECT_TRUE(again->health().warnings.empty());
  }
}

TEST_F(FileRestartSpecial, FileLostItsEndInAPowerCut) {
  for (int i = 0; i < 200; ++i) folder.append(kLog, "a line that was on the disk\n");
  const std::uint64_t size = std::filesystem::file_size(folder / kLog);
  folder.append(kLog, "lost\nlost too\n");
  SavedPlace behind;
  SavedPlace before;
  {
    TestFollower follower(follow(folder / kLog));
    behind = follower.save();
    before = follower.save({1, size - 28});
  }
  for (const SavedPlace& saved : {behind, before}) {
    std::filesystem::resize_file(folder / kLog, size);
    TestFollower again(follow(folder / kLog), saved);
    EXPECT_EQ(again.handed().size(), saved.place == behind.place ? 0U : 1U);
    folder.append(kLog, "new\n");
    again.spin();
    ASSERT_FALSE(again.handed().empty());
    EXPECT_EQ(again.handed().back().line, "new");
    EXPECT_EQ(again.handed().back().place, (Place{2, size}));  // not (1, size), where "lost" was
    EXPECT_EQ(again->health().warnings.size(), 1U);
    TestFollower third(follow(folder / kLog), again.save());
    EXPECT_EQ(third.lines(), Lines{});
    EXPECT_EQ(third->health().warnings.size(), 0U);
  }
}

TEST_F(FileRestartSpecial, FileComesBackLater) {
  folder.append(kLog, "one\n");
  const SavedPlace saved = read_all();
  folder.append(kLog, "two\n");
  folder.rename(kLog, "auth.log.1");
  TestFollower again(follow(folder / kLog), saved);
  EXPECT_EQ(again.take_lines(), Lines{"two"});
  EXPECT_EQ(again->health().state, SourceHealth::State::missing);
  folder.append(kLog, "three\n");
  again.spin();
  ASSERT_EQ(again.lines(), Lines{"three"});
  EXPECT_FALSE(again.handed()[0].catching_up);
}

TEST_F(FileRestartSpecial, PackedFileIsDamaged) {
  std::string text = "one\n";
  folder.append(kLog, text);
  const SavedPlace saved = read_all();
  std::string noise;
  for (unsigned i = 0; i < 20'000; ++i) noise += std::to_string(i * 2654435761U) + "\n";
  folder.append(kLog, noise);
  folder.rename(kLog, "auth.log.1");
  folder.pack("auth.log.1");
  std::filesystem::resize_file(folder / "auth.log.1.gz", std::filesystem::file_size(folder / "auth.log.1.gz") / 2);
  folder.append(kLog, "new\n");
  TestFollower again(follow(folder / kLog), saved);
  ASSERT_GT(again.handed().size(), 5'000U);
  EXPECT_EQ(again.lines().back(), "new");
  for (const Handed& handed : again.handed()) EXPECT_FALSE(handed.cut);
  ASSERT_EQ(again->health().warnings.size(), 1U);
  EXPECT_NE(again->health().warnings[0].find("gzip"), std::string::npos) << again->health().warnings[0];
}

TEST_F(FileRestartSpecial, SavedTextIsDamaged) {
  folder.append(kLog, "one\n");
  for (const char* text : {"", "{", "[]", R"({"since":1,"files":[{"generation":1}]})"}) {
    TestFollower again(follow(folder / kLog), SavedPlace{{7, 4}, text});
    EXPECT_EQ(again.lines(), Lines{"one"});
    EXPECT_EQ(again.handed()[0].place, (Place{8, 0}));
    EXPECT_EQ(again->health().warnings.size(), 1U);
  }
}

TEST_F(FileRestartSpecial, CheckpointStaysSmall) {
  folder.append(kLog, "0\n");
  TestFollower follower(follow(folder / kLog));
  for (int i = 1; i < 40; ++i) {
    folder.shift(kLog);
    folder.rename(kLog, "auth.log.1");
    folder.append(kLog, std::to_string(i) + "\n");
    follower.spin();
  }
  EXPECT_EQ(follower.lines().size(), 40U);
  EXPECT_LT(follower.save({1, 0}).checkpoint.size(), kMaxCheckpoint);

  FileCheckpoint largest{{}, Instant(std::chrono::microseconds(std::numeric_limits<std::int64_t>::max()))};
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  for (std::size_t i = 0; i < kMaxSavedFiles; ++i) {
    largest.files.push_back({kHuge - kMaxSavedFiles + i, {kHuge, kHuge}, {1024, kHuge}, kHuge, kHuge, kHuge});
  }
  EXPECT_LE(to_json(largest).size(), kMaxCheckpoint);
  EXPECT_EQ(parse_file_checkpoint(to_json(largest)), largest);
}

}  // namespace
}  // namespace tipstaff
