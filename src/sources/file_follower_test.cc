#include "sources/file_follower.h"

#include <sys/resource.h>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "sources/file_testing.h"

namespace tipstaff {
namespace {

constexpr const char* kLog = "auth.log";

class FileFollowing : public ::testing::Test {
 protected:
  [[nodiscard]] FileOptions options(bool from_start = true) const { return follow(folder / kLog, from_start); }
  TestFolder folder;
};

using State = SourceHealth::State;

TEST_F(FileFollowing, HandsOutLinesAsTheyAreWritten) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  folder.append(kLog, "two\r\nthr");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), Lines{"two\r"});
  EXPECT_EQ(follower->health().behind, 3U);
  folder.append(kLog, "ee\n\nfour\n");
  follower.spin();
  EXPECT_EQ(follower.handed().at(0).place, (Place{1, 9}));
  EXPECT_EQ(follower.handed().at(0).next, (Place{1, 15}));
  EXPECT_EQ(follower.take_lines(), (Lines{"three", "", "four"}));
  EXPECT_EQ(follower->position(), (Place{1, 21}));
  EXPECT_EQ(follower->health().state, State::following);
  EXPECT_EQ(follower->health().sentence, "");
  EXPECT_EQ(follower->health().records, 5U);
  EXPECT_EQ(follower->name(), "file:" + folder / kLog);
}

