// The journal on files that systemd-journal-remote makes: following, restarts at every place, rotation, vacuum, damage.
#include "sources/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <fstream>

#include "sources/journal_place.h"
#include "sources/journal_testing.h"

namespace tipstaff {
namespace {

using Lines = std::vector<std::string>;
using State = SourceHealth::State;

struct Handed {
  std::string line;
  Place place;
  Place next;
  Instant stamp;
  bool cut = false;
  bool catching_up = false;
  std::string host, program, unit, comm;
  std::optional<std::uint32_t> uid;
  std::uint32_t pid = 0;
  SavedPlace saved;  // what would be saved behind it, when it was handed out
};

// A follower on a loop of its own.
class Follower {
 public:
  explicit Follower(JournalOptions options, std::optional<SavedPlace> saved = std::nullopt)
      : watch_(loop_), source_(watch_, with_clock(std::move(options)), std::move(saved)) {
    const auto started = source_.start(loop_, [this](const Record& record) { take(record); });
    EXPECT_TRUE(started) << started.error().message();
    EXPECT_TRUE(handed.empty()) << "a record within start()";
  }

  void spin() {
    do {
      loop_.restart();
    } while (loop_.poll() > 0);
  }
  void recheck() {
    watch_.recheck();
    spin();
  }
  [[nodiscard]] Lines take_lines() {
    spin();
    Lines lines;
    for (const Handed& one : handed) lines.push_back(one.line);
    handed.clear();
    return lines;
  }
  [[nodiscard]] SavedPlace save(Place place) const { return {place, source_.checkpoint(place)}; }
  [[nodiscard]] SavedPlace save() const { return save(source_.position()); }
  [[nodiscard]] std::string warnings() const {
    std::string all;
    for (const std::string& warning : source_.health().warnings) all += warning + "\n";
    return all;
  }
  JournalFollower& operator*() { return source_; }
  JournalFollower* operator->() { return &source_; }

  std::vector<Handed> handed;
  std::size_t pause_after = ~std::size_t{0};
  Instant now{std::chrono::seconds(kJournalBegin + 86'400)};

 private:
  JournalOptions with_clock(JournalOptions options) {
    options.now = [this] { return now; };
    return options;
  }
  void take(const Record& record) {
    EXPECT_TRUE(record.has_header);
    EXPECT_FALSE(record.untrusted);
    handed.push_back({std::string(record.line),
                      record.place,
                      record.next,
                      record.stamp.value_or(Instant()),
                      record.cut,
                      record.catching_up,
                      std::string(record.host),
                      std::string(record.program),
                      std::string(record.writer.unit),
                      std::string(record.writer.comm),
                      record.writer.uid,
                      record.pid,
                      {}});
    handed.back().saved = save(record.next);
    if (--pause_after == 0) source_.pause(true);
  }

  boost::asio::io_context loop_;
  FileWatch watch_;
  JournalFollower source_;
};

class Journal : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  }
  [[nodiscard]] JournalOptions from_start() const {
    JournalOptions options;
    options.directory = journal.path();
    options.from_start = true;
    return options;
  }
  [[nodiscard]] JournalOptions from_end() const {
    JournalOptions options = from_start();
    options.from_start = false;
    return options;
  }

