// `tipstaff block`, `unblock`, `blocks`, `exempt`, `explain`, `trial` as they are typed: against commands whose guard is in
// memory, in this process, and against a real guard; and what they say where none runs.
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "control/control_socket.h"
#include "control/control_testing.h"
#include "tests/evening.h"
#include "tests/guard/guard_process.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

namespace json = boost::json;
using testing_control::FakeControl;

// Commands on a socket, on a thread of their own; a test looks at `control` only while nobody asks.
class Served {
 public:
  explicit Served(const TemporaryFolder& folder, Role role = Role::admin) {
    const std::string path = folder.path() / "control.sock";
    config = folder.file("guard.toml", "version = 1\n[control]\nsocket = \"" + path + "\"\n[ledger]\ndirectory = \"" +
                                           (folder.path() / "ledger").string() + "\"\n");
    auto opened = ControlSocket::open(
        loop_, path, [role](int) -> Result<Peer> { return testing_control::peer(role); },
        [this](const Peer& peer, std::string_view line) { return control.commands.answer(peer, line); });
    EXPECT_TRUE(opened.has_value());
    if (opened) socket_ = std::move(*opened);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Served() {
    loop_.stop();
    thread_.join();
  }
  [[nodiscard]] Said run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--config", config});
    return tipstaff(std::move(arguments));
  }

  FakeControl control;
  std::string config;

 private:
  boost::asio::io_context loop_{1};
  std::unique_ptr<ControlSocket> socket_;
  std::thread thread_;
};

TEST(ControlCommand, BlockListUnblock) {
  const TemporaryFolder folder;
  Served served(folder);
  Said said = served.run({"block", "198.51.100.7", "--for", "2h", "--service", "sshd", "--why", "scans us"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(said.out, "#1 198.51.100.7 is blocked from sshd until 2026-11-25T10:00:00Z\n");
  said = served.run({"ban", "2001:db8::/64"});
  EXPECT_EQ(said.out, "#2 2001:db8::/64 is blocked for ever\n") << said.err;
  served.control.guard.add("192.0.2.9", "Five");
  said = served.run({"blocks"});
  EXPECT_EQ(said.out,
            "#1  198.51.100.7   sshd  2 h left  by root (scans us)  dropped 0\n"
            "#2  2001:db8::/64  all   for ever  by root             dropped 0\n"
            "#3  192.0.2.9      all   2 h left  rule \"Five\"         dropped 0\n");
  said = served.run({"banned", "192.0.2.0/24"});
  EXPECT_EQ(said.out, "#3  192.0.2.9  all  2 h left  rule \"Five\"  dropped 0\n");
  said = served.run({"blocks", "--format", "json", "--rule", "Five"});
  EXPECT_EQ(json_object(said).at("count"), 1);
  said = served.run({"unban", "198.51.100.7", "192.0.2.9"});
  EXPECT_EQ(said.out, "1 ended: 198.51.100.7\n1 ended: 192.0.2.9\n") << said.err;
  said = served.run({"unblock", "198.51.100.7"});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("nothing of it is blocked"), std::string::npos) << said.err;
  said = served.run({"unblock", "--all", "--json"});
  EXPECT_EQ(json_object(said).at("count"), 1);
  said = served.run({"blocks"});
  EXPECT_EQ(said.out, "");
  EXPECT_EQ(said.err, "tipstaff: nothing is blocked\n");
}

TEST(ControlCommand, TheWordsOfFail2ban) {
  const TemporaryFolder folder;
  Served served(folder);
  Said said = served.run({"set", "Five", "banip", "198.51.100.7", "198.51.100.8"});
  EXPECT_EQ(said.out,
            "#1 198.51.100.7 is blocked until 2026-11-25T10:00:00Z\n"
            "#2 198.51.100.8 is blocked until 2026-11-25T10:00:00Z\n")
      << said.err;
  said = served.run({"set", "Six", "banip", "198.51.100.7"});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("no rule is called \"Six\"; there are \"Five\""), std::string::npos) << said.err;
  said = served.run({"set", "Five", "unbanip", "198.51.100.7"});
  EXPECT_EQ(said.code, 1) << "it was blocked by hand, not by that rule";
  served.control.guard.add("198.51.100.7", "Five");
  said = served.run({"set", "Five", "unbanip", "198.51.100.7"});
  EXPECT_EQ(said.out, "2 ended: 198.51.100.7, 198.51.100.7\n") << said.err;
  EXPECT_EQ(served.run({"set", "Five", "bantime", "60"}).code, 2);
  said = served.run({"reload"});
  EXPECT_EQ(said.out, "in force\n");
  EXPECT_EQ(tipstaff({"-t"}).code, tipstaff({"check"}).code);
}

