// What the guard is told in the same files as the rules: what is taken, what is refused and where the finger points.
#include "decide/guard_settings.h"

#include <gtest/gtest.h>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

TEST(GuardSettings, AllKeys) {
  const auto loaded = parse_rules(R"(
[sources]
files = ["/var/log/auth.log", "/var/log/*/access.log"]
journal_folder = "/srv/journal"
syslog = "udp:127.0.0.1:514"
syslog_allow = ["192.0.2.1", "2001:db8::/32"]
syslog_certificate = "/etc/tipstaff/cert.pem"
syslog_key = "/etc/tipstaff/key.pem"
syslog_clients = "/etc/tipstaff/ca.pem"
trust_udp = true
from_start = true
timezone = "Europe/Stockholm"
[[source]]
files = "/srv/old.log"
timezone = "UTC"
from_start = false
[[source]]
files = ["/srv/new.log"]
[ledger]
directory = "/srv/ledger"
keep_failures = "365d"
keep_successes = "0"
[control]
socket = "/run/x.sock"
)",
                                  "tipstaff.toml");
  ASSERT_TRUE(loaded.has_value()) << to_text(loaded.error());
  const GuardSettings& guard = loaded->guard;
  EXPECT_FALSE(guard.finds_sources());
  ASSERT_EQ(guard.files.size(), 3U);
  EXPECT_EQ(guard.files[0].files, (std::vector<std::string>{"/var/log/auth.log", "/var/log/*/access.log"}));
  EXPECT_TRUE(guard.files[0].from_start);
  EXPECT_EQ(guard.files[0].timezone, "Europe/Stockholm");
  EXPECT_EQ(guard.files[1].timezone, "UTC");
  EXPECT_FALSE(guard.files[1].from_start);
  EXPECT_EQ(guard.files[2].timezone, "Europe/Stockholm") << "as in [sources]";
  EXPECT_TRUE(guard.files[2].from_start);
  EXPECT_TRUE(guard.journal);
  EXPECT_EQ(guard.journal_folder, "/srv/journal");
  EXPECT_EQ(guard.syslog, std::vector<std::string>{"udp:127.0.0.1:514"});
  EXPECT_EQ(guard.syslog_allow,
            (std::vector<IpNetwork>{*IpNetwork::parse("192.0.2.1"), *IpNetwork::parse("2001:db8::/32")}));
  EXPECT_EQ(guard.syslog_certificate, "/etc/tipstaff/cert.pem");
  EXPECT_EQ(guard.syslog_key, "/etc/tipstaff/key.pem");
  EXPECT_EQ(guard.syslog_clients, "/etc/tipstaff/ca.pem");
  EXPECT_TRUE(guard.trust_udp);
  EXPECT_EQ(guard.ledger, "/srv/ledger");
  EXPECT_EQ(guard.keep_failures, std::chrono::days(365));
  EXPECT_EQ(guard.keep_successes, std::nullopt);
  EXPECT_EQ(guard.socket, "/run/x.sock");
}

TEST(GuardSettings, Defaults) {
  const auto loaded = parse_rules("", "tipstaff.toml");
  ASSERT_TRUE(loaded.has_value());
  EXPECT_TRUE(loaded->guard.finds_sources());
  EXPECT_EQ(loaded->guard.ledger, "/var/lib/tipstaff");
  EXPECT_EQ(loaded->guard.keep_failures, std::nullopt);
  EXPECT_EQ(loaded->guard.keep_successes, std::chrono::days(180));
  EXPECT_EQ(loaded->guard.socket, "/run/tipstaff/control.sock");
}

struct Wrong {
  const char* text;
  const char* where;
  const char* says;
};

const Wrong kWrong[] = {
    {"[sources]\nfiles = [\"auth.log\"]\n", "x.toml:2", "no absolute path"},
    {"[sources]\nfiles = []\n", "x.toml:2", "empty list"},
    {"[sources]\nfile = [\"/a\"]\n", "x.toml:2", "did you mean \"files\"?"},
    {"[sources]\njournal = \"/srv\"\n", "x.toml:2", "true or false"},
    {"[sources]\ntimezone = \"Mars\"\n", "x.toml:2", "Mars"},
    {"[sources]\nsyslog = \"udp:514\"\n", "x.toml:2", "write 127.0.0.1:514, or [::1]:514 for IPv6"},
    {"[sources]\nsyslog = [\"tcp:127.0.0.1:601\", \"http:x\"]\n", "x.toml:2", "begins with unix:"},
    {"[sources]\nsyslog_allow = \"192.0.2.0/33\"\n", "x.toml:2", "is no address or network"},
    {"[[source]]\ntimezone = \"UTC\"\n", "x.toml:1", "names no files"},
    {"[ledger]\ndirectory = \"here\"\n", "x.toml:2", "no absolute path"},
    {"[ledger]\nkeep_successes = \"long\"\n", "x.toml:2", "duration"},
    {"[control]\nsocket = \"run.sock\"\n", "x.toml:2", "no absolute path"},
};

TEST(GuardSettings, WhatIsRefused) {
  for (const Wrong& wrong : kWrong) {
    const auto loaded = parse_rules(wrong.text, "x.toml");
    ASSERT_FALSE(loaded.has_value()) << wrong.text;
    EXPECT_EQ(loaded.error().front().where, wrong.where) << wrong.text;
    EXPECT_NE(loaded.error().front().text.find(wrong.says), std::string::npos)
        << wrong.text << loaded.error().front().text;
  }
}

TEST(GuardSettings, ASocketsPathMayNotBeLong) {
  const auto loaded = parse_rules("[control]\nsocket = \"/" + std::string(110, 'x') + "\"\n", "x.toml");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_NE(loaded.error().front().text.find("111 bytes"), std::string::npos) << loaded.error().front().text;
}

}  // namespace
}  // namespace tipstaff