  TestJournal journal;
};

TEST_F(Journal, HandsOutEntriesAsTheyCome) {
  journal.append("system.journal", {{"one", 1}, {"two", 2}});
  Follower follower(from_start());
  EXPECT_EQ(follower->name(), "journal:" + journal.path());
  EXPECT_EQ(follower.take_lines(), Lines({"one", "two"}));
  journal.append("system.journal", {{"three", 3}});
  follower.spin();
  ASSERT_EQ(follower.handed.size(), 1U);
  const Handed& three = follower.handed[0];
  EXPECT_EQ(three.line, "three");
  EXPECT_EQ(three.place, (Place{1, 3}));
  EXPECT_EQ(three.next, (Place{1, 4}));
  EXPECT_EQ(three.next, follower->position());
  EXPECT_EQ(three.stamp, Instant(std::chrono::seconds(kJournalBegin + 3)));
  EXPECT_FALSE(three.catching_up);
  EXPECT_EQ(three.host, "mx");
  EXPECT_EQ(three.program, "sshd");
  EXPECT_EQ(three.unit, "ssh.service");
  EXPECT_EQ(three.comm, "sshd");
  EXPECT_EQ(three.uid, 0U);
  EXPECT_EQ(three.pid, 4711U);
  const SourceHealth health = follower->health();
  EXPECT_EQ(health.state, State::following);
  EXPECT_EQ(health.records, 3U);
  EXPECT_EQ(health.dropped, 0U);
  EXPECT_EQ(health.last, follower.now);
  EXPECT_EQ(follower.warnings(), "");
}

TEST_F(Journal, BeginsAtTheEndAndSaysWhatItCaughtUp) {
  journal.append("system.journal", {{"old", 1}});
  Follower follower(from_end());
  EXPECT_EQ(follower->position(), (Place{1, 2}));
  EXPECT_EQ(follower.take_lines(), Lines{});
  journal.append("system.journal", {{"new", 2}});
  follower.spin();
  ASSERT_EQ(follower.handed.size(), 1U);
  EXPECT_FALSE(follower.handed[0].catching_up);

  Follower all(from_start());
  all.spin();
  ASSERT_EQ(all.handed.size(), 2U);
  EXPECT_TRUE(all.handed[0].catching_up && all.handed[1].catching_up);
}

TEST_F(Journal, AMessageIsOneLine) {
  const std::string forged =
      "harmless\nNov  5 03:00:00 mx sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2";
  journal.append("system.journal", {{forged, 1},
                                    {"  blanks around \r\n", 2},
                                    {std::string("nul\n\0byte", 9), 3},
                                    {"", 4},
                                    {std::string(kMaxLine, 'x'), 5},
                                    {std::string(kMaxLine + 1, 'y'), 6}});
  Follower follower(from_start());
  follower.spin();
  ASSERT_EQ(follower.handed.size(), 5U);
  EXPECT_EQ(follower.handed[0].line,
            "harmless Nov  5 03:00:00 mx sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2");
  EXPECT_EQ(follower.handed[1].line, "blanks around");
  EXPECT_EQ(follower.handed[2].line, "nul  byte");
  EXPECT_EQ(follower.handed[3].line.size(), kMaxLine);
  EXPECT_FALSE(follower.handed[3].cut);
  EXPECT_EQ(follower.handed[4].line, std::string(kMaxLine, 'y'));
  EXPECT_TRUE(follower.handed[4].cut);
  EXPECT_EQ(follower->health().cut, 1U);
}

TEST_F(Journal, GoesOnAfterARestartWithoutLossOrDouble) {
  journal.append("system.journal", {{"one", 1}, {"two", 2}, {"three", 3}});
  std::vector<Handed> handed;
  std::vector<SavedPlace> saved;
  {
    Follower follower(from_start());
    saved.push_back(follower.save());
    follower.spin();
    handed = follower.handed;
    for (const Handed& one : handed) saved.push_back(follower.save(one.next));
    saved.push_back(follower.save());
  }
  journal.append("system.journal", {{"four", 4}});
  const Lines all = {"one", "two", "three", "four"};
  const std::size_t read[] = {0, 1, 2, 3, 3};
  for (std::size_t i = 0; i < saved.size(); ++i) {
    EXPECT_LE(saved[i].checkpoint.size(), kMaxCheckpoint);
    Follower again(from_end(), saved[i]);
    EXPECT_EQ(again->position(), saved[i].place);
    EXPECT_EQ(again->checkpoint(saved[i].place), saved[i].checkpoint) << i;
    again.spin();
    EXPECT_EQ(again.warnings(), "") << i;
    ASSERT_EQ(again.handed.size(), all.size() - read[i]) << i;
    for (std::size_t k = read[i]; k < handed.size(); ++k) EXPECT_EQ(again.handed[k - read[i]].place, handed[k].place);
    EXPECT_EQ(again.take_lines(), Lines(all.begin() + static_cast<std::ptrdiff_t>(read[i]), all.end())) << i;
  }
}

TEST_F(Journal, ClockSetBackLosesNothing) {
  journal.append("system.journal", {{"one", 100}});
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  const SavedPlace saved = follower.save();
  journal.append("system.journal", {{"earlier", 50}});
  EXPECT_EQ(follower.take_lines(), Lines{"earlier"});
  Follower again(from_end(), saved);
  EXPECT_EQ(again.take_lines(), Lines{"earlier"});
}

TEST_F(Journal, RotationAndVacuum) {
  journal.append("system.journal", {{"one", 1}});
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  const SavedPlace saved = follower.save();
  journal.rename("system.journal", "system@0001.journal");
  journal.append("system.journal", {{"two", 2}});
  EXPECT_EQ(follower.take_lines(), Lines{"two"});
  journal.remove("system@0001.journal");
  journal.append("system.journal", {{"three", 3}});
  EXPECT_EQ(follower.take_lines(), Lines{"three"});
  EXPECT_EQ(follower->position(), (Place{2, 3}));
  EXPECT_EQ(follower->health().state, State::following);
  EXPECT_EQ(follower.warnings(), "");

  // what was saved is gone by now: time decides, and it is said
  Follower again(from_end(), saved);
  EXPECT_EQ(again.take_lines(), Lines({"two", "three"}));
  EXPECT_EQ(again->position(), (Place{2, 3}));
  EXPECT_NE(again.warnings().find("no longer has the entry"), std::string::npos) << again.warnings();
}

TEST_F(Journal, AnEntryReadBeforeDoesNotComeAgainUnderAnotherNumber) {
  journal.append("volatile.journal", {{"one", 1}, {"two", 2}});
  Follower follower(from_start());
  follower.spin();
  const SavedPlace saved = follower.save(follower.handed[1].place);
  journal.append("system.journal", {{"one", 1}, {"two", 2}, {"three", 3}});  // as journald does when it can keep them
  journal.remove("volatile.journal");
  Follower again(from_end(), saved);
  EXPECT_EQ(again.take_lines(), Lines{"three"});
  EXPECT_EQ(again->position(), (Place{2, 4}));
}

TEST_F(Journal, TellsWhatWasRemovedUnread) {
  journal.append("system.journal", {{"one", 1}});
  Follower follower(from_start());
  follower.now = Instant(std::chrono::seconds(kJournalBegin + 10));
  EXPECT_EQ(follower.take_lines(), Lines{"one"});
  follower->pause(true);
  journal.append("system.journal", {{"two", 20}});
  EXPECT_EQ(follower.take_lines(), Lines{});
  journal.rename("system.journal", "system@0001.journal");
  journal.append("system.journal", {{"three", 30}});
  journal.remove("system@0001.journal");
  follower.spin();
  follower.now += std::chrono::seconds(120);
  follower->pause(false);
  follower.spin();
  ASSERT_EQ(follower.handed.size(), 1U);
  EXPECT_EQ(follower.handed[0].line, "three");
  EXPECT_TRUE(follower.handed[0].catching_up);
  EXPECT_NE(follower.warnings().find("begins later than 2026-11-05T03:00:10Z"), std::string::npos)
      << follower.warnings();
}

TEST_F(Journal, TheSinkCanPause) {
  journal.append("system.journal", {{"one", 1}, {"two", 2}, {"three", 3}});
  Follower follower(from_start());
  follower.pause_after = 2;
  EXPECT_EQ(follower.take_lines(), Lines({"one", "two"}));
  journal.append("system.journal", {{"four", 4}});
  EXPECT_EQ(follower.take_lines(), Lines{});
  follower->pause(false);
  EXPECT_EQ(follower.take_lines(), Lines({"three", "four"}));
}

TEST_F(Journal, ManyEntriesInBatches) {
  std::vector<TestEntry> entries;
  Lines expected;
  for (int i = 0; i < 1000; ++i) {
    entries.push_back({"entry " + std::to_string(i), i});
    expected.push_back(entries.back().message);
  }
  journal.append("system.journal", entries);
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines(), expected);
}

TEST_F(Journal, SeveralMachines) {
  for (int i = 0; i < 4; ++i) {
    TestEntry a{"a" + std::to_string(i), 2 * i};
    TestEntry b{"b" + std::to_string(i), 2 * i + 1};
    b.host = "web";
    journal.append("remote-a.journal", {a});
    journal.append("remote-b.journal", {b});
  }
  Follower follower(from_start());
  follower.spin();
  const std::vector<Handed> handed = follower.handed;
  EXPECT_EQ(follower.take_lines(), Lines({"a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"}));
  // a restart behind any of them, or at any of them that is still open, repeats at most what has the same places
  for (std::size_t i = 0; i < handed.size(); ++i) {
    for (const SavedPlace& saved : {handed[i].saved, follower.save(handed[i].place)}) {
      const std::size_t from = saved.place == handed[i].place ? i : i + 1;
      Follower again(from_end(), saved);
      again.spin();
      for (const Handed& more : again.handed) {
        const auto same = std::ranges::find(handed, more.place, &Handed::place);
        ASSERT_NE(same, handed.end()) << more.line;
        EXPECT_EQ(same->line, more.line);
      }
      for (std::size_t later = from; later < handed.size(); ++later) {
        EXPECT_NE(std::ranges::find(again.handed, handed[later].place, &Handed::place), again.handed.end())
            << handed[later].line << " is lost after " << handed[i].line;
      }
    }
  }
}

TEST_F(Journal, MoreMachinesThanAreKept) {
  for (std::size_t i = 0; i <= JournalRuns::kMost; ++i) {
    journal.append("remote-" + std::to_string(i) + ".journal", {{"from " + std::to_string(i), static_cast<int>(i)}});
  }
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines().size(), JournalRuns::kMost + 1);
  EXPECT_NE(follower.warnings().find("more than 8 machines"), std::string::npos) << follower.warnings();
  EXPECT_LE(follower.save().checkpoint.size(), 640U);
}

