#include "sources/file_glob.h"

#include "sources/file_testing.h"
#include "sources/rotated_names.h"

namespace tipstaff {
namespace {

TEST(RotatedNames, AreToldFromTheirBase) {
  struct Case {
    const char* base;
    const char* name;
    const char* mark;  // "": none; else the number, the date or "old"
  } const cases[] = {
      {"auth.log", "auth.log.1", "1"},
      {"auth.log", "auth.log.2.gz", "2"},
      {"auth.log", "auth.log.0.xz", "0"},
      {"auth.log", "auth.log-20260107", "20260107"},
      {"auth.log", "auth.log-20260107.zst", "20260107"},
      {"auth.log", "auth.log-2026010712", "2026010712"},
      {"auth.log", "auth.log.2026-01-07_12:00", "202601071200"},
      {"auth.log", "auth-20260107.log", "20260107"},
      {"auth.log", "auth.1.log.gz", "1"},
      {"auth.log", "auth.log.old", "old"},
      {"secure", "secure-20260107", "20260107"},
      {"secure", "secure.3", "3"},
      {"auth.log", "auth.log", ""},
      {"auth.log", "auth.log.gz", ""},
      {"auth.log", "auth.log.1.bak", ""},
      {"auth.log", "auth.log.12345", ""},
      {"auth.log", "auth.log-1", ""},
      {"auth.log", "other.log.1", ""},
      {"auth.log", "authx.log", ""},
      {"auth.log", "auth.logs", ""},
      {"auth.log", "auth.log.", ""},
  };
  for (const Case& tested : cases) {
    const auto mark = rotation_mark(tested.base, tested.name);
    std::string text;
    if (mark) text = mark->number ? std::to_string(*mark->number) : mark->date.empty() ? "old" : mark->date;
    EXPECT_EQ(text, tested.mark) << tested.name;
  }
}

TEST(RotatedNames, PutAsideByTheNameAlone) {
  for (const char* name : {"auth.log.1", "auth.log-20260107", "mail.log.gz", "x.zst", "mail.log.old", "secure.0"}) {
    EXPECT_TRUE(is_put_aside(name)) << name;
  }
  for (const char* name : {"auth.log", "app-20260107.log", "vhost-443", "secure", "1", "20260107", "access_log"}) {
    EXPECT_FALSE(is_put_aside(name)) << name;
  }
  EXPECT_EQ(without_date("app-20260107.log"), "app.log");
  EXPECT_EQ(without_date("app.log"), std::nullopt);
  EXPECT_EQ(without_date("20260107.log"), std::nullopt);
}

TEST(RotatedNames, OldestFirst) {
  TestFolder folder;
  for (const char* name : {"a.log", "a.log.2", "a.log.10", "a.log.1", "b.log", "b.log-20260108", "b.log-20260107",
                           "c.log", "c.log.1", "c.log-20260107", "a.log.1x"}) {
    folder.append(name, "x\n");
  }
  const auto names = [&](const std::string& log) {
    Lines found;
    for (const std::string& path : rotated_files(folder / log)) found.push_back(std::filesystem::path(path).filename());
    return found;
  };
  EXPECT_EQ(names("a.log"), (Lines{"a.log.10", "a.log.2", "a.log.1"}));
  EXPECT_EQ(names("b.log"), (Lines{"b.log-20260107", "b.log-20260108"}));
  EXPECT_EQ(names("c.log"), (Lines{"c.log.1", "c.log-20260107"}));  // by their times
  EXPECT_EQ(names("missing.log"), Lines{});
}

TEST(FileGlobs, LeaveOutWhatWasPutAside) {
  TestFolder folder;
  for (const char* name : {"a.log", "a.log.1", "a-20260107.log", "b-20260107.log", "b.log.gz", "c.txt", ".d.log"}) {
    folder.append(name, "x\n");
  }
  std::filesystem::create_directory(folder / "directory.log");
  std::filesystem::create_symlink("c.txt", folder / "e.log");
  std::filesystem::create_symlink("nowhere", folder / "f.log");
  EXPECT_EQ(files_that_fit(folder / "*.log"), (Lines{folder / "a.log", folder / "b-20260107.log", folder / "e.log"}));
  EXPECT_EQ(files_that_fit(folder / "*"),
            (Lines{folder / "a.log", folder / "b-20260107.log", folder / "c.txt", folder / "e.log"}));
  EXPECT_EQ(files_that_fit(folder / "x*"), Lines{});
}

TEST(FileGlobs, TellOfNewFilesAsTheyAppear) {
  TestFolder folder;
  boost::asio::io_context loop;
  FileWatch watch(loop);
  int changes = 0;
  const std::string pattern = folder / "*/logs/*.log";
  std::filesystem::create_directories(folder / "one/logs");
  folder.append("one/logs/a.log", "x\n");
  const FileGlob glob(watch, pattern, [&] { ++changes; });
  const auto spin = [&] {
    while (loop.poll() > 0) {
    }
    return std::exchange(changes, 0);
  };
  EXPECT_EQ(spin(), 0);
  folder.append("one/logs/a.log", "x\n");
  folder.append("one/logs/a.log.1", "x\n");
  EXPECT_EQ(spin(), 0);
  folder.append("one/logs/b.log", "x\n");
  EXPECT_EQ(spin(), 1);
  std::filesystem::create_directories(folder / "two");
  EXPECT_EQ(spin(), 0);
  std::filesystem::create_directories(folder / "two/logs");
  EXPECT_EQ(spin(), 0);
  folder.append("two/logs/c.log", "x\n");
  EXPECT_EQ(spin(), 1);
  EXPECT_EQ(files_that_fit(pattern).size(), 3U);
  folder.remove("two/logs/c.log");  // one that comes back is no news
  folder.append("two/logs/c.log", "x\n");
  EXPECT_EQ(spin(), 0);
}

TEST(FileGlobs, WatchPointsGoThroughLinksAndStopAtWhatIsMissing) {
  TestFolder folder;
  std::filesystem::create_directories(folder / "data/logs");
  std::filesystem::create_symlink(folder / "data", folder / "link");
  folder.append("data/logs/real", "x\n");
  std::filesystem::create_symlink("../logs/real", folder / "data/logs/app.log");
  const auto points = watch_points(folder / "link/logs/app.log");
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0].name, "link");
  EXPECT_EQ(points[1], (WatchPoint{folder / "data/logs", "app.log"}));
  EXPECT_EQ(points[2], (WatchPoint{folder / "data/logs", "real"}));
  EXPECT_EQ(watch_points(folder / "data/missing/app.log").back(), (WatchPoint{folder / "data", "missing"}));
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_EQ(watch_points(folder / "loop").size(), 41U);
}

}  // namespace
}  // namespace tipstaff
