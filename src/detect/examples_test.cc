// The shipped detectors pass their own examples; and a detector file of the administrator's own that is wrong is refused
// with file, line and what to do.
#include "detect/examples.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "detect/testing.h"

namespace tipstaff {
namespace {

using testing_detect::set_of;
using testing_detect::shipped;

TEST(Examples, OfTheShippedDetectorsAreReadAsTheySay) {
  for (const auto& detector : shipped()) {
    std::vector<std::string> problems;
    EXPECT_GT(test_examples(shipped(), *detector, problems), 0U) << detector->name;
    for (const auto& problem : problems) ADD_FAILURE() << problem;
  }
}

// With its setting off, the example of such a pattern must not be caught by another one that counts.
TEST(Examples, OfSettingsAreHarmlessWhileTheyAreOff) {
  std::size_t tried = 0;
  for (const auto& detector : shipped()) {
    RecognizerOptions options;
    options.service = detector->name;
    Recognizer recognizer(shipped(), options);
    for (const auto& pattern : detector->patterns()) {
      if (pattern.if_setting.empty()) continue;
      for (const auto& example : pattern.examples) {
        Header header;
        header.layout = Layout::syslog;
        header.message = header.from_program = example.line;
        Finding finding;
        recognizer.recognize(header, finding);
        EXPECT_EQ(to_text(finding.kind), "harmless") << example.where << ": " << example.line;
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 0U);
}

// A pattern whose examples another one takes is dead, or stands at the wrong place in its file.
TEST(Examples, EveryPatternThatTellsAnAddressHasAnExampleOfIt) {
  for (const auto& detector : shipped()) {
    for (const auto& pattern : detector->patterns()) {
      EXPECT_FALSE(pattern.examples.empty()) << pattern.where;
      if (pattern.anchor != Anchor::none) {
        EXPECT_TRUE(pattern.forged) << pattern.where;
      }
    }
  }
}

TEST(Examples, ProblemsNameFileLineAndWhatDiffers) {
  const DetectorSet set = set_of({R"(version = 1
name = "own"
programs = ["own"]
[[pattern]]
kind = "failure"
text = "no {account} from {address}[ port {port}]"
anchor = "last"
reason = "r"
forged = { line = "no x from 203.0.113.66 from 192.0.2.1", address = "203.0.113.66" }
examples = [
  { line = "no anna from 192.0.2.1", address = "192.0.2.1", account = "anna" },
  { line = "no anna from 192.0.2.1", address = "192.0.2.2" },
  { line = "no anna from 192.0.2.1", account = "bert" },
  { line = "no anna from 192.0.2.1 port 22", port = 23 },
  { line = "yes" },
]
[[pattern]]
kind = "probe"
text = "no bert from {address}"
examples = [{ line = "no bert from 192.0.2.1" }]
)"});
  ASSERT_EQ(set.size(), 1U);
  std::vector<std::string> problems;
  EXPECT_EQ(test_examples(set, *set[0], problems), 1U);
  const std::vector<std::string> wanted = {
      "own.toml:12: address should be '192.0.2.2', is '192.0.2.1' in: no anna from 192.0.2.1",
      "own.toml:13: account should be 'bert', is 'anna' in: no anna from 192.0.2.1",
      "own.toml:14: port should be '23', is '22' in: no anna from 192.0.2.1 port 22",
      "own.toml:15: no pattern fits in: yes",
      "own.toml:9: the planted address 192.0.2.1 was taken for the true one in: no x from 203.0.113.66 from 192.0.2.1",
      "own.toml:20: should be probe, is failure by own.toml:4 in: no bert from 192.0.2.1",
  };
  EXPECT_EQ(problems, wanted);
}

struct Bad {
  const char* name;
  std::string text;
  const char* says;
};

constexpr const char* kHead = "version = 1\nname = 'own'\nprograms = ['own']\n";

std::string pattern(const std::string& keys) {
  return std::string(kHead) + "[[pattern]]\n" + keys + "\nexamples = [{ line = 'x' }]\n";
}

class BadDetectorFiles : public testing::TestWithParam<Bad> {};

TEST_P(BadDetectorFiles, AreRefusedWithFileAndLine) {
  const auto detector = parse_detector(GetParam().text, "own.toml");
  ASSERT_FALSE(detector.has_value());
  EXPECT_NE(detector.error().message().find(GetParam().says), std::string::npos) << detector.error().message();
}

INSTANTIATE_TEST_SUITE_P(
    Examples, BadDetectorFiles,
    testing::Values(
        Bad{"NoToml", "version = \n", "own.toml:1"}, Bad{"Empty", "", "own.toml:1: the file needs 'version = 1'"},
        Bad{"OtherVersion", "version = 2\nname = 'own'\n", "own.toml:1: the file needs 'version = 1'"},
        Bad{"NoName", "version = 1\n", "own.toml:1: the file needs a 'name'"},
        Bad{"NoLines", "version = 1\nname = 'own'\n", "own.toml:1: the file names no line it could read"},
        Bad{"NoPatterns", kHead, "own.toml:1: the file has no [[pattern]] and no [[request]]"},
        Bad{"UnknownKey", std::string(kHead) + "program = ['x']\n",
            "own.toml:4: unknown key 'program'; did you mean 'programs'?"},
        Bad{"UnknownPatternKey", pattern("kind = 'failure'\ntext = 'x'\nanchr = 'last'"),
            "own.toml:7: unknown key 'anchr'; did you mean 'anchor'?"},
        Bad{"UnknownKind", pattern("kind = 'failed'\ntext = 'x'"), "own.toml:4: 'kind' must be one of failure, tells"},
        Bad{"NoKind", pattern("text = 'x'"), "own.toml:4: 'kind' must be one of"},
        Bad{"NoText", pattern("kind = 'failure'"), "own.toml:4: a pattern needs either 'text' or 'regex'"},
        Bad{"TextAndRegex", pattern("kind = 'failure'\ntext = 'x'\nregex = 'x'"),
            "own.toml:4: a pattern needs either 'text' or 'regex'"},
        Bad{"BadRegex", pattern("kind = 'failure'\nregex = '('"), "own.toml:4: the regular expression is wrong"},
        Bad{"BadTemplate", pattern("kind = 'failure'\ntext = 'x {user}'"),
            "own.toml:4: the template has an unknown field {user}"},
        Bad{"BadAnchor", pattern("kind = 'failure'\ntext = 'x'\nanchor = 'middle'"),
            "own.toml:4: 'anchor' must be \"first\" or \"last\", not 'middle'"},
        Bad{"AnchorAlone", pattern("kind = 'failure'\ntext = 'x {account} from {address}'\nanchor = 'last'"),
            "own.toml:4: a pattern with 'anchor' needs the 'reason' and a 'forged' example"},
        Bad{"NoExamples", std::string(kHead) + "[[pattern]]\nkind = 'failure'\ntext = 'x'\n",
            "own.toml:4: a pattern needs at least one entry in 'examples'"},
        Bad{"ExampleWithoutLine",
            std::string(kHead) + "[[pattern]]\nkind = 'failure'\ntext = 'x'\nexamples = [{ address = 'y' }]\n",
            "own.toml:7: an example needs its 'line'"},
        Bad{"ExamplesOfAnotherKind",
            std::string(kHead) + "[[pattern]]\nkind = 'failure'\ntext = 'x'\nexamples = ['x']\n",
            "own.toml:7: 'examples' must be a list of tables"},
        Bad{"WrongType", "version = 1\nname = 7\nprograms = ['own']\n",
            "own.toml:2: 'name' must be text, not a whole number"},
        Bad{"WrongListType", "version = 1\nname = 'own'\nprograms = [7]\n",
            "own.toml:3: 'programs' must be a list of texts"},
        Bad{"WrongLayout", "version = 1\nname = 'own'\nlayouts = ['csv']\n",
            "'layouts' must name access, apache-error, nginx-error or ctime, not 'csv'"},
        Bad{"WrongConnection", std::string(kHead) + "connection = 'session'\n",
            "'connection' must be process, account or none, not 'session'"},
        Bad{"WrongStatus",
            std::string(kHead) + "[[request]]\nkind = 'failure'\nstatus = ['x']\nexamples = [{ line = 'x' }]\n",
            "own.toml:6: 'status' must be a list of numbers"}),
    [](const auto& bad) { return bad.param.name; });

TEST(DetectorFiles, AllProblemsOfAFileAreToldAtOnce) {
  const auto detector =
      parse_detector("version = 3\nname = 'own'\nprogram = ['x']\n[[pattern]]\nkind = 'x'\n", "own.toml");
  ASSERT_FALSE(detector.has_value());
  std::size_t lines = 1;
  for (const char c : detector.error().text) lines += c == '\n' ? 1U : 0U;
  EXPECT_GE(lines, 5U) << detector.error().text;
}

TEST(DetectorFiles, OfOnesOwnReplaceTheShippedOneOfThatName) {
  const std::string path = testing::TempDir() + "own-vsftpd.toml";
  const auto write = [&](const std::string& text) {
    FILE* const out = std::fopen(path.c_str(), "w");
    ASSERT_NE(out, nullptr);
    std::fputs(text.c_str(), out);
    std::fclose(out);
  };
  write(
      "version = 1\nname = 'vsftpd'\nprograms = ['x']\n[[pattern]]\nkind = 'failure'\ntext = 'x'\nexamples = [{ line = "
      "'x' }]\n");
  const std::vector<std::string> paths = {path};
  const auto set = load_detectors(paths);
  ASSERT_TRUE(set.has_value()) << set.error().message();
  EXPECT_EQ(set->size(), shipped().size());
  ASSERT_NE(find_detector(*set, "vsftpd"), nullptr);
  EXPECT_EQ(find_detector(*set, "vsftpd")->where, path);

  write(
      "version = 1\nname = 'own'\nprograms = ['x']\nincludes = ['pan']\n[[pattern]]\nkind = 'failure'\ntext = "
      "'x'\nexamples = [{ line = 'x' }]\n");
  const auto unknown = load_detectors(paths);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message().find("'includes' names 'pan', which no detector is called"), std::string::npos)
      << unknown.error().message();
  std::remove(path.c_str());

  const auto missing = load_detectors(paths);
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().message().find(path), std::string::npos);
}

}  // namespace
}  // namespace tipstaff
