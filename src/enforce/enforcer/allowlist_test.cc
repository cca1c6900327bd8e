// Root's file of what is never shut: its lines, and whom it is believed from.
#include "enforce/enforcer/allowlist.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/run.h"

namespace tipstaff {
namespace {

TEST(Allowlist, Lines) {
  const auto read = parse_allowlist("# the office\n192.0.2.0/24\n\n  2001:db8::7  # the monitor\r\n198.51.100.1", "x");
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ(read->at(0).to_string(), "192.0.2.0/24");
  EXPECT_EQ(read->at(1).to_string(), "2001:db8::7");
  EXPECT_EQ(read->at(2).to_string(), "198.51.100.1");
  EXPECT_TRUE(parse_allowlist("", "x")->empty());
}

TEST(Allowlist, AWrongLineIsNamed) {
  for (const char* const line :
       {"office.example.com", "192.0.2.0/33", "192.0.2", "192.0.2.1 192.0.2.2", "-", "\x1b[31m"}) {
    const auto read = parse_allowlist(std::string("192.0.2.1\n") + line + "\n", "/etc/tipstaff/allowlist");
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().kind, ErrorKind::invalid);
    EXPECT_EQ(read.error().where, "/etc/tipstaff/allowlist:2");
    EXPECT_EQ(read.error().text.find('\x1b'), std::string::npos);
  }
  std::string many;
  for (std::size_t i = 0; i <= kMostAllowlist; ++i) many += "192.0.2.1\n";
  EXPECT_EQ(parse_allowlist(many, "x").error().where, "x:65537");
}

// The tests run as root, as the namespaces of others want it.
TEST(Allowlist, IsBelievedFromRootAlone) {
  ASSERT_EQ(::geteuid(), 0U);
  const TemporaryFolder folder;
  const std::string file = folder.file("allowlist", "192.0.2.1\n");
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);
  ASSERT_TRUE(read_allowlist(file)) << read_allowlist(file).error().message();
  EXPECT_EQ(read_allowlist(file)->size(), 1U);

  ASSERT_EQ(::chmod(file.c_str(), 0664), 0);
  auto refused = read_allowlist(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_EQ(refused.error().where, file);
  ASSERT_EQ(::chmod(file.c_str(), 0644), 0);

  ASSERT_EQ(::chown(file.c_str(), 65'534, 0), 0);
  EXPECT_EQ(read_allowlist(file).error().kind, ErrorKind::denied);
  ASSERT_EQ(::chown(file.c_str(), 0, 0), 0);

  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  refused = read_allowlist(file);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, folder.path().string()) << "the folder is what is wrong";
  ASSERT_EQ(::chmod(folder.path().c_str(), 0755), 0);

  // a link from a safe folder into one that is not
  const TemporaryFolder other;
  const std::string link = folder.path() / "link";
  other.file("allowlist", "192.0.2.1\n");
  ASSERT_EQ(::symlink((other.path() / "allowlist").c_str(), link.c_str()), 0);
  EXPECT_TRUE(read_allowlist(link));
  ASSERT_EQ(::chown(other.path().c_str(), 65'534, 0), 0);
  EXPECT_EQ(read_allowlist(link).error().kind, ErrorKind::denied);
}

TEST(Allowlist, MissingIsEmptyAndOtherThingsAreRefused) {
  const TemporaryFolder folder;
  EXPECT_TRUE(read_allowlist(folder.path() / "none")->empty());
  EXPECT_TRUE(read_allowlist(folder.path() / "none/none")->empty());
  EXPECT_EQ(read_allowlist("allowlist").error().kind, ErrorKind::invalid);
  EXPECT_EQ(read_allowlist(folder.path()).error().kind, ErrorKind::invalid);
  const std::string pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(read_allowlist(pipe).error().kind, ErrorKind::invalid) << "and nobody waits at it";
}

}  // namespace
}  // namespace tipstaff
