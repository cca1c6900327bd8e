#include "lookup/admin_sessions.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <utmp.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace tipstaff {
namespace {

constexpr std::int64_t kBoot = 1'700'000'000;

// A machine of files: records of logins and the processes behind them.
class Machine {
 public:
  Machine() : folder_(std::filesystem::temp_directory_path() / fmt::format("tipstaff-utmp-{}", ::getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "stat") << "cpu 1 2 3\nintr 5 6\nbtime " << kBoot << "\n";
    places.utmp = folder_ / "utmp";
    places.processes = folder_;
    places.is_administrator = [](const std::string& user) { return user == "root" || user == "anna"; };
  }
  ~Machine() { std::filesystem::remove_all(folder_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void process(int pid, std::int64_t seconds_after_boot) {
    const auto folder = folder_ / std::to_string(pid);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "stat") << pid << " (sshd: a) b) S";
    std::ofstream stat(folder / "stat", std::ios::app);
    for (int field = 4; field < 22; ++field) stat << " 0";
    stat << ' ' << seconds_after_boot * ::sysconf(_SC_CLK_TCK) << " 0 0\n";
  }

  void record(const char* user, const char* address, int pid, std::int64_t seconds_after_boot,
              short type = USER_PROCESS) {
    utmp one{};
    one.ut_type = type;
    one.ut_pid = pid;
    std::strncpy(one.ut_user, user, sizeof one.ut_user - 1);
    std::strncpy(one.ut_host, "203.0.113.99", sizeof one.ut_host - 1);  // a claim, never believed
    one.ut_tv.tv_sec = static_cast<decltype(one.ut_tv.tv_sec)>(kBoot + seconds_after_boot);
    if (std::string_view(address).find(':') != std::string_view::npos) {
      ::inet_pton(AF_INET6, address, one.ut_addr_v6);
    } else if (*address != '\0') {
      ::inet_pton(AF_INET, address, one.ut_addr_v6);
    }
    std::ofstream(places.utmp, std::ios::binary | std::ios::app).write(reinterpret_cast<const char*>(&one), sizeof one);
  }

  [[nodiscard]] std::string told() const {
    std::string text;
    for (const AdminSession& one : admin_sessions(places)) text += one.address.to_string() + " " + one.user + "; ";
    return text;
  }

  SessionPlaces places;

 private:
  std::filesystem::path folder_;
};

TEST(AdminSessions, AreThoseOfAdministratorsWhoseProcessLives) {
  Machine machine;
  EXPECT_EQ(machine.told(), "");  // no utmp at all
  for (const int pid : {10, 11, 12, 13, 14, 15}) machine.process(pid, 100);
  machine.record("root", "192.0.2.1", 10, 101);
  machine.record("anna", "2001:db8::7", 11, 101);
  machine.record("anna", "2001:db8::7", 12, 101);  // a second window
  machine.record("bo", "198.51.100.66", 13, 101);  // no administrator
  machine.record("anna", "198.51.100.67", 14, 101, DEAD_PROCESS);
  machine.record("anna", "", 15, 101);               // at the console, or a name somebody claims
  machine.record("anna", "198.51.100.68", 16, 101);  // the process is gone
  EXPECT_EQ(machine.told(), "192.0.2.1 root; 2001:db8::7 anna; ");
}

TEST(AdminSessions, AProcessYoungerThanTheRecordIsAnotherOne) {
  Machine machine;
  machine.record("root", "192.0.2.1", 10, 100);
  machine.process(10, 100 + 3600);  // the number was given out anew
  EXPECT_EQ(machine.told(), "");
  machine.process(10, 99);
  EXPECT_EQ(machine.told(), "192.0.2.1 root; ");
}

TEST(AdminSessions, AreBounded) {
  Machine machine;
  machine.process(10, 1);
  for (int i = 0; i < 1'000; ++i) machine.record("root", fmt::format("10.1.{}.{}", i / 250, i % 250).c_str(), 10, 2);
  EXPECT_EQ(admin_sessions(machine.places).size(), kMostSessions);
}

TEST(AdminSessions, HalfARecordIsNone) {
  Machine machine;
  machine.process(10, 1);
  machine.record("root", "192.0.2.1", 10, 2);
  std::filesystem::resize_file(machine.places.utmp, sizeof(utmp) - 1);
  EXPECT_EQ(machine.told(), "");
}

TEST(AdminSessions, RootIsAnAdministratorNobodyIsNot) {
  EXPECT_TRUE(is_administrator("root"));
  EXPECT_FALSE(is_administrator("nobody"));
  EXPECT_FALSE(is_administrator("no-such-user-here"));
  EXPECT_FALSE(is_administrator(""));
}

TEST(StartingSession, IsThePeerAsLongAsTheParentLives) {
  const Instant now{};
  const StartingSession session("2001:db8::7 50022 2001:db8::1 22", ::getppid(), now);
  ASSERT_EQ(session.look().size(), 1U);
  EXPECT_EQ(session.look()[0].address.to_string(), "2001:db8::7");
  EXPECT_TRUE(StartingSession("192.0.2.1 5 192.0.2.2 22", ::getpid(), now).look().empty());  // not our parent
  EXPECT_TRUE(StartingSession(nullptr, ::getppid(), now).look().empty());
  EXPECT_TRUE(StartingSession("", ::getppid(), now).look().empty());
  EXPECT_TRUE(StartingSession("everybody 1 2 3", ::getppid(), now).look().empty());
}

}  // namespace
}  // namespace tipstaff