TEST_F(Journal, ADirectoryThatComesGoesAndIsReplaced) {
  const std::string directory = journal / "late";
  JournalOptions options = from_end();
  options.directory = directory;
  Follower follower(options);
  follower.spin();
  EXPECT_EQ(follower->health().state, State::waiting);
  EXPECT_NE(follower->health().sentence.find("not there"), std::string::npos);
  EXPECT_EQ(follower->position(), Place{});
  const SavedPlace before = follower.save();

  std::filesystem::create_directory(directory);
  journal.append("late/system.journal", {{"one", 1}});
  EXPECT_EQ(follower.take_lines(), Lines{"one"}) << "what appears later is new as a whole";
  EXPECT_EQ(follower->health().state, State::following);
  Follower again(options, before);
  EXPECT_EQ(again.take_lines(), Lines{"one"});

  std::filesystem::remove_all(directory);
  follower.spin();
  EXPECT_EQ(follower->health().state, State::missing);
  std::filesystem::create_directory(directory);
  journal.append("late/system.journal", {{"two", 2}});
  EXPECT_EQ(follower.take_lines(), Lines{"two"});
  EXPECT_EQ(follower->position(), (Place{2, 2}));
}

TEST_F(Journal, DamagedFilesAreLeftOutAndNamed) {
  journal.append("system.journal", {{"good", 1}});
  std::ofstream(journal / "bad.journal") << "this is no journal";
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines(), Lines{"good"});
  EXPECT_EQ(follower->health().state, State::following);
  EXPECT_NE(follower.warnings().find("bad.journal is damaged and not read"), std::string::npos) << follower.warnings();
  journal.append("system.journal", {{"on", 2}});
  EXPECT_EQ(follower.take_lines(), Lines{"on"});
  EXPECT_EQ(follower->health().warnings.size(), 1U) << follower.warnings();
}

