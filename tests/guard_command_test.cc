// `tipstaff guard` and `tipstaff status` as an administrator and a service manager see them: ready, reload, end, a broken
// configuration, a restart in the middle of an attack. What comes when is asked for, never slept for.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/evening.h"
#include "tests/guard/guard_process.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

// A guard in the background, with its service manager's ear.
class Guarding {
 public:
  Guarding(const TemporaryFolder& folder, const std::string& config)
      : log_(folder.path() / "guard.log"),
        manager_(folder.path() / "notify"),
        process_(TIPSTAFF_BINARY, config, log_, "", manager_.path()) {}

  // The next message to the service manager; empty if none comes.
  [[nodiscard]] std::string told() const { return manager_.told(); }
  void signal(int number) const { ::kill(process_.number(), number); }
  // The exit code, or minus the signal.
  int end(int number) {
    const int status = process_.end(number);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string log_;
  ServiceManager manager_;
  GuardProcess process_;
};

class GuardCommand : public testing::Test {
 protected:
  // A configuration that follows one log from its start; `more` is put behind it.
  std::string config(const std::string& more = "", const std::string& sources = "") {
    const std::string folder_name = folder_.path();
    return folder_.file(
        "guard.toml", fmt::format("version = 1\n[sources]\nfiles = [\"{0}/auth.log\"{2}]\nfrom_start = true\n[ledger]\n"
                                  "directory = \"{0}/ledger\"\n[control]\nsocket = \"{0}/run/control.sock\"\n{1}",
                                  folder_name, more, sources));
  }
  void write(const std::string& text) { std::ofstream(folder_.path() / "auth.log", std::ios::app) << text; }

  [[nodiscard]] json::object status() const {
    const Said said = tipstaff({"status", "--json", "--config", folder_.path() / "guard.toml"});
    EXPECT_EQ(said.code, 0) << said.err;
    return json_object(said);
  }
  // The status as soon as it fulfils a wish; fails after ten seconds.
  json::object wait_for(const std::function<bool(const json::object&)>& wish) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    json::object now = status();
    while (!wish(now) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      now = status();
    }
    EXPECT_TRUE(wish(now)) << json::serialize(now);
    return now;
  }
  static bool recorded(const json::object& now, std::int64_t rows) {
    return number(now.at("ledger").as_object(), "recorded") >= rows;
  }

  TemporaryFolder folder_;
};

TEST_F(GuardCommand, ReadyRecordsAnswersAndEnds) {
  write(evening());
  Guarding guard(folder_, config());
  EXPECT_TRUE(guard.told().starts_with("READY=1\n")) << guard.log();
  json::object now = wait_for([](const json::object& said) { return recorded(said, kEveningAttempts); });
  EXPECT_TRUE(now.at("running").as_bool());
  EXPECT_EQ(number(now, "successes"), 2);
  EXPECT_EQ(number(now.at("sources").at(0).as_object(), "lines"), 12);

  write(failed(200, 400, "198.51.100.9"));
  now = wait_for([](const json::object& said) { return recorded(said, kEveningAttempts + 1); });
  EXPECT_EQ(guard.end(SIGTERM), 0) << guard.log();
  EXPECT_EQ(guard.told(), "STOPPING=1\n");

  const Said after = tipstaff({"status", "--config", folder_.path() / "guard.toml"});
  EXPECT_EQ(after.code, 0);
  EXPECT_NE(after.err.find("no guard is running here; read from the ledger"), std::string::npos) << after.err;
  EXPECT_TRUE(after.out.starts_with("Status: the guard is not running")) << after.out;
  const json::object from_ledger = status();
  EXPECT_FALSE(from_ledger.at("running").as_bool());
  for (const char* name : {"failures", "successes", "probes"})
    EXPECT_EQ(number(from_ledger, name), number(now, name)) << name;
  for (std::size_t i = 0; i < now.at("rules").as_array().size(); ++i) {
    const json::object& live = now.at("rules").at(i).as_object();
    const json::object& kept = from_ledger.at("rules").at(i).as_object();
    for (const char* name : {"name", "total_verdicts", "currently_blocked"}) EXPECT_EQ(live.at(name), kept.at(name));
    EXPECT_EQ(live.at("blocked"), kept.at("blocked"));
    EXPECT_TRUE(kept.at("total_failed").is_null());
  }
}