TEST(ControlCommand, ExemptAndTrial) {
  const TemporaryFolder folder;
  Served served(folder);
  Said said = served.run({"exempt", "198.51.100.7", "--why", "old phone"});
  EXPECT_EQ(said.out, "198.51.100.7 is exempt until 2026-11-26T08:00:00Z\n") << said.err;
  said = served.run({"exemptions"});
  EXPECT_EQ(said.out, "198.51.100.7  until 2026-11-26T08:00:00Z, by root: old phone\n203.0.113.0/24  test.toml:3\n");
  said = served.run({"trial", "5m"});
  EXPECT_EQ(said.out, "on trial\n");
  said = served.run({"confirm"});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("no trial runs"), std::string::npos);
  said = served.run({"confirm", "--json"});
  EXPECT_EQ(json_object(said).at("error").at("kind"), "not_found");
  EXPECT_EQ(said.code, 1);
  said = served.run({"explain", "198.51.100.7"});
  EXPECT_EQ(said.out, "three lines");
  EXPECT_EQ(said.code, 0);
}

TEST(ControlCommand, WhatIsWrongIsUsageThoughNoGuardRuns) {
  const TemporaryFolder folder;
  const std::string config =
      folder.file("guard.toml", "version = 1\n[control]\nsocket = \"" + (folder.path() / "none").string() + "\"\n");
  const auto code = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", config});
    return tipstaff(std::move(arguments)).code;
  };
  EXPECT_EQ(code({"block", "example.com"}), 2);
  EXPECT_EQ(code({"block", "198.51.100.7", "--for", "soon"}), 2);
  EXPECT_EQ(code({"unblock", "nobody"}), 2);
  EXPECT_EQ(code({"exempt", "198.51.100.7/33", "--why", "x"}), 2);
  EXPECT_EQ(code({"trial", "later"}), 2);
  EXPECT_EQ(code({"block", "198.51.100.7"}), 1) << "this is right, but nobody hears it";
  EXPECT_EQ(code({"trial", "5m"}), 1);
}

TEST(ControlCommand, WhatIsWrongIsUsage) {
  const TemporaryFolder folder;
  Served served(folder);
  EXPECT_EQ(served.run({"block", "example.com"}).code, 2);
  EXPECT_EQ(served.run({"block", "198.51.100.7", "--for", "soon"}).code, 2);
  EXPECT_EQ(served.run({"block"}).code, 2);
  EXPECT_EQ(served.run({"unblock"}).code, 2);
  EXPECT_EQ(served.run({"unblock", "198.51.100.7", "--all"}).code, 2);
  EXPECT_EQ(served.run({"exempt", "198.51.100.7"}).code, 2) << "no reason";
  EXPECT_EQ(served.run({"trial"}).code, 2);
  EXPECT_EQ(served.run({"explain"}).code, 2);
  EXPECT_EQ(served.run({"explain", "a", "--line", "b"}).code, 2);
  EXPECT_TRUE(served.control.guard.standing.empty());
}

TEST(ControlCommand, WhoMayNotIsToldWhatToDo) {
  const TemporaryFolder folder;
  Served served(folder, Role::view);
  const Said said = served.run({"block", "198.51.100.7"});
  EXPECT_EQ(said.code, 1);
  EXPECT_EQ(said.err,
            "tipstaff: uid 1001 (victor) may not block: that needs the role admin; root gives it with: adduser victor "
            "tipstaff-admin (then log in again)\n");
  EXPECT_EQ(served.run({"blocks"}).code, 0);
}

