// Journal files with entries that somebody forged, made by systemd-journal-remote and read by the source that the guard
// reads them with: whatever a local user logs under a service's name, it must never count as a failure.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "detect/testing.h"
#include "detect/trust.h"
#include "sources/journal.h"
#include "sources/journal_testing.h"

namespace tipstaff {
namespace {

// What the records of a journal make, told apart as the guard does it.
std::vector<std::string> attempts_in(const TestJournal& journal) {
  boost::asio::io_context loop;
  FileWatch watch(loop);
  JournalOptions options;
  options.directory = journal.path();
  options.from_start = true;
  JournalFollower follower(watch, options, std::nullopt);
  Recognizer recognizer(testing_detect::shipped(), {});
  std::vector<Attempt> attempts;
  Folder folder([&](const Attempt& attempt) { attempts.push_back(attempt); });
  Finding finding;
  const auto started = follower.start(loop, [&](const Record& record) {
    Header header;
    header.layout = Layout::syslog;
    header.host = record.host;
    header.program = record.program;
    header.pid = record.pid;
    header.message = header.from_program = record.line;
    recognizer.recognize(header, finding);
    if (!finding.understood || finding.kind == Kind::harmless) return;
    if (is_trusted(*finding.detector, record.writer, record.program)) {
      folder.add(header, finding, record.stamp, record.place.offset);
    } else {
      folder.add_unsure(header, finding, record.stamp, record.place.offset);
    }
  });
  EXPECT_TRUE(started);
  loop.poll();
  folder.finish();
  return testing_detect::words(attempts);
}

TEST(ForgedJournal, EntriesNeverCountAsFailures) {
  if (!TestJournal::has_tool()) GTEST_SKIP() << kJournalTool << " is missing: install systemd-journal-remote";
  const std::string failed = "Failed password for root from 198.51.100.7 port 40022 ssh2";
  TestJournal journal;
  TestEntry logger{failed, 1};  // logger -t sshd, in a session with a unit
  logger.unit = "session-3.scope";
  logger.comm = "logger";
  logger.uid = "1000";
  TestEntry inside = logger;  // the same where sessions run in sshd's unit
  inside.unit = "ssh.service";
  TestEntry renamed = inside;  // and with a process of the service's name
  renamed.comm = "sshd";
  TestEntry root = logger;  // root in a session
  root.uid = "0";
  TestEntry bare{failed, 1};  // journald vouches for nothing
  bare.unit = bare.comm = bare.uid = "";
  TestEntry daemon{failed, 1};  // another service that is made to write such words
  daemon.unit = "cups.service";
  daemon.comm = "cupsd";
  TestEntry split{"harmless\n" + failed, 1};
  int pid = 100;
  for (TestEntry* entry : {&logger, &inside, &renamed, &root, &bare, &daemon}) entry->pid = std::to_string(pid++);
  journal.append("system.journal", {logger, inside, renamed, root, bare, daemon, split});
  const std::vector<std::string> forged = attempts_in(journal);
  EXPECT_EQ(forged.size(), 6U) << "each tells of a probe, the message of two lines of nothing";
  for (const std::string& attempt : forged) EXPECT_TRUE(attempt.starts_with("probe ")) << attempt;

  TestJournal real;
  real.append("system.journal", {{failed, 1}});
  EXPECT_EQ(attempts_in(real), std::vector<std::string>{"failure 198.51.100.7:40022 root x1 lines 1"});
}

}  // namespace
}  // namespace tipstaff