TEST_F(GuardCommand, CtrlCWritesWhatWaits) {
  write(evening());
  Guarding guard(folder_, config());
  EXPECT_FALSE(guard.told().empty());
  wait_for([](const json::object& said) { return number(said, "failures") > 0; });
  EXPECT_EQ(guard.end(SIGINT), 0);
  Guarding again(folder_, config());
  EXPECT_FALSE(again.told().empty());
  const json::object now = status();
  EXPECT_EQ(number(now, "failures"), 0) << "nothing is told twice";
}

TEST_F(GuardCommand, AnAttackAcrossARestartGivesTheSameBlock) {
  const std::string rule =
      "[[rule]]\nname = \"Five\"\ntrigger_window = \"30m\"\noccurrences = 5\nlockout = \"87600h\"\n";
  for (int i = 0; i < 3; ++i) write(failed(i, 100 + i, "198.51.100.7"));
  {
    Guarding guard(folder_, config(rule));
    EXPECT_FALSE(guard.told().empty());
    wait_for([](const json::object& said) { return recorded(said, 3); });
    EXPECT_EQ(guard.end(SIGKILL), -SIGKILL);
  }
  for (int i = 3; i < 5; ++i) write(failed(i, 100 + i, "198.51.100.7"));
  Guarding guard(folder_, config(rule));
  EXPECT_FALSE(guard.told().empty());
  wait_for([](const json::object& said) { return recorded(said, 3); });
  const Said said = tipstaff({"status", "Five", "--config", folder_.path() / "guard.toml"});
  EXPECT_NE(said.out.find("Would be blocked IP list: 198.51.100.7"), std::string::npos) << said.out << guard.log();
  EXPECT_EQ(guard.end(SIGKILL), -SIGKILL);
  // and a further restart knows the block
  Guarding third(folder_, config(rule));
  EXPECT_FALSE(third.told().empty());
  const Said again = tipstaff({"status", "Five", "--config", folder_.path() / "guard.toml"});
  EXPECT_NE(again.out.find("Would be blocked IP list: 198.51.100.7"), std::string::npos) << again.out;
  EXPECT_NE(again.out.find("Total blocked:     0"), std::string::npos) << "it is not said twice: " << again.out;
}

TEST_F(GuardCommand, AReloadTakesWhatIsRightAndKeepsOutWhatIsWrong) {
  write(evening());
  Guarding guard(folder_, config());
  EXPECT_FALSE(guard.told().empty());
  wait_for([](const json::object& said) { return recorded(said, kEveningAttempts); });

  config("[[rule]]\nname = \"x\"\n");
  guard.signal(SIGHUP);
  EXPECT_TRUE(guard.told().starts_with("RELOADING=1\n"));
  EXPECT_TRUE(guard.told().starts_with("READY=1\n"));
  EXPECT_NE(guard.log().find("the new configuration is wrong and not used, the old one stays in force"),
            std::string::npos)
      << guard.log();
  EXPECT_EQ(status().at("rules").as_array().size(), 4U);

  folder_.file("other.log", failed(300, 500, "198.51.100.10"));
  config("[[rule]]\nname = \"Two\"\ntrigger_window = \"30m\"\noccurrences = 2\nlockout = \"1h\"\n",
         fmt::format(", \"{}/other.log\"", folder_.path().string()));
  guard.signal(SIGHUP);
  EXPECT_TRUE(guard.told().starts_with("RELOADING=1\n"));
  EXPECT_TRUE(guard.told().starts_with("READY=1\n"));
  const json::object now = wait_for([](const json::object& said) { return number(said, "failures") == 1; });
  EXPECT_EQ(now.at("rules").as_array().size(), 5U);
  EXPECT_EQ(now.at("sources").as_array().size(), 2U);
  EXPECT_EQ(guard.end(SIGTERM), 0);
}