// Damage at one place after the other: what is handed out is what was written, in order, and losing more than one entry
// is told. (Of a single one that its index does not give, sd-journal says nothing.)
TEST_F(Journal, DamageInsideIsTold) {
  std::vector<TestEntry> entries;
  Lines written;
  for (int i = 0; i < 40; ++i) {
    entries.push_back({"entry " + std::to_string(i), i});
    written.push_back(entries.back().message);
  }
  journal.append("system.journal", entries);
  std::ifstream file(journal / "system.journal", std::ios::binary);
  const std::string intact(std::istreambuf_iterator<char>(file), {});
  const std::size_t begin = intact.find("MESSAGE=entry 7");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t end = intact.find_last_not_of('\0');
  int many_lost = 0;
  int told = 0;
  for (std::size_t at = begin - 100; at < end; at += 611) {
    std::string bytes = intact;
    for (std::size_t i = at; i < std::min(at + 16, bytes.size()); ++i) bytes[i] = '\xff';
    std::ofstream(journal / "system.journal", std::ios::binary | std::ios::trunc) << bytes;
    Follower follower(from_start());
    const Lines read = follower.take_lines();
    told += follower.warnings().empty() ? 0 : 1;
    std::size_t known = 0;
    for (const std::string& line : read) {
      const auto in_order = std::find(written.begin() + static_cast<std::ptrdiff_t>(known), written.end(), line);
      if (in_order != written.end()) known = static_cast<std::size_t>(in_order - written.begin()) + 1;
    }
    EXPECT_GE(known, read.size()) << "damage at " << at << " makes entries come twice or in disorder";
    if (read.size() + 1 >= written.size()) continue;
    ++many_lost;
    EXPECT_NE(follower.warnings(), "") << "damage at " << at << ": " << read.size() << " entries";
  }
  EXPECT_GT(many_lost + told, 0);
}