TEST_F(FileFollowing, BeginsAtTheEndWithTheUnfinishedLine) {
  folder.append(kLog, "old\nunfin");
  TestFollower follower(options(false));
  EXPECT_EQ(follower->position(), (Place{1, 4}));
  folder.append(kLog, "ished\nnew\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), (Lines{"unfinished", "new"}));
}

TEST_F(FileFollowing, SaysWhatStoodThereBefore) {
  folder.append(kLog, "old\n");
  TestFollower follower(options());
  folder.append(kLog, "new\n");
  follower.spin();
  ASSERT_EQ(follower.lines(), (Lines{"old", "new"}));
  EXPECT_TRUE(follower.handed()[0].catching_up);
  EXPECT_FALSE(follower.handed()[1].catching_up);
}

TEST_F(FileFollowing, CutsLinesThatAreTooLongAndSkipsTheirRest) {
  const std::string whole(kMaxLine, 'w');
  const std::string longer(kMaxLine + 1, 'l');
  folder.append(kLog, whole + "\n" + longer + "\nafter\n" + std::string(300'000, 'x'));
  TestFollower follower(options());
  ASSERT_EQ(follower.handed().size(), 4U);
  EXPECT_EQ(follower.handed()[0].line, whole);
  EXPECT_FALSE(follower.handed()[0].cut);
  EXPECT_EQ(follower.handed()[1].line, longer.substr(0, kMaxLine));
  EXPECT_TRUE(follower.handed()[1].cut);
  EXPECT_EQ(follower.handed()[2].line, "after");
  EXPECT_EQ(follower.handed()[3].line, std::string(kMaxLine, 'x'));
  EXPECT_TRUE(follower.handed()[3].cut);
  EXPECT_EQ(follower->health().cut, 2U);

  const SavedPlace within = follower.save();  // in the middle of the long line: its rest is no line of its own
  TestFollower again(options(), within);
  for (TestFollower* each : {&follower, &again}) {
    EXPECT_NE(each->take_lines().size(), 1U);
  }
  folder.append(kLog, "rest\nnext\n");
  for (TestFollower* each : {&follower, &again}) {
    each->spin();
    EXPECT_EQ(each->take_lines(), Lines{"next"});
  }
}

TEST_F(FileFollowing, SkipsByteOrderMarkAndNulBytesBeforeALine) {
  const std::string within("a\0b", 3);
  folder.append(kLog, "\xEF\xBB\xBFone\n" + std::string(300, '\0') + "two\n" + within + "\n");
  folder.append(kLog, std::string(4000, 'x') + "\n");
  TestFollower follower(options());
  ASSERT_EQ(follower.handed().size(), 4U);
  EXPECT_EQ(follower.handed()[0].line, "one");
  EXPECT_EQ(follower.handed()[0].place, (Place{1, 3}));
  EXPECT_EQ(follower.handed()[1].line, "two");
  EXPECT_EQ(follower.handed()[1].place, (Place{1, 307}));
  EXPECT_EQ(follower.handed()[2].line, within);
}

TEST_F(FileFollowing, RenameAndCreate) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  folder.append(kLog, "two\n");
  folder.rename(kLog, "auth.log.1");
  follower.spin();
  EXPECT_EQ(follower->health().state, State::missing);
  folder.append("auth.log.1", "three, by a writer that has not noticed\n");
  folder.append(kLog, "four\n");
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two", "three, by a writer that has not noticed", "four"}));
  EXPECT_EQ(follower.handed().back().place, (Place{2, 0}));
  EXPECT_FALSE(follower.handed().back().catching_up);
  EXPECT_EQ(follower->health().state, State::following);
}

TEST_F(FileFollowing, OldFileIsReadUntilItIsSilent) {
  FileOptions slow = options();
  slow.settle = std::chrono::seconds(2);
  folder.append(kLog, "one\n");
  TestFollower follower(slow);
  folder.rename(kLog, "auth.log.1");
  folder.append(kLog, "new\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  follower.now += std::chrono::milliseconds(1500);
  folder.append("auth.log.1", "late\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), Lines{"late"});
  follower.now += std::chrono::milliseconds(1999);
  follower.recheck();
  EXPECT_EQ(follower.take_lines(), Lines{});
  EXPECT_EQ(follower->position(), (Place{1, 9}));
  follower.now += std::chrono::milliseconds(1);
  follower.recheck();
  EXPECT_EQ(follower.take_lines(), Lines{"new"});
  EXPECT_EQ(follower->position(), (Place{2, 4}));
}

TEST_F(FileFollowing, NewFileIsReadThoughTheOldOneIsBusy) {
  FileOptions slow = options();
  slow.settle = std::chrono::seconds(2);
  folder.append(kLog, "one\n");
  TestFollower follower(slow);
  folder.rename(kLog, "auth.log.1");
  folder.append(kLog, "new\n");
  for (int second = 0; second < 10; ++second) {
    follower.spin();
    EXPECT_NE(follower.lines().back(), "new");
    follower.now += std::chrono::seconds(1);
    folder.append("auth.log.1", "busy\n");
  }
  follower.spin();
  EXPECT_EQ(follower.lines().back(), "new");
}

TEST_F(FileFollowing, LateLinesOfTheOldFileKeepTheirPlace) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  const int old = folder.open(kLog);
  folder.rename(kLog, "auth.log.1");
  folder.append(kLog, "two\n");
  follower.spin();
  folder.append(old, "late\n");
  follower.spin();
  EXPECT_EQ(follower.handed().back().line, "late");
  EXPECT_EQ(follower.handed().back().place, (Place{1, 4}));
  EXPECT_EQ(follower->position(), (Place{2, 4}));

  const SavedPlace saved = follower.save();  // later lines of both are still to come
  folder.append(old, "later\n");
  folder.append(kLog, "three\n");
  TestFollower again(options(), saved);
  EXPECT_EQ(again.take_lines(), (Lines{"later", "three"}));

  folder.append(old, "half a li");  // what is unfinished when the old file is let go is marked as cut
  follower.spin();
  EXPECT_EQ(follower.handed().back().line, "three");
  follower.now += std::chrono::minutes(11);
  follower.recheck();
  EXPECT_EQ(follower.handed().back().line, "half a li");
  EXPECT_TRUE(follower.handed().back().cut);
  folder.append(old, "ne\n");
  follower.spin();
  EXPECT_EQ(follower.handed().back().line, "half a li");
  close(old);
}

TEST_F(FileFollowing, CopyTruncate) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  folder.append(kLog, "two, not read before it was copied\n");
  folder.copy_and_empty(kLog, "auth.log.1");
  folder.append(kLog, "three, which makes it longer than what was read\n");
  follower.spin();
  EXPECT_EQ(follower.lines(),
            (Lines{"one", "two, not read before it was copied", "three, which makes it longer than what was read"}));
  EXPECT_EQ(follower.handed().back().place, (Place{2, 0}));
  EXPECT_TRUE(follower->health().warnings.empty());
}

TEST_F(FileFollowing, CopyTruncateTwiceUnseenAndPacked) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  folder.append(kLog, "two\n");
  folder.copy_and_empty(kLog, "auth.log.1");
  folder.pack("auth.log.1");
  folder.append(kLog, "three\n");
  folder.shift(kLog);
  folder.copy_and_empty(kLog, "auth.log.1");
  folder.append(kLog, "four\n");
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two", "three", "four"}));
  EXPECT_EQ(follower.handed().back().place, (Place{3, 0}));
}

TEST_F(FileFollowing, CopyTruncateOfAFileNotReadYet) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  folder.copy_and_empty(kLog, "auth.log.1");
  follower.spin();
  folder.append(kLog, "two\n");
  folder.shift(kLog);
  folder.copy_and_empty(kLog, "auth.log.1");
  folder.append(kLog, "three\n");
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two", "three"}));
}