TEST_F(GuardCommand, OneBadRuleIsLeftOutLoudly) {
  write(evening());
  Guarding guard(folder_, config("[[rule]]\nname = \"broken\"\n"));
  EXPECT_TRUE(guard.told().starts_with("READY=1\n"));
  const json::object now = wait_for([](const json::object& said) { return recorded(said, kEveningAttempts); });
  EXPECT_EQ(now.at("rules").as_array().size(), 4U);
  EXPECT_FALSE(now.at("problems").as_array().empty());
  EXPECT_NE(guard.log().find("guard.toml:9"), std::string::npos) << guard.log();
}

TEST_F(GuardCommand, OneBadSourceLeavesTheOthers) {
  write(evening());
  const std::string folder_name = folder_.path();
  Guarding guard(folder_, config("", fmt::format(", \"{0}\", \"{0}/none/there.log\"", folder_name)));
  EXPECT_TRUE(guard.told().starts_with("READY=1\n"));
  const json::object now = wait_for([](const json::object& said) { return recorded(said, kEveningAttempts); });
  EXPECT_EQ(now.at("sources").as_array().size(), 3U);
}

TEST_F(GuardCommand, SyslogIsReceivedBeforeAndAfterARestart) {
  const std::string socket_path = folder_.path() / "log";
  const std::string file = folder_.file(
      "guard.toml", fmt::format("version = 1\n[sources]\nsyslog = [\"unix:{1}\", \"udp:192.0.2.1:5514\"]\n[ledger]\n"
                                "directory = \"{0}/ledger\"\n[control]\nsocket = \"{0}/run/control.sock\"\n",
                                folder_.path().string(), socket_path));
  const auto send = [&](const std::string& line) {
    const int sender = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
    const auto size =
        ::sendto(sender, line.data(), line.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    EXPECT_EQ(size, static_cast<ssize_t>(line.size()));
    ::close(sender);
  };
  for (int run = 0; run < 2; ++run) {
    Guarding guard(folder_, file);
    EXPECT_TRUE(guard.told().starts_with("READY=1\n")) << guard.log();
    for (int i = 0; i < 3; ++i) send("<38>" + failed(i, 100 + i, fmt::format("198.51.100.{}", run)));
    const json::object now = wait_for([](const json::object& said) { return recorded(said, 3); });
    EXPECT_EQ(number(now, "failures"), 3);
    EXPECT_EQ(now.at("sources").at(0).at("name").as_string(), "syslog:unix:" + socket_path);
    EXPECT_NE(json::serialize(now.at("sources").at(1)).find("192.0.2.1 is no address of this machine"),
              std::string::npos);
    EXPECT_EQ(guard.end(SIGTERM), 0);
  }
}

TEST_F(GuardCommand, ASecondGuardDoesNotBegin) {
  write(evening());
  Guarding guard(folder_, config());
  EXPECT_TRUE(guard.told().starts_with("READY=1\n"));
  const Said second = tipstaff({"guard", "--config", folder_.path() / "guard.toml"});
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.err.find("another guard answers there already"), std::string::npos) << second.err;
}

TEST_F(GuardCommand, WhatCannotBegin) {
  EXPECT_EQ(tipstaff({"guard", "--config", folder_.path() / "none.toml"}).code, 1);
  const Said nowhere = tipstaff({"status", "--config", config()});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_NE(nowhere.err.find("nor can the ledger be read"), std::string::npos) << nowhere.err;
}

}  // namespace
}  // namespace tipstaff
