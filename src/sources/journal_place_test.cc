// What needs no journal file: the fields of an entry and who vouches for them, the text of a saved place, and the times that
// go with places.
#include "sources/journal_place.h"

#include <gtest/gtest.h>

#include <string>

#include "sources/journal_reader.h"

namespace tipstaff {
namespace {

TEST(JournalFieldsTest, OnlyWhatIsVouchedForIsTheWriter) {
  JournalFields fields;
  for (const char* field : {"MESSAGE=a", "MESSAGE=b", "SYSLOG_IDENTIFIER=sshd", "SYSTEMD_UNIT=ssh.service", "COMM=sshd",
                            "UID=0", "SYSLOG_PID=12", "nothing", "=", ""}) {
    fields.add(field);
  }
  JournalEntry entry;
  fields.describe(entry);
  EXPECT_EQ(entry.message, "a");
  EXPECT_EQ(entry.program, "sshd");
  EXPECT_EQ(entry.pid, 12U);
  EXPECT_TRUE(entry.writer.known) << "else it would pass for a source that vouches for nothing";
  EXPECT_EQ(entry.writer.unit, "");
  EXPECT_EQ(entry.writer.comm, "");
  EXPECT_EQ(entry.writer.uid, std::nullopt);

  fields.clear();
  for (const char* field : {"_UID=1000x", "_COMM=logger", "_PID=99999999999", "SYSLOG_PID=3"}) fields.add(field);
  fields.describe(entry);
  EXPECT_TRUE(entry.writer.known);
  EXPECT_EQ(entry.writer.comm, "logger");
  EXPECT_EQ(entry.writer.uid, std::nullopt);
  EXPECT_EQ(entry.program, "logger");
  EXPECT_EQ(entry.pid, 0U) << "a number that is vouched for, but none, is not replaced by the writer's word";
  EXPECT_EQ(entry.message, "");
}

TEST(JournalCheckpointTest, TextAndBack) {
  JournalCheckpoint checkpoint;
  checkpoint.from = Instant(std::chrono::seconds(1));
  checkpoint.last = Instant(std::chrono::seconds(2));
  checkpoint.end = Instant(std::chrono::seconds(3));
  checkpoint.behind = {4, 5};
  EXPECT_EQ(parse_journal_checkpoint(to_text(checkpoint)), checkpoint);
  checkpoint.runs = {{3, std::string(32, 'a')}, {4, std::string(32, '0')}};
  EXPECT_EQ(to_text(checkpoint), "from=1000000;last=2000000;end=3000000;run=4;number=5;3=" + std::string(32, 'a') +
                                     ";4=" + std::string(32, '0'));
  EXPECT_EQ(parse_journal_checkpoint(to_text(checkpoint)), checkpoint);

  const std::string times = "from=1;last=2;end=3;run=4;number=5";
  const std::string id(32, 'a');
  for (const std::string& bad :
       {std::string(), std::string("from=1;last=2"), std::string("last=1;from=2;end=3;run=4;number=5"),
        std::string("from=-1;last=2;end=3;run=4;number=5"),
        std::string("from=9223372036854775808;last=2;end=3;run=4;number=5"),
        std::string("from=1x;last=2;end=3;run=4;number=5"), times + ";1", times + ";0=" + id,
        times + ";1=" + id + ";1=" + id, times + ";1=" + id + "b", times + ";1=" + std::string(32, 'g'),
        times + ";;"}) {
    EXPECT_FALSE(parse_journal_checkpoint(bad)) << bad;
  }
}

TEST(JournalTimesTest, NeverLaterThanThePlace) {
  JournalTimes times;
  EXPECT_EQ(times.not_after({1, 1}), std::nullopt);
  const auto second = [](int n) { return Instant(std::chrono::seconds(n)); };
  for (int i = 0; i < 10'000; ++i) {
    times.note({1, static_cast<std::uint64_t>(i)}, second(i / 2));
  }
  EXPECT_EQ(times.not_after({1, 9'999}), second(4'999));
  EXPECT_EQ(times.not_after({1, 9'001}), second(4'500));
  EXPECT_EQ(times.not_after({1, 1}), second(5'000 - static_cast<int>(JournalTimes::kMost))) << "as far as is known";
  times.note({2, 1}, second(100));
  EXPECT_EQ(times.not_after({2, 5}), second(100)) << "a clock set back";
}

}  // namespace
}  // namespace tipstaff
