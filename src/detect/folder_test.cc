// Folding, sentence by sentence of the design: what one connection's lines amount to. Lines go in as they stand in a log;
// each attempt comes out in a few words (see words() in testing.h).
#include "detect/folder.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "detect/testing.h"

namespace tipstaff {
namespace {

using testing_detect::attempts_of;
using testing_detect::words;
using Texts = std::vector<std::string>;

// "03:04:05 17 message" as a line of sshd.
std::string ssh(std::string_view clock, int pid, std::string_view message) {
  return fmt::format("Nov  5 {} gate sshd[{}]: {}", clock, pid, message);
}
std::string ssh(std::string_view message) { return ssh("03:04:05", 17, message); }

Texts fold(const std::vector<std::string>& lines, const RecognizerOptions& options = {}) {
  return words(attempts_of(lines, options));
}

constexpr const char* kFailed = "Failed password for root from 192.0.2.1 port 40022 ssh2";
constexpr const char* kFailedInvalid = "Failed password for invalid user oracle from 192.0.2.1 port 40022 ssh2";
constexpr const char* kInvalid = "Invalid user oracle from 192.0.2.1 port 40022";
constexpr const char* kPam =
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root";
constexpr const char* kPamNobody =
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1";

// --- failed lines ----------------------------------------------------------------------------------------------------

TEST(Folder, EachFailedLineIsAnAttempt) {
  EXPECT_EQ(fold({ssh(kFailed), ssh(kFailed), ssh(kFailed)}),
            (Texts{"failure 192.0.2.1:40022 root x1 lines 1", "failure 192.0.2.1:40022 root x1 lines 2",
                   "failure 192.0.2.1:40022 root x1 lines 3"}));
}

TEST(Folder, AFailedLineUsesUpTheLinesBeforeIt) {
  EXPECT_EQ(fold({ssh(kInvalid), ssh(kPamNobody), ssh(kFailedInvalid)}),
            Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2,3"});
  EXPECT_EQ(fold({ssh(kPam), ssh(kFailed)}), Texts{"failure 192.0.2.1:40022 root x1 lines 1,2"});
}

TEST(Folder, OnlyTheFirstFailedLineUsesThemUp) {
  EXPECT_EQ(fold({ssh(kInvalid), ssh(kFailedInvalid), ssh(kFailedInvalid)}),
            (Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2", "failure 192.0.2.1:40022 oracle x1 lines 3"}));
}

TEST(Folder, RepeatedStandsForN) {
  EXPECT_EQ(fold({ssh(fmt::format("message repeated 7 times: [ {}]", kFailed))}),
            Texts{"failure 192.0.2.1:40022 root x7 lines 1"});
}

TEST(Folder, RepeatedBehindATellingLineMakesNInAll) {
  EXPECT_EQ(fold({ssh(kInvalid), ssh(fmt::format("message repeated 7 times: [ {}]", kFailedInvalid))}),
            (Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2", "failure 192.0.2.1:40022 oracle x6 lines 2"}));
  EXPECT_EQ(fold({ssh(kInvalid), ssh(fmt::format("message repeated 1 times: [ {}]", kFailedInvalid))}),
            Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2"});
}

TEST(Folder, ALineThatSaysHowManyTriesCountsThem) {
  EXPECT_EQ(fold({"Nov  5 03:04:05 gate dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): "
                  "user=<anna>, method=PLAIN, rip=192.0.2.1, lip=198.51.100.1"}),
            Texts{"failure 192.0.2.1:0 anna x3 lines 1"});
}

// --- lines that tell of a failed try ---------------------------------------------------------------------------------

TEST(Folder, ATellingLineMakesAnAttemptOnlyIfNoneOfItsAccountHas) {
  for (const char* last :
       {"Connection closed by invalid user oracle 192.0.2.1 port 40022 [preauth]",
        "Disconnected from invalid user oracle 192.0.2.1 port 40022 [preauth]",
        "error: maximum authentication attempts exceeded for invalid user oracle from 192.0.2.1 port 40022 ssh2 "
        "[preauth]",
        "Disconnecting invalid user oracle 192.0.2.1 port 40022: Too many authentication failures [preauth]"}) {
    EXPECT_EQ(fold({ssh(kInvalid), ssh(last)}), Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2"}) << last;
    EXPECT_EQ(fold({ssh(kFailedInvalid), ssh(last)}), Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2"}) << last;
    EXPECT_EQ(fold({ssh(last)}), Texts{"failure 192.0.2.1:40022 oracle x1 lines 1"}) << last;
  }
}

TEST(Folder, WhoeverTriesOneNameAndLeavesIsNotMissed) {
  for (const char* only :
       {"ROOT LOGIN REFUSED FROM 192.0.2.1 port 40022",
        "User root from 192.0.2.1 not allowed because not listed in AllowUsers",
        "error: PAM: Authentication failure for root from 192.0.2.1", kPam,
        "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root",
        "Connection reset by authenticating user root 192.0.2.1 port 40022 [preauth]"}) {
    const auto all = attempts_of({ssh(only)});
    ASSERT_EQ(all.size(), 1U) << only;
    EXPECT_EQ(all[0].outcome, Outcome::failure) << only;
    EXPECT_EQ(testing_detect::address_of(all[0]), "192.0.2.1") << only;
  }
}

TEST(Folder, OneWrongPasswordIsOneFailureWithAllItsLines) {
  EXPECT_EQ(fold({ssh(kPam), ssh(kFailed),
                  ssh("Connection closed by authenticating user root 192.0.2.1 port 40022 [preauth]")}),
            Texts{"failure 192.0.2.1:40022 root x1 lines 1,2,3"});
}

TEST(Folder, MoreAndTooManyAreNoFurtherFailures) {
  EXPECT_EQ(
      fold({ssh(kPam), ssh(kFailed), ssh(kFailed),
            ssh("Disconnecting authenticating user root 192.0.2.1 port 40022: Too many authentication failures "
                "[preauth]"),
            ssh("PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  user=root")})
          .size(),
      2U);
}

TEST(Folder, APamLineWithoutAnAccountBelongsToTheOneAlreadyNamed) {
  EXPECT_EQ(fold({ssh(kInvalid), ssh(kPamNobody)}), Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2"});
}

TEST(Folder, ALaterLineNamesTheAccountOfAPamLineWithoutOne) {
  EXPECT_EQ(fold({ssh(kPamNobody), ssh(kFailedInvalid)}), Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2"});
}

TEST(Folder, AddressAndPortComeFromWhicheverLineHasThem) {
  // earlier
  EXPECT_EQ(fold({ssh("Connection from 192.0.2.1 port 40022 on 198.51.100.1 port 22"),
                  ssh("User root not allowed because account is locked")}),
            Texts{"failure 192.0.2.1:40022 root x1 lines 2"});
  // later, also from an ending without an account, which tells of nothing else
  EXPECT_EQ(fold({ssh("User root not allowed because account is locked"),
                  ssh("Connection closed by 192.0.2.1 port 40022 [preauth]")}),
            Texts{"failure 192.0.2.1:40022 root x1 lines 1"});
  // the method too
  const auto all = attempts_of({ssh(kInvalid), ssh(kFailedInvalid)});
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].extra, "password");
}

TEST(Folder, SeveralAccountsOfOneConnectionAreSeveralAttempts) {
  EXPECT_EQ(fold({ssh("Invalid user a from 192.0.2.1 port 40022"),
                  ssh("Failed password for invalid user a from 192.0.2.1 port 40022 ssh2"),
                  ssh("Invalid user b from 192.0.2.1 port 40022"),
                  ssh("Failed password for invalid user b from 192.0.2.1 port 40022 ssh2"),
                  ssh("Failed password for invalid user a from 192.0.2.1 port 40022 ssh2")}),
            (Texts{"failure 192.0.2.1:40022 a x1 lines 1,2", "failure 192.0.2.1:40022 b x1 lines 3,4",
                   "failure 192.0.2.1:40022 a x1 lines 5"}));
}

TEST(Folder, TheRowHasTheTimeAndLineOfTheFirst) {
  const auto all = attempts_of({ssh("03:04:05", 17, kInvalid), ssh("03:04:09", 17, kFailedInvalid)});
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(to_rfc3339(*all[0].time), "2026-11-05T03:04:05Z");
  EXPECT_EQ(all[0].line, 1U);
  EXPECT_EQ(all[0].host, "gate");
  EXPECT_EQ(all[0].service, "sshd");
}

// --- what a connection is --------------------------------------------------------------------------------------------

TEST(Folder, AConnectionIsHostProgramAndNumber) {
  EXPECT_EQ(fold({ssh("03:04:05", 17, kInvalid), ssh("03:04:05", 18, kFailedInvalid)}).size(), 2U);
  EXPECT_EQ(
      fold({"Nov  5 03:04:05 gate sshd[17]: Invalid user oracle from 192.0.2.1 port 40022",
            "Nov  5 03:04:05 fort sshd[17]: Failed password for invalid user oracle from 192.0.2.1 port 40022 ssh2"})
          .size(),
      2U);
  // the parts of one sshd are one program
  EXPECT_EQ(
      fold({"Nov  5 03:04:05 gate sshd-session[17]: Invalid user oracle from 192.0.2.1 port 40022",
            "Nov  5 03:04:05 gate sshd[17]: Failed password for invalid user oracle from 192.0.2.1 port 40022 ssh2"})
          .size(),
      1U);
}

TEST(Folder, ANumberThatWasSilentForTenMinutesIsANewConnection) {
  EXPECT_EQ(fold({ssh("03:00:00", 17, kInvalid), ssh("03:10:00", 17, kFailedInvalid)}).size(), 1U);
  EXPECT_EQ(fold({ssh("03:00:00", 17, kInvalid), ssh("03:10:01", 17, kFailedInvalid)}).size(), 2U);
}

TEST(Folder, ConnectionFromIsANewConnection) {
  EXPECT_EQ(
      fold({ssh(kInvalid), ssh("Connection from 192.0.2.1 port 40022 on 198.51.100.1 port 22"), ssh(kFailedInvalid)})
          .size(),
      2U);
}

TEST(Folder, AnotherAddressIsANewConnection) {
  EXPECT_EQ(fold({ssh(kInvalid), ssh("Failed password for invalid user oracle from 198.51.100.7 port 40022 ssh2")}),
            (Texts{"failure 192.0.2.1:40022 oracle x1 lines 1", "failure 198.51.100.7:40022 oracle x1 lines 2"}));
}

TEST(Folder, MixedConnectionsDoNotDisturbEachOther) {
  EXPECT_EQ(fold({ssh("03:04:05", 17, kInvalid), ssh("03:04:05", 18, "Invalid user x from 198.51.100.7 port 1"),
                  ssh("03:04:06", 17, kFailedInvalid),
                  ssh("03:04:06", 18, "Failed password for invalid user x from 198.51.100.7 port 1 ssh2")}),
            (Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,3", "failure 198.51.100.7:1 x x1 lines 2,4"}));
}

// --- logins ----------------------------------------------------------------------------------------------------------

constexpr const char* kAccepted = "Accepted password for root from 192.0.2.1 port 40022 ssh2";

TEST(Folder, APamFailureBeforeAcceptedOfTheSameAccountIsWithdrawn) {
  EXPECT_EQ(fold({ssh(kPam), ssh(kAccepted)}), Texts{"success 192.0.2.1:40022 root x1 lines 2"});
}

TEST(Folder, ButNotIfAFailedLineCompletedIt) {
  EXPECT_EQ(fold({ssh(kPam), ssh(kFailed), ssh(kAccepted)}),
            (Texts{"failure 192.0.2.1:40022 root x1 lines 1,2", "success 192.0.2.1:40022 root x1 lines 3"}));
}

TEST(Folder, NorOfAnotherAccountOrConnection) {
  EXPECT_EQ(fold({ssh(kPam), ssh("Accepted password for anna from 192.0.2.1 port 40022 ssh2")}).size(), 2U);
  EXPECT_EQ(fold({ssh("03:04:05", 17, kPam), ssh("03:04:06", 18, kAccepted)}).size(), 2U);
}

TEST(Folder, ASessionOpenedIsHarmless) {
  EXPECT_EQ(fold({ssh("pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)")}), Texts{});
}

TEST(Folder, EndingsAfterALoginAreHarmless) {
  EXPECT_EQ(
      fold({ssh(kAccepted), ssh("Received disconnect from 192.0.2.1 port 40022:11: disconnected by user"),
            ssh("Disconnected from user root 192.0.2.1 port 40022"), ssh("Connection closed by 192.0.2.1 port 40022")}),
      Texts{"success 192.0.2.1:40022 root x1 lines 1"});
}

// --- keys ------------------------------------------------------------------------------------------------------------

constexpr const char* kKey = "Failed publickey for root from 192.0.2.1 port 40022 ssh2: RSA SHA256:aaaa";
constexpr const char* kKeyInvalid =
    "Failed publickey for invalid user oracle from 192.0.2.1 port 40022 ssh2: RSA SHA256:aaaa";

TEST(Folder, KeysOfAnExistingAccountDoNotCount) { EXPECT_EQ(fold({ssh(kKey), ssh(kKey)}), Texts{}); }

TEST(Folder, UnlessTheSettingSaysSo) {
  EXPECT_EQ(fold({ssh(kKey), ssh(kKey)}, {"", {"count_publickey_failures"}}).size(), 2U);
}

TEST(Folder, AllKeysOfAnotherAccountAreOneAttempt) {
  EXPECT_EQ(fold({ssh(kKeyInvalid), ssh(kKeyInvalid), ssh(kKeyInvalid)}),
            Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2,3"});
  EXPECT_EQ(fold({ssh(fmt::format("message repeated 5 times: [ {}]", kKeyInvalid))}),
            Texts{"failure 192.0.2.1:40022 oracle x1 lines 1"});
  EXPECT_EQ(fold({ssh(kInvalid), ssh(kKeyInvalid), ssh(kKeyInvalid)}),
            Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2,3"});
}

TEST(Folder, APasswordBehindTheKeysIsAnotherAttempt) {
  EXPECT_EQ(fold({ssh(kKeyInvalid), ssh(kKeyInvalid), ssh(kFailedInvalid)}),
            (Texts{"failure 192.0.2.1:40022 oracle x1 lines 1,2", "failure 192.0.2.1:40022 oracle x1 lines 3"}));
}

// --- probes ----------------------------------------------------------------------------------------------------------

TEST(Folder, AConnectionWithoutAttemptGivesOneProbeAtItsFirstSuchLine) {
  EXPECT_EQ(fold({ssh("error: kex_exchange_identification: Connection closed by remote host"),
                  ssh("Connection closed by 192.0.2.1 port 40022")}),
            Texts{"probe 192.0.2.1:40022 - x1 lines 1"});
  EXPECT_EQ(fold({ssh("Did not receive identification string from 192.0.2.1 port 40022")}),
            Texts{"probe 192.0.2.1:40022 - x1 lines 1"});
  EXPECT_EQ(fold({ssh("Connection closed by 192.0.2.1 port 40022 [preauth]")}),
            Texts{"probe 192.0.2.1:40022 - x1 lines 1"});
}

TEST(Folder, AConnectionWithAnAttemptGivesNoProbe) {
  EXPECT_EQ(fold({ssh(kFailed), ssh("Connection closed by 192.0.2.1 port 40022 [preauth]")}).size(), 1U);
  EXPECT_EQ(fold({ssh("Connection closed by 192.0.2.1 port 40022 [preauth]"), ssh(kFailed)}),
            Texts{"failure 192.0.2.1:40022 root x1 lines 2"});
}

// --- other groupings -------------------------------------------------------------------------------------------------

TEST(Folder, LinesWithoutANumberBelongTogetherByAddressAndAccount) {
  const auto ftp = [](std::string_view clock, std::string_view account, std::string_view address) {
    return fmt::format("Thu Nov  5 {} 2026 [pid 17] [{}] FAIL LOGIN: Client \"{}\"", clock, account, address);
  };
  EXPECT_EQ(fold({ftp("03:04:05", "anna", "192.0.2.1"), ftp("03:04:06", "anna", "192.0.2.1"),
                  ftp("03:04:06", "bert", "192.0.2.1"), ftp("03:04:06", "anna", "192.0.2.2")})
                .size(),
            4U);
}

TEST(Folder, WebRequestsStandAlone) {
  const std::string line =
      R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0000] "POST /wp-login.php HTTP/1.1" 200 5120 "-" "x")";
  EXPECT_EQ(fold({line, line}), (Texts{"failure 192.0.2.1:0 - x1 lines 1", "failure 192.0.2.1:0 - x1 lines 2"}));
}

// --- window time -----------------------------------------------------------------------------------------------------

Texts window_times(const std::vector<std::string>& clocks) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < clocks.size(); ++i) {
    lines.push_back(
        fmt::format("{} gate sshd[{}]: Failed password for root from 192.0.2.1 port 40022 ssh2", clocks[i], i + 1));
  }
  Texts all;
  for (const Attempt& attempt : attempts_of(lines)) all.push_back(to_rfc3339(attempt.window_time));
  return all;
}

TEST(Folder, WindowTimeNeverGoesBack) {
  EXPECT_EQ(window_times({"Nov  5 03:04:05", "Nov  5 03:04:01", "Nov  5 03:04:06"}),
            (Texts{"2026-11-05T03:04:05Z", "2026-11-05T03:04:05Z", "2026-11-05T03:04:06Z"}));
}

TEST(Folder, ALoneStampFarAheadIsNotFollowed) {
  EXPECT_EQ(window_times({"Nov  5 03:04:05", "Nov  9 03:04:05", "Nov  5 03:04:06", "Nov  5 03:04:07"}),
            (Texts{"2026-11-05T03:04:05Z", "2026-11-05T03:04:05Z", "2026-11-05T03:04:06Z", "2026-11-05T03:04:07Z"}));
}

TEST(Folder, NorIsTheVeryFirst) {
  EXPECT_EQ(window_times({"Nov  9 03:04:05", "Nov  5 03:04:05", "Nov  5 03:04:06"}),
            (Texts{"2026-11-05T03:04:05Z", "2026-11-05T03:04:05Z", "2026-11-05T03:04:06Z"}));
}

TEST(Folder, AJumpThatLastsIsFollowed) {
  EXPECT_EQ(window_times({"Nov  5 03:04:05", "Nov  9 03:04:05", "Nov  9 03:04:06"}),
            (Texts{"2026-11-05T03:04:05Z", "2026-11-09T03:04:05Z", "2026-11-09T03:04:06Z"}));
}

TEST(Folder, ALineWithoutAStampTakesTheWindowTimeOfTheOneBefore) {
  const auto all = attempts_of({ssh(kFailed), "Failed password for root from 192.0.2.1 port 40022 ssh2"}, {"sshd", {}});
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[1].time);
  EXPECT_EQ(to_rfc3339(all[1].window_time), "2026-11-05T03:04:05Z");
}

// --- order and bounds ------------------------------------------------------------------------------------------------

TEST(Folder, AttemptsComeOutInTheOrderInWhichTheyWereMade) {
  std::vector<std::string> lines;
  for (int i = 0; i < 500; ++i)
    lines.push_back(ssh("03:04:05", 100 + i * 7 % 501, "Invalid user x from 192.0.2.1 port 1"));
  std::uint64_t last = 0;
  for (const Attempt& attempt : attempts_of(lines)) {
    EXPECT_GT(attempt.line, last);
    last = attempt.line;
  }
}

// How many attempts `connections` connections make that try one name each, all at the same moment, so that nothing is ever
// silent. With `lasting` the first connection goes on all the time and holds back what was made after it.
struct Crowd {
  std::uint64_t attempts = 0;
  std::uint64_t given_up = 0;
};
Crowd crowd(std::uint64_t connections, bool lasting) {
  Crowd all;
  Folder folder([&](const Attempt&) { ++all.attempts; });
  Recognizer recognizer(testing_detect::shipped(), {});
  std::string scratch;
  Finding finding;
  std::uint64_t number = 0;
  const auto add = [&](std::uint64_t pid) {
    const std::string line = ssh("03:04:05", static_cast<int>(pid), "Invalid user x from 192.0.2.1 port 1");
    const Header header = split_header(line, scratch);
    recognizer.recognize(header, finding);
    folder.add(header, finding, testing_detect::kNow + std::chrono::microseconds(number), number + 1);
    ++number;
  };
  for (std::uint64_t pid = 1; pid <= connections; ++pid) {
    add(pid);
    if (lasting) add(1);
    EXPECT_GE(all.attempts + Folder::kMostHeldBack, pid) << "more is held back than said";
  }
  folder.finish();
  all.given_up = folder.given_up();
  return all;
}

TEST(Folder, MoreConnectionsThanItKeepsLoseNoAttempt) {
  constexpr std::uint64_t kMany = 3 * Folder::kMostConnections;
  EXPECT_EQ(crowd(kMany, false).attempts, kMany);
}

TEST(Folder, MoreHeldBackThanItKeepsIsHandedOutAndCounted) {
  constexpr std::uint64_t kMany = 3 * Folder::kMostHeldBack;
  const Crowd all = crowd(kMany, true);
  EXPECT_EQ(all.attempts, kMany);
  EXPECT_GT(all.given_up, 0U);
}

TEST(Folder, MoreLinesThanAnAttemptKeeps) {
  std::vector<std::string> lines = {ssh(kInvalid)};
  for (int i = 0; i < 200; ++i) lines.push_back(ssh(kPamNobody));
  const auto all = attempts_of(lines);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].lines.size(), LineList::kMost);
}

TEST(Folder, MoreAccountsInOneConnectionThanItKeepsAreStillCounted) {
  std::vector<std::string> lines;
  for (int i = 0; i < 50; ++i)
    lines.push_back(ssh(fmt::format("Failed password for invalid user u{} from 192.0.2.1 port 1 ssh2", i)));
  EXPECT_EQ(attempts_of(lines).size(), 50U);
}

}  // namespace
}  // namespace tipstaff