TEST_F(FileFollowing, EmptiedWithoutACopySaysWhatIsLost) {
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  follower.pause_after = 1;
  folder.append(kLog, "two\nthree\n");
  follower.spin();
  folder.replace(kLog, "four\n");
  follower->pause(false);
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two", "four"}));
  EXPECT_EQ(follower->health().dropped, 6U);
  ASSERT_EQ(follower->health().warnings.size(), 1U);
  EXPECT_NE(follower->health().warnings[0].find("was emptied before 6 bytes of it were read"), std::string::npos);
}

TEST_F(FileFollowing, ReplacedByShorterAndByLonger) {
  folder.append(kLog, "a first line\nand another\n");
  TestFollower follower(options());
  for (const char* text : {"short\n", "a much longer text than the one before\n"}) {
    folder.replace("other", text);
    folder.rename("other", kLog);
    follower.spin();
    EXPECT_EQ(follower.lines().back() + "\n", text);
  }
  folder.replace(kLog, "begun anew in place, and longer than before: no size tells of it\n");
  follower.spin();
  EXPECT_EQ(follower.handed().size(), 5U);
  EXPECT_EQ(follower.handed().back().place, (Place{4, 0}));
}

TEST_F(FileFollowing, EditedInPlaceGoesOnWhereItWas) {  // sed -i and editors write a copy and rename it
  folder.append(kLog, "one\n");
  TestFollower follower(options());
  folder.replace("copy", folder.content(kLog) + "two\n");
  folder.rename("copy", kLog);
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two"}));
}

