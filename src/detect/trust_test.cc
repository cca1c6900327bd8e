// Whose journal entries count: what a user can bring about with logger, a renamed program or a link, and what services do.
#include "detect/trust.h"

#include <gtest/gtest.h>

namespace tipstaff {
namespace {

struct Case {
  const char* title;
  const char* detector;
  const char* unit;
  const char* comm;
  std::optional<std::uint32_t> uid;
  const char* program;
  bool trusted;
};

const Case kCases[] = {
    {"sshd", "sshd", "ssh.service", "sshd", 0, "sshd", true},
    {"sshd as other systems name it", "sshd", "sshd.service", "sshd-session", 0, "sshd-session", true},
    {"sshd for one connection", "sshd", "sshd@3-192.0.2.1:22-192.0.2.9:5000.service", "sshd", 0, "sshd", true},
    {"sshd's unprivileged child", "sshd", "ssh.service", "sshd", 105, "sshd", true},
    {"sshd after pam_systemd moved it", "sshd", "session-7.scope", "sshd", 0, "sshd", true},
    {"logger -t sshd", "sshd", "session-7.scope", "logger", 1000, "sshd", false},
    {"logger without a session", "sshd", "user@1000.service", "logger", 1000, "sshd", false},
    {"a user's program called sshd", "sshd", "session-7.scope", "sshd", 1000, "sshd", false},
    {"a setuid program behind a link called sshd", "sshd", "user@1000.service", "sshd", 1000, "sshd", false},
    {"a user's shell in the unit of sshd", "sshd", "ssh.service", "logger", 1000, "sshd", false},
    {"the same with a program called sshd", "sshd", "ssh.service", "sshd", 1000, "sshd", false},
    {"the same, a user of a directory service", "sshd", "ssh.service", "sshd", 1'200'001, "sshd", false},
    {"a unit that only begins like it", "sshd", "ssh.service.example.service", "sshd", 105, "sshd", false},
    {"a user's own unit named like it", "sshd", "user@1000.service", "sshd", 1000, "sshd", false},
    {"a service under attack, not root", "sshd", "nginx.service", "sshd", 33, "sshd", false},
    {"root's logger", "sshd", "cron.service", "logger", 0, "sshd", false},
    {"the user is not known", "sshd", "ssh.service", "sshd", std::nullopt, "sshd", true},
    {"only the name is known", "sshd", "", "sshd", std::nullopt, "sshd", false},
    {"postfix", "postfix", "postfix@-.service", "smtpd", 106, "postfix/smtpd", true},
    {"postfix, the other process", "postfix", "postfix.service", "postscreen", 106, "postfix/postscreen", true},
    {"a service with DynamicUser", "postfix", "postfix.service", "smtpd", 62'000, "postfix/smtpd", true},
    {"a service that runs as nobody", "proftpd", "proftpd.service", "proftpd", 65'534, "proftpd", true},
    {"pam of root's login", "pam", "getty@tty1.service", "login", 0, "login", true},
    {"pam of a daemon with a long name", "pam", "x.service", "long-name-of-a-", 0, "long-name-of-a-daemon", true},
    {"pam lines by logger", "pam", "session-7.scope", "logger", 1000, "login", false},
    {"pam lines by a program called login", "pam", "session-7.scope", "login", 1000, "login", false},
    {"pam lines out of a container", "pam", "docker.service", "dockerd", 0, "3f2a9c", false},
    {"pam lines of a nameless process", "pam", "x.service", "", 0, "", false},
};

TEST(Trust, KernelsWordAgainstTheWriters) {
  const auto set = load_detectors({}, Examples::drop);
  ASSERT_TRUE(set) << set.error().message();
  for (const Case& one : kCases) {
    const Detector* const detector = find_detector(*set, one.detector);
    ASSERT_NE(detector, nullptr) << one.detector;
    EXPECT_EQ(is_trusted(*detector, {true, one.unit, one.comm, one.uid}, one.program), one.trusted) << one.title;
  }
}

TEST(Trust, WithoutTrustedFieldsNothingIsTrusted) {
  const auto set = load_detectors({}, Examples::drop);
  ASSERT_TRUE(set);
  for (const auto& detector : *set) EXPECT_FALSE(is_trusted(*detector, {}, "sshd")) << detector->name;
}

// Whoever names a unit and no process says that all of that unit is the service.
TEST(Trust, ADetectorMayNameTheUnitAlone) {
  Detector detector;
  detector.journal_units = {"app-*.service"};
  EXPECT_TRUE(is_trusted(detector, {true, "app-3.service", "java", 1001}, "app"));
  EXPECT_FALSE(is_trusted(detector, {true, "", "java", 0}, "app"));
  EXPECT_FALSE(is_trusted(detector, {true, "session-7.scope", "app", 1001}, "app"));
}

TEST(Trust, ADetectorMayNameTheProcessAlone) {
  Detector detector;
  detector.journal_comm = {"a-daemon-of-a-long-name"};
  EXPECT_TRUE(is_trusted(detector, {true, "x.service", "a-daemon-of-a-l", 0}, "app")) << "as the kernel cuts it";
  EXPECT_FALSE(is_trusted(detector, {true, "x.service", "a-daemon-of-a-l", 999}, "app"));
  EXPECT_FALSE(is_trusted(detector, {true, "x.service", "a-daemon", 0}, "app"));
}

}  // namespace
}  // namespace tipstaff
