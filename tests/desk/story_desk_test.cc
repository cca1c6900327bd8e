// The story told by the whole programs: a guard over each host's log, a desk with a DNS server and a mail server on loopback.
// The administrator gets the alerts of tests/story/expected/alerts.csv, each once, also when desk and guard are killed and
// started again in the middle.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/dns_server.h"
#include "tests/guard/guard_process.h"
#include "tests/mail/smtp_server.h"
#include "tests/run.h"
#include "tests/story_rows.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// Quoted-printable, as mails of alerts are written (RFC 2045 6.7).
std::string plain(const std::string& mail) {
  std::string text;
  for (std::size_t at = mail.find("\r\n\r\n"); at < mail.size(); ++at) {
    if (mail[at] == '\r') continue;
    if (mail[at] != '=') {
      text += mail[at];
    } else if (mail.compare(at + 1, 2, "\r\n") == 0) {
      at += 2;
    } else {
      text += static_cast<char>(std::stoi(mail.substr(at + 1, 2), nullptr, 16));
      at += 2;
    }
  }
  return text;
}

class StoryDesk : public testing::TestWithParam<const char*> {
 protected:
  void configure() {
    dns_.load(kStory / "dns.json");
    const std::string folder = folder_.path();
    fs::create_directory(folder_.path() / "ledger");
    config_ = folder_.file(
        "tipstaff.toml",
        fmt::format("version = 1\n[sources]\nfiles = [\"{0}/auth.log\"]\nfrom_start = true\ntimezone = \"UTC\"\n"
                    "[ledger]\ndirectory = \"{0}/ledger\"\n[control]\nsocket = \"{0}/control.sock\"\n"
                    "[lookups]\ndns = true\ndns_servers = [\"{1}\"]\n"
                    "[mail]\nserver = \"127.0.0.1\"\nport = {2}\nsecurity = \"none\"\nfrom = \"tipstaff@example.com\"\n"
                    "to = [\"admin@example.com\"]\n[desk]\nalerts = \"each\"\nword = \"off\"\ntimezone = \"UTC\"\n{3}",
                    folder, dns_.address(), smtp_.port(), read_file(kStory / "rules.toml")));
  }
  std::unique_ptr<GuardProcess> desk() {
    const std::string ear = folder_.path() / "desk-notify";
    const ServiceManager manager(ear);
    auto process = std::make_unique<GuardProcess>(std::vector<std::string>{TIPSTAFF_DESK_BINARY, "--config", config_},
                                                  folder_.path() / "desk.log", "", ear);
    EXPECT_NE(manager.told().find("READY=1"), std::string::npos) << read_file(folder_.path() / "desk.log");
    return process;
  }
  std::unique_ptr<GuardProcess> guard() {
    return std::make_unique<GuardProcess>(TIPSTAFF_BINARY, config_, folder_.path() / "guard.log");
  }
  // Mails that are no word on this machine's own state.
  std::vector<std::string> mails() const {
    std::vector<std::string> all;
    for (const TakenMail& mail : smtp_.mails()) {
      std::string text = plain(mail.data);
      if (text.find("Rule used") != std::string::npos) all.push_back(std::move(text));
    }
    return all;
  }
  void wait_for(std::size_t count) const {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (mails().size() < count && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(50ms);
    ASSERT_GE(mails().size(), count) << read_file(folder_.path() / "desk.log")
                                     << read_file(folder_.path() / "guard.log");
  }
  // As the story has them: address, until, the five observations.
  static std::vector<std::string> expected(const std::string& host) {
    std::vector<StoryRow> rows = story_rows("alerts.csv", host);
    std::vector<std::string> all;
    for (StoryRow& row : rows)
      all.push_back(fmt::format("{} {} {} {} {} {} {}", row["address"], row["until"], row["seen_1"], row["seen_2"],
                                row["seen_3"], row["seen_4"], row["seen_5"]));
    std::ranges::sort(all);
    return all;
  }
  static std::string summary(const std::string& mail) {
    std::istringstream lines(mail);
    std::string line, address, until, seen;
    bool listing = false;
    while (std::getline(lines, line)) {
      const std::size_t ip = line.find(", IP ");
      const std::size_t end = line.find("blocked until ");
      if (address.empty() && ip != std::string::npos && end != std::string::npos) {
        address = line.substr(ip + 5, line.find(' ', ip + 5) - ip - 5);
        until = line.substr(end + 14, 19);
      }
      if (line.empty()) listing = false;
      if (listing) seen += " " + line.substr(0, 19);
      if (line == "Previous observations of this address:") listing = true;
    }
    return fmt::format("{} {}{}", address, until, seen);
  }

  TemporaryFolder folder_;
  DnsServer dns_;
  SmtpServer smtp_;
  std::string config_;
};

TEST_P(StoryDesk, TheAdministratorIsToldEachBlockOnce) {
  const std::string host = GetParam();
  configure();
  const std::string log = read_file(kStory / "sshd" / (host + ".log"));
  const std::size_t middle = log.find('\n', log.size() / 2) + 1;
  std::ofstream out(folder_.path() / "auth.log", std::ios::binary);
  out << log.substr(0, middle) << std::flush;
  {
    const auto telling = desk();
    const auto guarding = guard();
    wait_for(1);
    telling->end(SIGKILL);
    guarding->end(SIGKILL);
  }
  out << log.substr(middle) << std::flush;
  const auto wanted = expected(host);
  ASSERT_FALSE(wanted.empty());
  const auto guarding = guard();
  {
    const auto telling = desk();
    wait_for(wanted.size());
    EXPECT_EQ(telling->end(SIGTERM), 0);
  }
  {  // a third desk has nothing to say
    const auto telling = desk();
    const auto quiet = std::chrono::steady_clock::now() + 3s;
    while (std::chrono::steady_clock::now() < quiet) std::this_thread::sleep_for(50ms);
  }
  std::vector<std::string> told;
  std::size_t victims = 0;
  for (const std::string& mail : mails()) {
    told.push_back(summary(mail));
    EXPECT_TRUE(mail.find("Alert from " + host + ", IP ") != std::string::npos) << mail;
    EXPECT_NE(mail.find("Rule used (sshd): Catch All Login. Trigger window 00:30:00, occurrences 5, lockout time "
                        "02:00:00\n"),
              std::string::npos)
        << mail;
    EXPECT_NE(mail.find("\nLedger: host "), std::string::npos) << mail;
    const bool parliament = mail.find(", IP 198.51.100.23 (mail.parliament.example)") != std::string::npos;
    const bool victim = mail.find(
                            "\nPossible victim, not only an attacker: the mail server of parliament.example "
                            "(government") != std::string::npos;
    EXPECT_EQ(victim, parliament) << mail;
    victims += victim ? 1 : 0;
  }
  std::ranges::sort(told);
  EXPECT_EQ(told, wanted);
  EXPECT_GT(victims, 0U);
  const Said listed = tipstaff({"alerts", "list", "--config", config_, "--json"});
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_NE(listed.out.find("\"state\":\"sent\""), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Hosts, StoryDesk, testing::Values("host-a", "host-b", "host-c"),
                         [](const auto& host) { return std::string(host.param).substr(5); });

}  // namespace
}  // namespace tipstaff
