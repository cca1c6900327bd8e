// Which detectors read a line, which of their patterns holds, and when a line that fits is not believed.
#include "detect/recognizer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "detect/testing.h"

namespace tipstaff {
namespace {

using testing_detect::address_of;
using testing_detect::find;
using testing_detect::set_of;
using testing_detect::shipped;

// A detector file with these keys and one pattern for each pair of kind and further keys.
std::string file(std::string_view name, std::string_view keys,
                 std::initializer_list<std::pair<std::string_view, std::string_view>> patterns) {
  std::string text = fmt::format("version = 1\nname = '{}'\n{}\n", name, keys);
  for (const auto& [kind, rest] : patterns)
    text += fmt::format("[[pattern]]\nkind = '{}'\n{}\nexamples = [{{ line = 'x' }}]\n", kind, rest);
  return text;
}

constexpr std::string_view kHead = "Nov  5 03:04:05 gate ";

std::string line_of(std::string_view program, std::string_view message) {
  return fmt::format("{}{}[17]: {}", kHead, program, message);
}

TEST(Recognizer, TheFirstPatternOfTheFileHolds) {
  const DetectorSet set = set_of({file("a", "programs = ['app']",
                                       {{"harmless", "text = 'no {:word} here'"},
                                        {"failure", "text = 'no {:rest}'"},
                                        {"probe", "text = 'no login here'"}})});
  Recognizer recognizer(set, {});
  std::string scratch;
  EXPECT_EQ(find(recognizer, line_of("app", "no login here"), scratch).kind, Kind::harmless);
  EXPECT_EQ(find(recognizer, line_of("app", "no login there"), scratch).kind, Kind::failure);
}

TEST(Recognizer, IncludedDetectorsComeBehindAndTheLineIsTheServices) {
  const DetectorSet set =
      set_of({file("a", "programs = ['app']\nincludes = ['b']", {{"failure", "text = 'no {:rest}'"}}),
              file("b", "any_program = true", {{"probe", "text = 'no way'"}, {"tells", "text = 'yes {:rest}'"}})});
  Recognizer recognizer(set, {});
  std::string scratch;
  EXPECT_EQ(find(recognizer, line_of("app", "no way"), scratch).kind, Kind::failure);
  const Finding told = find(recognizer, line_of("app", "yes x"), scratch);
  EXPECT_EQ(told.kind, Kind::tells);
  EXPECT_EQ(told.detector->name, "a");
  const Finding other = find(recognizer, line_of("other", "yes x"), scratch);
  EXPECT_EQ(other.detector->name, "b");
  EXPECT_FALSE(other.known_program);
  EXPECT_TRUE(other.understood);
}

TEST(Recognizer, ProgramsByNameAndGlob) {
  const DetectorSet set = set_of({file("a", "programs = ['app', 'post*/smtpd']", {{"failure", "text = 'no'"}})});
  Recognizer recognizer(set, {});
  struct Case {
    const char* program;
    bool known;
  };
  for (const Case& one : {Case{"app", true}, Case{"apps", false}, Case{"App", false}, Case{"postfix/smtpd", true},
                          Case{"postfix/submission/smtpd", true}, Case{"postfix/qmgr", false}, Case{"smtpd", false}}) {
    std::string scratch;
    const Finding finding = find(recognizer, line_of(one.program, "no"), scratch);
    EXPECT_EQ(finding.known_program, one.known) << one.program;
    EXPECT_EQ(finding.understood, one.known) << one.program;
  }
}

TEST(Recognizer, AKnownProgramsUnknownLineIsCountedAsKnown) {
  Recognizer recognizer(shipped(), {});
  std::string scratch;
  const Finding finding = find(recognizer, line_of("sshd", "something no version ever wrote"), scratch);
  EXPECT_TRUE(finding.known_program);
  EXPECT_FALSE(finding.understood);
}

TEST(Recognizer, OwnProgramsReadFromTheNameOn) {
  const DetectorSet set =
      set_of({file("a", "own_programs = ['imap-login']",
                   {{"failure", "text = 'imap-login: no {:rest}'"}, {"probe", "text = 'Info: {:rest}'"}})});
  Recognizer recognizer(set, {});
  std::string scratch;
  EXPECT_EQ(find(recognizer, "Nov  5 03:04:05 imap-login: no x", scratch).kind, Kind::failure);
  EXPECT_EQ(find(recognizer, "Nov  5 03:04:05 imap-login: Info: x", scratch).kind,
            Kind::probe);  // behind the name first
  EXPECT_FALSE(find(recognizer, "Nov  5 03:04:05 gate pop3-login: no x", scratch).understood);
}

TEST(Recognizer, AServiceReadsWhateverTheProgramIsCalled) {
  RecognizerOptions options;
  options.service = "sshd";
  Recognizer recognizer(shipped(), options);
  std::string scratch;
  for (const std::string& line :
       {line_of("my-own-name", "Failed password for root from 192.0.2.1 port 22 ssh2"),
        std::string("Failed password for root from 192.0.2.1 port 22 ssh2"),
        std::string("2026-11-05T03:04:05Z auth.info: Failed password for root from 192.0.2.1 port 22 ssh2")}) {
    const Finding finding = find(recognizer, line, scratch);
    EXPECT_TRUE(finding.known_program) << line;
    EXPECT_EQ(finding.kind, Kind::failure) << line;
    EXPECT_EQ(address_of(finding), "192.0.2.1") << line;
  }
  // and nobody else reads
  EXPECT_FALSE(find(recognizer, line_of("vsftpd", "[anna] FAIL LOGIN: Client \"192.0.2.1\""), scratch).understood);
}

TEST(Recognizer, Layouts) {
  Recognizer recognizer(shipped(), {});
  struct Case {
    std::string line;
    const char* detector;
    const char* address;
  };
  for (
      const Case& one : {
          Case{R"(192.0.2.1 - - [05/Nov/2026:03:04:05 +0000] "POST /wp-login.php HTTP/1.1" 200 5120 "-" "x")",
               "http-access", "192.0.2.1"},
          Case{"[Thu Nov 05 03:04:05.1 2026] [auth_basic:error] [pid 1:tid 2] [client 192.0.2.1:5] AH01618: user anna "
               "not found: /",
               "apache-auth", "192.0.2.1"},
          Case{
              R"(2026/11/05 03:04:05 [error] 17#0: *3 user "anna" was not found in "/x", client: 192.0.2.1, server: s, request: "GET / HTTP/1.1", host: "h")",
              "nginx-auth", "192.0.2.1"},
          Case{R"(Thu Nov  5 03:04:05 2026 [pid 17] [anna] FAIL LOGIN: Client "192.0.2.1")", "vsftpd", "192.0.2.1"},
      }) {
    std::string scratch;
    const Finding finding = find(recognizer, one.line, scratch);
    ASSERT_TRUE(finding.understood) << one.line;
    EXPECT_EQ(finding.detector->name, one.detector) << one.line;
    EXPECT_EQ(address_of(finding), one.address) << one.line;
    EXPECT_EQ(finding.kind, Kind::failure) << one.line;
  }
}

TEST(Recognizer, ABareLineOfAContainerIsReadByAllThatFit) {
  Recognizer recognizer(shipped(), {});
  std::string scratch;
  const Finding docker = find(
      recognizer,
      R"({"log":"Failed password for root from 192.0.2.1 port 22 ssh2\n","stream":"stderr","time":"2026-11-05T03:04:05Z"})",
      scratch);
  EXPECT_EQ(address_of(docker), "192.0.2.1");
  EXPECT_EQ(docker.detector->name, "sshd");
  const Finding cri =
      find(recognizer, "2026-11-05T03:04:05.1Z stderr F Failed password for root from 192.0.2.1 port 22 ssh2", scratch);
  EXPECT_EQ(address_of(cri), "192.0.2.1");
  // outside a container such a line has no sender, and nobody reads it
  EXPECT_FALSE(find(recognizer, "Failed password for root from 192.0.2.1 port 22 ssh2", scratch).understood);
}

TEST(Recognizer, RepeatedLines) {
  Recognizer recognizer(shipped(), {});
  struct Case {
    const char* message;
    std::uint32_t repeat;
    bool understood;
  };
  for (const Case& one :
       {Case{"message repeated 7 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]", 7, true},
        Case{"message repeated 2 times: [Failed password for root from 192.0.2.1 port 22 ssh2 ]", 2, true},
        Case{"message repeated 0 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]", 1, false},
        Case{"message repeated 9999999 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]", 1, false},
        Case{"message repeated 7 times: [ Failed password for root from 192.0.2.1 port 22 ssh2", 1, false},
        Case{"message repeated 7 times: []", 7, false}, Case{"message repeated", 1, false}}) {
    std::string scratch;
    const Finding finding = find(recognizer, line_of("sshd", one.message), scratch);
    EXPECT_EQ(finding.understood, one.understood) << one.message;
    EXPECT_EQ(finding.repeat, one.repeat) << one.message;
  }
}

TEST(Recognizer, AmbiguousLinesGiveNoAddress) {
  constexpr std::string_view kAnchored = "anchor = 'last'\nreason = 'r'\nforged = { line = 'x', address = '' }";
  const DetectorSet set =
      set_of({file("a", "programs = ['app']",
                   {{"failure", fmt::format("text = 'no {{account}} from {{address}}'\n{}", kAnchored)},
                    {"failure", "text = 'no {account:word} from {address} for {:rest}'"}})});
  Recognizer recognizer(set, {});
  std::string scratch;
  EXPECT_EQ(address_of(find(recognizer, line_of("app", "no anna from 192.0.2.1"), scratch)), "192.0.2.1");
  EXPECT_EQ(address_of(find(recognizer, line_of("app", "no anna from 192.0.2.1 for b"), scratch)), "192.0.2.1");
  EXPECT_EQ(address_of(find(recognizer, line_of("app", "no a b from 192.0.2.1"), scratch)), "192.0.2.1");
  const Finding finding = find(recognizer, line_of("app", "no anna from 203.0.113.66 for b from 192.0.2.1"), scratch);
  EXPECT_TRUE(finding.understood);
  EXPECT_TRUE(finding.ambiguous);
  EXPECT_EQ(address_of(finding), "");
}

TEST(Recognizer, SettingsDecideWhetherALineCounts) {
  const std::string line = line_of("sshd", "Failed publickey for root from 192.0.2.1 port 22 ssh2: RSA SHA256:x");
  std::string scratch;
  Recognizer off(shipped(), {});
  EXPECT_EQ(find(off, line, scratch).kind, Kind::harmless);
  Recognizer on(shipped(), {"", {"count_publickey_failures"}});
  EXPECT_EQ(find(on, line, scratch).kind, Kind::failure);
}

TEST(Recognizer, RegexPatterns) {
  const DetectorSet set = set_of(
      {file("a", "programs = ['app']",
            {{"failure", "regex = 'no (?P<account>.*) from (?P<address>\\S+) port (?P<port>\\d+) (?P<extra>.*)'"},
             {"probe", "text = 'no template first{:rest}'"}})});
  Recognizer recognizer(set, {});
  std::string scratch;
  const std::string line = line_of("app", "no anna from 192.0.2.1 port 22 x");
  const Finding finding = find(recognizer, line, scratch);
  EXPECT_EQ(finding.kind, Kind::failure);
  EXPECT_EQ(address_of(finding), "192.0.2.1");
  EXPECT_EQ(finding.fields.account, "anna");
  EXPECT_EQ(finding.fields.port, 22);
  EXPECT_EQ(finding.fields.extra, "x");
  // the leftmost and the rightmost reading differ
  EXPECT_EQ(
      address_of(find(recognizer, line_of("app", "no a from 203.0.113.66 port 1 y from 192.0.2.1 port 22 x"), scratch)),
      "");
  // what stands where the address should is none
  const Finding name = find(recognizer, line_of("app", "no anna from host.example.com port 99999 x"), scratch);
  EXPECT_TRUE(name.understood);
  EXPECT_EQ(address_of(name), "");
  EXPECT_EQ(name.fields.port, 0);
  // the whole message must fit
  EXPECT_FALSE(find(recognizer, line_of("app", "x no anna from 192.0.2.1 port 22 x"), scratch).understood);
  EXPECT_EQ(find(recognizer, line_of("app", "no template first from 192.0.2.1 port 22 x"), scratch).kind, Kind::probe);
}

TEST(Recognizer, AFindingHoldsNothingOfTheLineBefore) {
  Recognizer recognizer(shipped(), {});
  std::string scratch;
  Finding finding;
  recognizer.recognize(
      split_header(line_of("sshd", "message repeated 7 times: [ Failed password for root from 192.0.2.1 port 22 ssh2]"),
                   scratch),
      finding);
  for (const std::string& line : {line_of("cron", "x"), line_of("sshd", "~"), line_of("sshd", "Did not")}) {
    recognizer.recognize(split_header(line, scratch), finding);
    EXPECT_FALSE(finding.understood) << line;
    EXPECT_EQ(finding.pattern, nullptr) << line;
    EXPECT_EQ(finding.kind, Kind::harmless) << line;
  }
}

TEST(Recognizer, ManyProgramsDoNotGrowItForEver) {
  Recognizer recognizer(shipped(), {});
  std::string scratch;
  for (int i = 0; i < 20'000; ++i)
    EXPECT_FALSE(find(recognizer, line_of(fmt::format("prog{}", i), "x"), scratch).known_program);
  EXPECT_TRUE(find(recognizer, line_of("sshd", "x"), scratch).known_program);
}

}  // namespace
}  // namespace tipstaff