TEST(ControlCommand, HundredThousandBlocks) {
  const TemporaryFolder folder;
  Served served(folder);
  for (std::uint32_t i = 0; i < 100'000; ++i)
    served.control.guard.add(IpAddress::v4(0x0a00'0000U + i).to_string(), "Five");
  const auto before = std::chrono::steady_clock::now();
  const Said said = served.run({"blocks"});
  const auto took = std::chrono::steady_clock::now() - before;
  RecordProperty("milliseconds", static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(std::ranges::count(said.out, '\n'), 100'000);
}

TEST(ControlCommand, WithoutAGuard) {
  const TemporaryFolder folder;
  const std::string config =
      folder.file("guard.toml", "version = 1\n[control]\nsocket = \"" + (folder.path() / "none.sock").string() +
                                    "\"\n[ledger]\ndirectory = \"" + (folder.path() / "ledger").string() + "\"\n");
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"block", "198.51.100.7"},
                                                                     {"unblock", "--all"},
                                                                     {"trial", "5m"},
                                                                     {"reload"},
                                                                     {"exempt", "198.51.100.7", "--why", "x"}}) {
    auto all = arguments;
    all.insert(all.end(), {"--config", config});
    const Said said = tipstaff(all);
    EXPECT_EQ(said.code, 1) << arguments[0];
    EXPECT_NE(said.err.find("no guard is running here; start it with 'systemctl start tipstaff'"), std::string::npos)
        << said.err;
  }
  Said said = tipstaff({"blocks", "--config", config});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("nor can the ledger be read"), std::string::npos) << said.err;
  said = tipstaff({"explain", "198.51.100.7", "--config", config});
  EXPECT_EQ(said.code, 1) << "neither guard nor ledger";
  EXPECT_NE(said.out.find("198.51.100.7 is not blocked."), std::string::npos) << said.out;
  EXPECT_NE(said.out.find("PROBLEM: the attempts cannot be read"), std::string::npos) << said.out;
  said = tipstaff({"exemptions", "--config", config});
  EXPECT_EQ(said.code, 0);
  said = tipstaff({"enforcer", "status", "--socket", folder.path() / "none.sock"});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("no enforcer is running here"), std::string::npos) << said.err;
  said = tipstaff({"enforcer", "clear", "--socket", folder.path() / "none.sock"});
  EXPECT_EQ(said.code, 2) << "nobody to be asked, and no --yes";
}

// A real guard, watch-only, whose configuration the test changes.
class TriedGuard : public testing::Test {
 protected:
  TriedGuard() {
    folder_.file("auth.log", evening());
    configure("Old");
  }
  void configure(const std::string& rule, const std::string& more = "", int occurrences = 3) const {
    const std::string path = folder_.path();
    folder_.file("guard.toml", fmt::format("version = 1\n[sources]\nfiles = [\"{0}/auth.log\"]\n[ledger]\n"
                                           "directory = \"{0}/ledger\"\n[control]\nsocket = \"{0}/control.sock\"\n"
                                           "[[rule]]\nname = \"{1}\"\ntrigger_window = \"1h\"\noccurrences = {3}\n"
                                           "lockout = \"1h\"\n{2}",
                                           path, rule, more, occurrences));
  }
  [[nodiscard]] Said run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--config", folder_.path() / "guard.toml"});
    return tipstaff(std::move(arguments));
  }
  [[nodiscard]] GuardProcess start() const {
    return {TIPSTAFF_BINARY, folder_.path() / "guard.toml", folder_.path() / "guard.log", ""};
  }
  // Waits, ten seconds at most, until status has the text.
  void wait_for(const std::string& text) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    Said said = run({"status"});
    while (said.out.find(text) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      said = run({"status"});
    }
    EXPECT_NE(said.out.find(text), std::string::npos) << said.out << read_file(folder_.path() / "guard.log");
  }
  [[nodiscard]] bool has_rule(const std::string& name) const { return run({"status", name}).code == 0; }

  TemporaryFolder folder_;
};