TEST_F(FileFollowing, SymbolicLinkIsSwapped) {
  folder.append("app-1.log", "one\n");
  std::filesystem::create_symlink("app-1.log", folder / kLog);
  TestFollower follower(options());
  folder.append("app-1.log", "two\n");
  folder.append("app-2.log", "three\n");
  std::filesystem::create_symlink("app-2.log", folder / "new");
  folder.rename("new", kLog);
  folder.append("app-2.log", "four\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), (Lines{"one", "two", "three", "four"}));

  std::filesystem::create_symlink("app-1.log", folder / "new");  // and back: it goes on where it was
  folder.rename("new", kLog);
  folder.append("app-1.log", "five\n");
  follower.spin();
  EXPECT_EQ(follower.handed().at(0).place, (Place{3, 8}));
  EXPECT_EQ(follower.take_lines(), Lines{"five"});
  TestFollower again(options(), follower.save({1, 4}));
  EXPECT_EQ(again.take_lines(), (Lines{"two", "three", "four", "five"}));
}

TEST_F(FileFollowing, DeletionAndLateCreation) {
  TestFollower follower(options(false));
  EXPECT_EQ(follower->health().state, State::waiting);
  EXPECT_EQ(follower->position(), (Place{0, 0}));
  folder.append(kLog, "one\n");
  follower.spin();
  folder.append(kLog, "two\n");
  folder.remove(kLog);
  follower.spin();
  EXPECT_EQ(follower->health().state, State::missing);
  folder.append(kLog, "three\n");
  follower.spin();
  EXPECT_EQ(follower.lines(), (Lines{"one", "two", "three"}));
}

TEST_F(FileFollowing, LateCreationOfTheDirectory) {
  TestFollower follower(follow(folder / "app/logs/auth.log", false));
  std::filesystem::create_directories(folder / "app");
  follower.spin();
  std::filesystem::create_directories(folder / "app/logs");
  folder.append("app/logs/auth.log", "one\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  std::filesystem::remove_all(folder / "app");
  follower.spin();
  EXPECT_EQ(follower->health().state, State::missing);
  std::filesystem::create_directories(folder / "app/logs");
  folder.append("app/logs/auth.log", "two\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), Lines{"two"});
}

TEST_F(FileFollowing, RefusesWhatIsNoTextLog) {
  folder.append(kLog, "SQLite format 3" + std::string(100, '\0'));
  TestFollower follower(options());
  EXPECT_EQ(follower.lines(), Lines{});
  EXPECT_EQ(follower->health().state, State::unreadable);
  EXPECT_NE(follower->health().sentence.find("an SQLite database"), std::string::npos);
  folder.replace(kLog, "text\n");
  follower.spin();
  EXPECT_EQ(follower.lines(), Lines{"text"});
  EXPECT_EQ(follower->health().state, State::following);

  folder.append("packed", "text\n");
  folder.pack("packed");
  TestFollower other(follow(folder / "packed.gz"));
  EXPECT_NE(other->health().sentence.find("is compressed; name the log"), std::string::npos);
  EXPECT_EQ(other.lines(), Lines{});
}

TEST_F(FileFollowing, RefusesDirectoriesAndPipes) {
  std::filesystem::create_directory(folder / "directory");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  for (const char* name : {"directory", "pipe"}) {
    TestFollower follower(follow(folder / name));
    EXPECT_EQ(follower->health().state, State::unreadable) << name;
    EXPECT_NE(follower->health().sentence, "") << name;
  }
  boost::asio::io_context loop;
  FileWatch watch(loop);
  FileFollower relative(watch, follow("auth.log"), std::nullopt);
  EXPECT_FALSE(relative.start(loop, [](const Record&) {}));
}

TEST_F(FileFollowing, PauseHoldsBackEveryLine) {
  folder.append(kLog, "one\ntwo\nthree\n");
  TestFollower follower(options());
  EXPECT_EQ(follower.take_lines(), (Lines{"one", "two", "three"}));
  follower.pause_after = 2;
  folder.append(kLog, "four\nfive\nsix\nseven\n");
  follower.spin();
  EXPECT_EQ(follower.take_lines(), (Lines{"four", "five"}));
  EXPECT_EQ(follower->position(), (Place{1, 24}));
  folder.rename(kLog, "auth.log.1");
  folder.append(kLog, "eight\n");
  follower.recheck();
  EXPECT_EQ(follower.take_lines(), Lines{});
  follower->pause(false);
  follower.spin();
  EXPECT_EQ(follower.take_lines(), (Lines{"six", "seven", "eight"}));
}

TEST_F(FileFollowing, WithoutInotifyFilesAreLookedAtOnceAMinute) {
  folder.append(kLog, "one\n");
  boost::asio::io_context loop;
  const boost::asio::posix::stream_descriptor opens_the_loop(loop);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  FileWatch watch(loop);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(watch.trouble().find("raise fs.inotify.max_user_instances"), std::string::npos) << watch.trouble();

  FileFollower follower(watch, options(), std::nullopt);
  Lines lines;
  ASSERT_TRUE(follower.start(loop, [&](const Record& record) { lines.emplace_back(record.line); }));
  const auto spin = [&] {
    while (loop.poll() > 0) {
    }
  };
  spin();
  folder.rename(kLog, "auth.log.1");
  folder.append(kLog, "two\n");
  spin();
  EXPECT_EQ(lines, Lines{"one"});
  watch.recheck();
  spin();
  EXPECT_EQ(lines, (Lines{"one", "two"}));
  EXPECT_EQ(follower.health().sentence, watch.trouble());
}

TEST_F(FileFollowing, ReadsInBlocksAndLetsOthersRun) {
  std::string many;
  for (int i = 0; i < 50'000; ++i) many += "line " + std::to_string(i) + "\n";
  folder.append(kLog, many);
  folder.append("small.log", "one\n");
  boost::asio::io_context loop;
  FileWatch watch(loop);
  FileFollower big(watch, options(), std::nullopt);
  FileFollower small(watch, follow(folder / "small.log"), std::nullopt);
  std::size_t of_big = 0;
  std::size_t big_before_small = 0;
  ASSERT_TRUE(big.start(loop, [&](const Record&) { ++of_big; }));
  ASSERT_TRUE(small.start(loop, [&](const Record&) { big_before_small = of_big; }));
  while (loop.poll() > 0) {
  }
  EXPECT_EQ(of_big, 50'000U);
  EXPECT_GT(big_before_small, 0U);
  EXPECT_LT(big_before_small, 20'000U);
}

}  // namespace
}  // namespace tipstaff
