#include "sources/discover.h"

#include <grp.h>

#include "sources/file_testing.h"
#include "sources/read_right.h"

namespace tipstaff {
namespace {

class Discovering : public ::testing::Test {
 protected:
  void make(const std::string& path, time_t days_ago = 0) {
    std::filesystem::create_directories((folder / path).substr(0, (folder / path).rfind('/')));
    folder.set_time(std::time(nullptr) - days_ago * 24 * 3600);
    folder.append(path, "line\n");
  }
  /// What is used: paths below the folder, "journal".
  Lines used() {
    found = discover_sources({folder / "", [this](const std::string& path) {
                                return denied.empty() || path.find(denied) == std::string::npos;
                              }});
    Lines names;
    for (const FoundSource& source : found) {
      if (source.use) names.push_back(source.path.empty() ? "journal" : source.path.substr((folder / "").size()));
    }
    return names;
  }
  [[nodiscard]] std::string said() const {
    std::string all;
    for (const FoundSource& source : found) all += source.sentence + "\n";
    return all;
  }

  TestFolder folder;
  std::string denied;
  std::vector<FoundSource> found;
};

constexpr const char* kJournal = "var/log/journal/0123456789abcdef/system.journal";

TEST_F(Discovering, FilesOfSyslogAndOfServers) {
  make(kJournal);
  for (const char* path : {"var/log/auth.log", "var/log/auth.log.1", "var/log/mail.log", "var/log/nginx/access.log",
                           "var/log/nginx/shop.error.log", "var/log/nginx/access.log.1", "var/log/apache2/access.log",
                           "var/log/apache2/other_vhosts_access.log", "var/log/proftpd/proftpd.log"}) {
    make(path);
  }
  EXPECT_EQ(used(), (Lines{"/var/log/auth.log", "/var/log/mail.log", "/var/log/proftpd/proftpd.log",
                           "/var/log/apache2/access.log", "/var/log/apache2/other_vhosts_access.log",
                           "/var/log/nginx/access.log", "/var/log/nginx/shop.error.log"}));
  EXPECT_NE(said().find("Leaves out the journal: it repeats"), std::string::npos);
}

TEST_F(Discovering, JournalWhereSyslogKeepsNoFiles) {
  make("run/log/journal/0123456789abcdef/system.journal");
  make("var/log/nginx/access.log");
  make("var/log/auth.log", 30);  // of a syslog that was removed
  EXPECT_EQ(used(), (Lines{"/var/log/nginx/access.log", "journal"}));
  EXPECT_NE(said().find("nothing was written to it for a week; the journal is followed instead"), std::string::npos);
}

TEST_F(Discovering, OldFileIsBetterThanNothing) {
  make("var/log/secure", 30);
  EXPECT_EQ(used(), Lines{"/var/log/secure"});
}

TEST_F(Discovering, SaysWhatCannotBeRead) {
  make("var/log/auth.log");
  make(kJournal);
  denied = "auth.log";
  EXPECT_EQ(used(), Lines{"journal"});
  EXPECT_NE(said().find("Cannot follow " + folder / "/var/log/auth.log"), std::string::npos) << said();
  denied = "var/log";
  EXPECT_EQ(used(), Lines{});
  EXPECT_NE(said().find("Cannot follow the journal"), std::string::npos);
  EXPECT_NE(said().find("There is no login log here that may be read"), std::string::npos);
}

TEST_F(Discovering, ContainersOnlyByConfiguration) {
  make("var/lib/docker/containers/0a/0a-json.log");
  EXPECT_EQ(used(), Lines{});
  EXPECT_NE(said().find("name those that are to be followed in [sources]"), std::string::npos);
}

TEST(ReadRights, NameTheGroupToJoin) {
  TestFolder folder;
  folder.append("auth.log", "x\n");
  const std::string path = folder / "auth.log";
  const auto* const adm = getgrnam("adm");
  if (geteuid() != 0 || adm == nullptr) GTEST_SKIP() << "only root can give a file to the group adm";
  ASSERT_EQ(chown(path.c_str(), 0, adm->gr_gid), 0);
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_EQ(why_denied(path),
            "root may not read it; members of the group adm may: usermod -aG adm root, then start again");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_EQ(why_denied(path), "root may not read it; no group but root's may read it: setfacl -m u:root:r " + path);
}

}  // namespace
}  // namespace tipstaff