TEST_F(TriedGuard, ConfirmedItStays) {
  GuardProcess guard = start();
  wait_for("guarding since");
  EXPECT_TRUE(has_rule("Old"));
  Said said = run({"trial", "1h"});
  EXPECT_EQ(said.code, 1);
  EXPECT_NE(said.err.find("the files on disk are those in force"), std::string::npos) << said.err;
  configure("New");
  said = run({"trial", "1h"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.out.find("config.toml; say 'tipstaff confirm' to keep it"), std::string::npos) << said.out;
  EXPECT_TRUE(has_rule("New"));
  wait_for("TRIAL: on trial since");
  said = run({"reload"});
  EXPECT_EQ(said.code, 1) << "not while a trial runs";
  said = run({"confirm"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_EQ(guard.end(SIGTERM), 0);
  GuardProcess again = start();
  wait_for("guarding since");
  EXPECT_TRUE(has_rule("New"));
  EXPECT_FALSE(has_rule("Old"));
}

TEST_F(TriedGuard, UnconfirmedItIsTakenBack) {
  GuardProcess guard = start();
  wait_for("guarding since");
  configure("New");
  EXPECT_EQ(run({"trial", "1s"}).code, 0);
  wait_for("TRIAL: the files on disk are not in force");
  EXPECT_TRUE(has_rule("Old"));
  EXPECT_FALSE(has_rule("New"));
  EXPECT_EQ(run({"confirm"}).code, 1);
  EXPECT_EQ(guard.end(SIGTERM), 0);
  GuardProcess again = start();
  wait_for("TRIAL: the files on disk are not in force");
  EXPECT_TRUE(has_rule("Old"));
  EXPECT_EQ(run({"reload"}).code, 0);
  EXPECT_TRUE(has_rule("New"));
  EXPECT_EQ(run({"status"}).out.find("TRIAL"), std::string::npos);
}

TEST_F(TriedGuard, AKilledGuardTakesItBack) {
  {
    GuardProcess guard = start();
    wait_for("guarding since");
    configure("New");
    EXPECT_EQ(run({"trial", "1h"}).code, 0);
    guard.end(SIGKILL);
  }
  GuardProcess guard = start();
  wait_for("TRIAL: the files on disk are not in force");
  EXPECT_TRUE(has_rule("Old"));
}

TEST_F(TriedGuard, WhatIsWrongIsNotTried) {
  GuardProcess guard = start();
  wait_for("guarding since");
  configure("New", "nonsense = 1\n");
  const Said said = run({"trial", "1h"});
  EXPECT_EQ(said.code, 2);
  EXPECT_NE(said.err.find("nonsense"), std::string::npos) << said.err;
  EXPECT_TRUE(has_rule("Old"));
  EXPECT_EQ(run({"status"}).out.find("TRIAL"), std::string::npos);
}

TEST_F(TriedGuard, ExplainsFromItsLedgerAndWithoutIt) {
  configure("Old", "[[source]]\nfiles = [\"" + (folder_.path() / "more.log").string() + "\"]\nfrom_start = true\n");
  folder_.file("more.log", evening());
  {
    GuardProcess guard = start();
    wait_for("Failures:  14");
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    Said said = run({"explain", "198.51.100.7"});  // the ledger takes a moment
    while (said.out.find("1 logins") == std::string::npos && std::chrono::steady_clock::now() < deadline)
      said = run({"explain", "198.51.100.7"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_NE(said.out.find("6 failed tries, 1 logins"), std::string::npos) << said.out;
    EXPECT_NE(said.out.find("accounts root (7)"), std::string::npos) << said.out;
    EXPECT_NE(said.out.find("guard.toml:8"), std::string::npos) << said.out;
    EXPECT_EQ(guard.end(SIGTERM), 0);
  }
  const Said said = run({"explain", "198.51.100.7"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_NE(said.err.find("told from the ledger"), std::string::npos) << said.err;
  EXPECT_NE(said.out.find("6 failed tries, 1 logins"), std::string::npos) << said.out;
}

TEST_F(TriedGuard, WhatIsDoneByHandOutlastsARestart) {
  {
    GuardProcess guard = start();
    wait_for("guarding since");
    Said said = run({"block", "203.0.113.7", "--for", "2h", "--why", "scans us", "--json"});
    EXPECT_EQ(json_object(said).at("block").at("by"), "root");
    EXPECT_TRUE(json_object(said).at("watch_only").as_bool());
    EXPECT_TRUE(json_object(said).at("recorded").as_bool());
    EXPECT_EQ(run({"block", "203.0.113.8"}).code, 0);
    EXPECT_EQ(run({"exempt", "203.0.113.8", "--why", "settled"}).code, 0);
    said = run({"block", "203.0.113.8"});
    EXPECT_EQ(said.code, 1) << "it is exempt by now";
    EXPECT_NE(said.err.find("was exempted by root"), std::string::npos) << said.err;
    EXPECT_EQ(run({"block", "127.0.0.1"}).code, 1) << "one of this machine's own";
    guard.end(SIGKILL);
  }
  Said said = run({"blocks", "--json"});
  EXPECT_NE(said.err.find("these are the blocks that the ledger knows"), std::string::npos) << said.err;
  EXPECT_EQ(json_object(said).at("count"), 1) << said.out;
  GuardProcess guard = start();
  wait_for("guarding since");
  said = run({"blocks", "--json"});
  EXPECT_EQ(json_object(said).at("count"), 1) << said.out;
  EXPECT_EQ(json_object(said).at("blocks").at(0).at("why"), "scans us");
  EXPECT_NE(run({"exemptions"}).out.find("203.0.113.8  until"), std::string::npos);
  said = run({"explain", "203.0.113.7"});
  EXPECT_NE(said.out.find("by root (scans us)"), std::string::npos) << said.out;
  EXPECT_EQ(run({"unblock", "203.0.113.7"}).out, "1 ended: 203.0.113.7\n");
  EXPECT_EQ(run({"blocks"}).out, "");
}

TEST_F(TriedGuard, ALedgerThatOpensLaterBringsItsBlocksBack) {
  const auto disk = folder_.path() / "disk";  // comes and goes
  std::filesystem::create_directory(disk);
  std::string config = read_file(folder_.path() / "guard.toml");
  config.replace(config.find("/ledger\""), 8, "/disk/ledger\"");
  folder_.file("guard.toml", config);
  {
    GuardProcess guard = start();
    wait_for("guarding since");
    EXPECT_EQ(run({"block", "203.0.113.7", "--for", "2h"}).code, 0);
    EXPECT_EQ(guard.end(SIGTERM), 0);
  }
  std::filesystem::rename(disk, folder_.path() / "aside");
  GuardProcess guard = start();
  wait_for("NOT RECORDING");
  EXPECT_EQ(run({"blocks"}).out, "");
  EXPECT_EQ(run({"block", "203.0.113.8", "--for", "2h"}).code, 0);
  std::filesystem::rename(folder_.path() / "aside", disk);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);  // it looks every 15 s
  std::string blocks;
  while (blocks.find("203.0.113.7 ") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    blocks = run({"blocks"}).out;
  }
  EXPECT_NE(blocks.find("203.0.113.7 "), std::string::npos) << read_file(folder_.path() / "guard.log");
  EXPECT_NE(blocks.find("203.0.113.8 "), std::string::npos) << blocks;
  EXPECT_EQ(run({"status"}).out.find("NOT RECORDING"), std::string::npos);
}

TEST_F(TriedGuard, BlocksMadeDuringATrialEndWithIt) {
  configure("Old", "", 50);
  {
    GuardProcess guard = start();
    wait_for("guarding since");
    configure("New", "", 3);
    EXPECT_EQ(run({"trial", "1h"}).code, 0);
    std::string log = read_file(folder_.path() / "auth.log");
    for (int i = 0; i < 3; ++i) log += failed(300 + i, 500 + i, "203.0.113.77");
    folder_.file("auth.log", log);
    wait_for("203.0.113.77");
    EXPECT_NE(run({"blocks"}).out.find("rule \"New\""), std::string::npos);
    guard.end(SIGKILL);
  }
  GuardProcess guard = start();
  wait_for("TRIAL: the files on disk are not in force");
  EXPECT_EQ(run({"blocks"}).out, "");
  EXPECT_TRUE(has_rule("Old"));
  const Said said = run({"explain", "203.0.113.77"});
  EXPECT_TRUE(said.out.starts_with("203.0.113.77 is not blocked.\n")) << said.out;
}

// Runs the program as a user without a group of ours; gives its exit code.
int run_as(uid_t user, gid_t group, const std::string& config, const std::string& err) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(file, STDERR_FILENO);
    if (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0) ::_exit(99);
    ::execl(TIPSTAFF_BINARY, "tipstaff", "unblock", "--all", "--config", config.c_str(), nullptr);
    ::_exit(98);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(TriedGuard, AStrangerIsRefusedByWhoHeIs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  ::chmod(folder_.path().c_str(), 0755);
  GuardProcess guard = start();
  wait_for("guarding since");
  const std::string err = folder_.file("err", "");
  ASSERT_EQ(run_as(65'534, 65'534, folder_.path() / "guard.toml", err), 1) << read_file(err);
  EXPECT_NE(read_file(err).find("may not ask this guard: that needs the role view"), std::string::npos)
      << read_file(err);
  // the guard's group of supporters is one that this user is in
  EXPECT_EQ(guard.end(SIGTERM), 0);
  configure("Old", "");
  std::string text = read_file(folder_.path() / "guard.toml");
  text.replace(text.find("[control]\n"), 10, "[control]\nsupport_group = \"nogroup\"\n");
  folder_.file("guard.toml", text);
  GuardProcess second = start();
  wait_for("guarding since");
  ASSERT_EQ(run_as(65'534, 65'534, folder_.path() / "guard.toml", err), 1) << read_file(err);
  EXPECT_NE(read_file(err).find("may not unblock all: that needs the role admin"), std::string::npos) << read_file(err);
}

}  // namespace
}  // namespace tipstaff