// libsystemd 252 ends its process where a compressed field is shorter than it claims to be; here that costs the entry.
TEST_F(Journal, ACompressedFieldThatIsTooShortCostsItsEntryOnly) {
  std::string large = "large ";
  for (unsigned i = 0; large.size() < 3'000; ++i) large += std::to_string(i * 2'654'435'761U);
  journal.append("system.journal", {{"one", 1}, {large, 2}, {"three", 3}});
  std::ifstream file(journal / "system.journal", std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const std::size_t frame = bytes.find("\x28\xb5\x2f\xfd");  // Zstandard, RFC 8878, section 3.1.1
  ASSERT_NE(frame, std::string::npos) << "this journal is not compressed with Zstandard, as Debian's are";
  const auto begins = [&](std::size_t at) { return bytes[at] == 1 && bytes[at + 1] == 4; };  // data, by Zstandard
  const std::size_t object = begins(frame - 64) ? frame - 64 : frame - 72;  // the compact form has 8 bytes more
  ASSERT_TRUE(begins(object));
  bytes[object + 9] = static_cast<char>(bytes[object + 9] - 1);  // by 256
  std::ofstream(journal / "system.journal", std::ios::binary | std::ios::trunc) << bytes;

  const LeavesBehind what_libsystemd_had_in_hand;
  Follower follower(from_start());
  EXPECT_EQ(follower.take_lines(), Lines({"one", "three"}));
  EXPECT_GE(follower->health().dropped, 1U);
  EXPECT_NE(follower.warnings().find(journal.path()), std::string::npos) << follower.warnings();
  Follower again(from_start(), follower.save());
  EXPECT_EQ(again.take_lines(), Lines()) << "the place is behind it";
  journal.append("other.journal", {{"four", 4}});
  EXPECT_EQ(follower.take_lines(), Lines{"four"});
}

TEST_F(Journal, AFileThatIsCutWhileItIsReadEndsNothing) {
  std::vector<TestEntry> entries;
  for (int i = 0; i < 2'000; ++i) entries.push_back({"entry " + std::to_string(i), i});
  journal.append("system.journal", entries);
  Follower follower(from_start());
  follower.pause_after = 10;
  EXPECT_EQ(follower.take_lines().size(), 10U);
  std::filesystem::resize_file(journal / "system.journal", 4'096);
  follower->pause(false);
  follower.pause_after = ~std::size_t{0};
  EXPECT_LT(follower.take_lines().size(), 1'990U);
  EXPECT_NE(follower.warnings() + follower->health().sentence, "");
}

TEST_F(Journal, ASavedTextThatIsDamagedIsSaid) {
  journal.append("system.journal", {{"one", 1}});
  Follower follower(from_start(), SavedPlace{{5, 1}, "nonsense"});
  EXPECT_EQ(follower.take_lines(), Lines{});
  EXPECT_NE(follower.warnings().find("cannot be read"), std::string::npos);
  EXPECT_EQ(follower->position(), (Place{6, 2})) << "numbers must not be used twice";
}

TEST(JournalOptionsTest, TheDirectoryMustBeAbsolute) {
  boost::asio::io_context loop;
  FileWatch watch(loop);
  JournalOptions options;
  options.directory = "here";
  JournalFollower follower(watch, options, std::nullopt);
  const auto started = follower.start(loop, [](const Record&) {});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::invalid);
}

TEST(JournalOptionsTest, ThisMachinesJournalCanBeAskedFor) {
  boost::asio::io_context loop;
  FileWatch watch(loop);
  JournalFollower follower(watch, {}, std::nullopt);
  EXPECT_EQ(follower.name(), "journal");
  EXPECT_TRUE(follower.start(loop, [](const Record&) {}));
  loop.poll();
  EXPECT_EQ(follower.health().sentence.empty(), follower.health().state == State::following);
}

}  // namespace
}  // namespace tipstaff
