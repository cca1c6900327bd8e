// What `tipstaff scan` reads and how it ends: files of every kind and order, options right and wrong, standard output
// that nobody reads.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/evening.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

// --- files ---------------------------------------------------------------------------------------------------------

TEST(ScanFiles, PackedOnesAndStandardInputSayTheSame) {
  const TemporaryFolder folder;
  const std::string plain = folder.file("a.log", evening());
  for (const auto& [packer, ending] :
       std::vector<std::pair<std::string, std::string>>{{"gzip", ".gz"}, {"xz", ".xz"}, {"zstd", ".zst"}}) {
    const Said packed = run({packer, "-k", "-q", plain});
    ASSERT_EQ(packed.code, 0) << packed.err;
    EXPECT_EQ(json::serialize(summary({plain + ending})), json::serialize(summary({plain}))) << ending;
    EXPECT_EQ(json::serialize(summary({"-"}, {.input = read_file(plain + ending)})), json::serialize(summary({plain})))
        << ending << " from standard input";
  }
}

struct BadFile {
  const char* name;
  std::string file;     // in the test's folder
  std::string content;  // empty: it is not made
  std::string says;
};

class BadFiles : public testing::TestWithParam<BadFile> {};

TEST_P(BadFiles, AreNamedAndTheOthersScanned) {
  const TemporaryFolder folder;
  const std::string good = folder.file("good.log", evening());
  const std::string bad = folder.path() / GetParam().file;
  if (!GetParam().content.empty()) write_file(bad, GetParam().content);
  for (const auto& files : {std::vector{bad, good}, std::vector{good, bad}}) {
    std::vector<std::string> arguments = {"--format", "json"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const Said said = scan(arguments);
    EXPECT_EQ(said.code, 2);
    EXPECT_NE(said.err.find(bad), std::string::npos) << said.err;
    EXPECT_NE(said.err.find(GetParam().says), std::string::npos) << said.err;
    EXPECT_EQ(json_lines(said.out).size(), kEveningAttempts);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadFiles,
    testing::Values(BadFile{"Missing", "none.log", "", "no such file"}, BadFile{"Folder", ".", "", "directory"},
                    BadFile{"Program", "ls",
                            std::string("\x7f"
                                        "ELF\x02\x01\x01") +
                                std::string(200, '\0'),
                            "not a text log"},
                    BadFile{"Zeros", "zeros", std::string(5000, '\0'), "binary"},
                    BadFile{"Journal", "system.journal", std::string("LPKSHHRH") + std::string(200, '\0'),
                            "journalctl"},
                    BadFile{"Evtx", "Security.evtx", std::string("ElfFile\0", 8) + std::string(200, '\0'), "Windows"},
                    BadFile{"CutGzip", "cut.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10), ""}),
    [](const auto& file) { return file.param.name; });

TEST(ScanFiles, UnreadableIsNamed) {
  const TemporaryFolder folder;
  const std::string shut = folder.file("shut.log", evening());
  chmod(shut.c_str(), 0);
  if (access(shut.c_str(), R_OK) == 0) return;  // root reads everything; the table above covers other errors
  const Said said = scan({"--format", "json", shut});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find(shut), std::string::npos) << said.err;
}

TEST(ScanFiles, EmptyAndHarmlessLogsAreFine) {
  for (const std::string log : {"", "\n\n", "nothing that any program writes\n"}) {
    const Said said = scan({"--format", "json", "-"}, {.input = log});
    EXPECT_EQ(said.code, 0);
    EXPECT_EQ(said.out, "");
    EXPECT_EQ(said.err, "");
  }
}

// Rotated pieces in any order are the log they were; the break lies where no connection is open.
TEST(ScanFiles, RotatedPiecesAreOneTimeline) {
  const std::filesystem::path story = std::filesystem::path(TIPSTAFF_SOURCE_DIR) / "tests/story";
  const std::string log = read_file(story / "sshd/host-c.log");
  std::vector<std::size_t> breaks = {0};
  for (const char* const stamp : {"2013-05-06T12:", "2013-05-06T23:", "2013-05-07T06:"}) {
    const std::size_t at = log.find(stamp);
    ASSERT_NE(at, std::string::npos) << stamp;
    breaks.push_back(at);
  }
  breaks.push_back(log.size());
  const TemporaryFolder folder;
  std::vector<std::string> pieces;
  for (std::size_t i = 0; i + 1 < breaks.size(); ++i) {
    pieces.push_back(
        folder.file("auth.log." + std::to_string(breaks.size() - i), log.substr(breaks[i], breaks[i + 1] - breaks[i])));
  }
  const auto joined = summary({"--rules", story / "rules.toml", folder.file("joined.log", log)});
  std::ranges::sort(pieces);
  do {
    std::vector<std::string> arguments = {"--rules", story / "rules.toml"};
    arguments.insert(arguments.end(), pieces.begin(), pieces.end());
    const auto parts = summary(arguments);
    for (const char* const name : {"blocks", "top", "failures", "successes", "probes", "lines"}) {
      EXPECT_EQ(parts.at(name), joined.at(name)) << name;
    }
  } while (std::ranges::next_permutation(pieces).found);
}

// Stamps without a year get theirs from the time of their file, and rise with the new year.
TEST(ScanFiles, RotatedPiecesOverNewYearAreOneTimeline) {
  const TemporaryFolder folder;
  const auto line = [](const std::string& stamp, int pid) {
    return fmt::format("{} web01 sshd[{}]: Failed password for root from 198.51.100.7 port 4 ssh2\n", stamp, pid);
  };
  const std::string older =
      folder.file("auth.log.1", line("Dec 31 23:50:00", 1) + line("Dec 31 23:55:00", 2) + line("Jan  1 00:01:00", 3));
  const std::string newer = folder.file("auth.log", line("Jan  1 00:02:00", 4) + line("Jan  1 00:03:00", 5));
  // 2024-01-01 and 2024-01-02, noon, as the file system's clock counts
  const auto written = [](std::int64_t seconds) {
    return std::filesystem::file_time_type::clock::from_sys(std::chrono::sys_seconds(std::chrono::seconds(seconds)));
  };
  std::filesystem::last_write_time(older, written(1'704'110'400));
  std::filesystem::last_write_time(newer, written(1'704'196'800));
  for (const auto& files : {std::vector{older, newer}, std::vector{newer, older}}) {
    const auto blocks = summary({"--timezone", "UTC", files[0], files[1]}).at("blocks");
    ASSERT_EQ(blocks.as_array().size(), 1U);
    EXPECT_EQ(text_of(blocks.as_array()[0].as_object(), "blocked_at"), "2024-01-01T00:03:00Z");
  }
}

TEST(ScanFiles, LogsWrittenSideBySideAreOneTimeline) {
  const TemporaryFolder folder;
  std::vector<std::string> files;
  for (int file = 0; file < 3; ++file) {
    std::string log;
    for (int i = 0; i < 2; ++i) log += failed(i * 30 + file * 10, file * 10 + i, "198.51.100.7");
    files.push_back(folder.file(std::to_string(file) + ".log", log));
  }
  const auto blocks = summary({files[2], files[0], files[1]}).at("blocks");
  ASSERT_EQ(blocks.as_array().size(), 1U);
  EXPECT_EQ(text_of(blocks.as_array()[0].as_object(), "blocked_at"), "2024-03-03T10:00:40Z");
  const auto attempts = json_lines(scan({"--format", "json", files[2], files[0], files[1]}).out);
  ASSERT_EQ(attempts.size(), 6U);
  for (std::size_t i = 0; i < attempts.size(); ++i) EXPECT_EQ(text_of(attempts[i], "file"), files[i % 3]) << i;
}

// --- options -------------------------------------------------------------------------------------------------------

TEST(ScanOptions, ServiceReadsTheStreamWhateverTheHeaderNames) {
  const std::string log = "Mar  3 10:00:00 web01 mydaemon[5]: Failed password for root from 198.51.100.7 port 4 ssh2\n";
  EXPECT_EQ(number(summary({"-"}, {.input = log}), "failures"), 0);
  EXPECT_EQ(number(summary({"--service", "sshd", "-"}, {.input = log}), "failures"), 1);
  EXPECT_EQ(number(summary({"--service", "postfix", "-"}, {.input = failed(0, 1, "198.51.100.7")}), "failures"), 0);
}

TEST(ScanOptions, RulesReplaceEverything) {
  const TemporaryFolder folder;
  const std::string rules =
      folder.file("r.toml",
                  "[[rule]]\nname = \"One\"\ntrigger_window = \"1m\"\noccurrences = 1\nlockout = \"1h\"\n"
                  "[allowlist]\nnetworks = [\"198.51.100.0/24\"]\n");
  const auto blocks = summary({"--rules", rules, "-"}, {.input = evening() + failed(200, 9, "127.0.0.1")}).at("blocks");
  std::set<std::string> who;
  for (const auto& block : blocks.as_array()) {
    EXPECT_EQ(text_of(block.as_object(), "rule"), "One");
    who.insert(text_of(block.as_object(), "address"));
  }
  EXPECT_EQ(who, (std::set<std::string>{"127.0.0.1", "203.0.113.9"})) << "own addresses are not exempt with --rules";
}

struct Stamp {
  const char* stamp;
  std::vector<std::string> options;
  const char* time;
};

class Stamps : public testing::TestWithParam<Stamp> {};

TEST_P(Stamps, AreToldInUtc) {
  const auto& [stamp, options, time] = GetParam();
  std::vector<std::string> arguments = {"--format", "json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  arguments.push_back("-");
  const std::string log =
      std::string(stamp) + " web01 sshd[1]: Failed password for root from 198.51.100.7 port 4 ssh2\n";
  const Said said = scan(arguments, {.input = log, .environment = {{"TZ", "America/New_York"}}});
  const auto attempts = json_lines(said.out);
  ASSERT_EQ(attempts.size(), 1U) << said.out << said.err;
  EXPECT_EQ(text_of(attempts[0], "time"), time);
}

INSTANTIATE_TEST_SUITE_P(
    Zones, Stamps,
    testing::Values(
        Stamp{"Mar  3 10:00:00", {"--year", "2019", "--timezone", "UTC"}, "2019-03-03T10:00:00Z"},
        Stamp{"Jul  3 10:00:00", {"--year", "2019", "--timezone", "Europe/Stockholm"}, "2019-07-03T08:00:00Z"},
        Stamp{"Jan  3 10:00:00", {"--year", "2019", "--timezone", "Europe/Stockholm"}, "2019-01-03T09:00:00Z"},
        Stamp{"Jul  3 10:00:00", {"--year", "2019", "--timezone", "+05:30"}, "2019-07-03T04:30:00Z"},
        Stamp{"Jul  3 10:00:00", {"--year", "2019"}, "2019-07-03T14:00:00Z"},  // this machine's zone
        Stamp{"2024-07-03T10:00:00+02:00", {"--timezone", "UTC"}, "2024-07-03T08:00:00Z"},
        Stamp{"2024-07-03T10:00:00.123456+02:00", {"--year", "2019"}, "2024-07-03T08:00:00Z"}));

struct Wrong {
  const char* name;
  std::vector<std::string> arguments;  // {} is the test's folder
  std::string says;
};

class Wrongs : public testing::TestWithParam<Wrong> {};

TEST_P(Wrongs, ExitWithTwoAndSayWhatToDo) {
  const TemporaryFolder folder;
  folder.file("bad.toml", "[[rule]]\nname = \"x\"\ntrigger_window = \"1m\"\nocurrences = 5\nlockout = \"1h\"\n");
  folder.file("broken.toml", "[[rule]\n");
  folder.file("detector.toml",
              "version = 1\nname = \"x\"\nprograms = [\"x\"]\n\n[[pattern]]\nkind = \"failure\"\n"
              "text = \"bad {account} from {address}\"\nexamples = []\n");
  std::vector<std::string> arguments = GetParam().arguments;
  arguments.insert(arguments.end(), {"--format", "json"});
  const Said said = scan(arguments, {.input = evening(), .folder = folder.path()});
  EXPECT_EQ(said.code, 2);
  EXPECT_EQ(said.out, "");
  EXPECT_NE(said.err.find(GetParam().says), std::string::npos) << said.err;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, Wrongs,
    testing::Values(Wrong{"UnknownService", {"--service", "sshdd", "-"}, "did you mean 'sshd'"},
                    Wrong{"UnknownOption", {"--fast", "-"}, "--fast"}, Wrong{"NoFile", {}, "FILE"},
                    Wrong{"UnknownRuleKey", {"--rules", "bad.toml", "-"}, "bad.toml:4:"},
                    Wrong{"BrokenRules", {"--rules", "broken.toml", "-"}, "broken.toml:1"},
                    Wrong{"MissingRules", {"--rules", "none.toml", "-"}, "none.toml"},
                    Wrong{"ForgeableDetector", {"--detectors", "detector.toml", "-"}, "detector.toml:5:"},
                    Wrong{"MissingDetector", {"--detectors", "none.toml", "-"}, "none.toml"},
                    Wrong{"UnknownZone", {"--timezone", "Mars/Olympus", "-"}, "Mars/Olympus"},
                    Wrong{"BadYear", {"--year", "soon", "-"}, "--year"},
                    Wrong{"BadJobs", {"--jobs", "0", "-"}, "--jobs"}),
    [](const auto& wrong) { return wrong.param.name; });

TEST(ScanOptions, UnknownFormatIsRefused) {
  const Said said = scan({"--format", "xml", "-"}, {.input = evening()});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("json"), std::string::npos) << said.err;
}

TEST(ScanOptions, JsonAloneMeansAttempts) {
  EXPECT_EQ(scan({"--json", "-"}, {.input = evening()}).out, scan({"--format", "json", "-"}, {.input = evening()}).out);
}

// --- output --------------------------------------------------------------------------------------------------------

TEST(ScanOutput, ReaderThatHasEnoughIsNoError) {
  std::string log;
  for (int i = 0; i < 3000; ++i) log += failed(i % 3600, i + 1, "198.51.100.7");
  for (const char* const format : {"text", "json"}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    const Said said = scan({"--format", format, "-"}, {.input = log, .out = ends[1]});
    close(ends[1]);
    EXPECT_EQ(said.code, 0);
    EXPECT_EQ(said.err, "");
  }
}

TEST(ScanOutput, FullDiskIsSaid) {
  std::string log;
  for (int i = 0; i < 1200; ++i) log += failed(i, i + 1, fmt::format("198.51.100.{}", i / 6 + 1));
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (full < 0) return;  // no such device here
  for (const char* const format : {"text", "json", "none"}) {
    const Said said = scan({"--format", format, "-"}, {.input = log, .out = full});
    EXPECT_EQ(said.code, 1) << format;
    EXPECT_NE(said.err.find("cannot be written"), std::string::npos) << said.err;
  }
  close(full);
}

}  // namespace
}  // namespace tipstaff
