// A configuration on trial: its states by a clock of the test's, and that what was in force survives every kind of end.
#include "control/trial.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>

#include "control/setup.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

using std::chrono::minutes;

constexpr Instant kNow = Instant(std::chrono::sys_days(std::chrono::year(2026) / 11 / 25));
constexpr const char* kOld =
    "version = 1\n[[rule]]\nname = \"Old\"\ntrigger_window = \"1h\"\noccurrences = 9\n"
    "lockout = \"1h\"\n";
constexpr const char* kNew =
    "version = 1\n[[rule]]\nname = \"New\"\ntrigger_window = \"1h\"\noccurrences = 1\n"
    "lockout = \"1h\"\n";

// A folder with a configuration and a ledger's folder.
class TrialTest : public testing::Test {
 protected:
  TrialTest() {
    std::filesystem::create_directories(folder_.path() / "etc/conf.d");
    std::filesystem::create_directories(folder_.path() / "etc/detectors.d");
    std::filesystem::create_directories(folder_.path() / "ledger");
    places_.directory = folder_.path() / "etc";
    write(kOld);
  }
  void write(const std::string& rules) const { write_file(folder_.path() / "etc/conf.d/50-ours.toml", rules); }
  [[nodiscard]] Trial trial() const { return {folder_.path() / "ledger", places_}; }
  // Names of the rules that a start would put in force.
  [[nodiscard]] std::vector<std::string> rules_in_force(const Trial& trial) const {
    std::vector<std::string> names;
    const auto setup = setup_guard(trial.in_force());
    EXPECT_TRUE(setup.has_value());
    if (!setup) return names;
    EXPECT_TRUE(setup->problems.empty()) << setup->problems.front();
    for (const Rule& rule : setup->config->rules) {
      if (rule.name == "Old" || rule.name == "New") names.push_back(rule.name);
    }
    return names;
  }

  TemporaryFolder folder_;
  ConfigPlaces places_;
};

using Names = std::vector<std::string>;

TEST_F(TrialTest, ConfirmedInTime) {
  Trial one = trial();
  EXPECT_EQ(one.state(), Trial::State::none);
  const ConfigTexts before = read_texts(places_);
  write(kNew);
  ASSERT_TRUE(one.begin(before, kNow, minutes(5), "root").has_value());
  EXPECT_EQ(one.state(), Trial::State::running);
  EXPECT_FALSE(one.is_due(kNow + minutes(4)));
  EXPECT_TRUE(one.is_due(kNow + minutes(5)));
  EXPECT_NE(one.sentence().find("taken back at 2026-11-25T00:05:00Z"), std::string::npos) << one.sentence();
  EXPECT_EQ(one.may_reload().error().kind, ErrorKind::conflict);
  EXPECT_EQ(one.begin(before, kNow, minutes(5), "root").error().kind, ErrorKind::conflict);
  ASSERT_TRUE(one.confirm().has_value());
  EXPECT_EQ(one.sentence(), "");
  EXPECT_EQ(rules_in_force(one), Names{"New"});
  EXPECT_EQ(rules_in_force(trial()), Names{"New"}) << "also after a restart";
  EXPECT_EQ(one.confirm().error().kind, ErrorKind::not_found);
}

TEST_F(TrialTest, TakenBackAndStillSoAfterRestarts) {
  Trial one = trial();
  const ConfigTexts before = read_texts(places_);
  write(kNew);
  ASSERT_TRUE(one.begin(before, kNow, minutes(5), "uid 1000 (anna)").has_value());
  one.took_back(kNow + minutes(5));
  EXPECT_EQ(rules_in_force(one), Names{"Old"});
  EXPECT_NE(one.sentence().find("the files on disk are not in force: the trial that uid 1000 (anna) began"),
            std::string::npos);
  EXPECT_EQ(one.confirm().error().kind, ErrorKind::not_found);
  for (int i = 0; i < 2; ++i) {
    Trial again = trial();
    EXPECT_EQ(again.state(), Trial::State::taken_back);
    EXPECT_FALSE(again.left_blocks());
    EXPECT_EQ(rules_in_force(again), Names{"Old"});
  }
  Trial last = trial();
  EXPECT_TRUE(last.may_reload().has_value());
  last.reloaded();
  EXPECT_EQ(rules_in_force(last), Names{"New"});
  EXPECT_EQ(trial().state(), Trial::State::none);
}

TEST_F(TrialTest, ARestartTakesItBack) {
  {
    Trial one = trial();
    const ConfigTexts before = read_texts(places_);
    write(kNew);
    ASSERT_TRUE(one.begin(before, kNow, minutes(5), "root").has_value());
  }
  Trial again = trial();
  EXPECT_EQ(again.state(), Trial::State::taken_back);
  EXPECT_TRUE(again.left_blocks()) << "those of the trial are still to be ended";
  EXPECT_EQ(again.note().begun, kNow);
  again.took_back(kNow + minutes(1));
  EXPECT_FALSE(again.left_blocks());
  EXPECT_FALSE(trial().left_blocks()) << "once is enough";
}

TEST_F(TrialTest, AFurtherTrialAfterOneThatWasTakenBack) {
  Trial one = trial();
  const ConfigTexts before = read_texts(places_);
  write(kNew);
  ASSERT_TRUE(one.begin(before, kNow, minutes(5), "root").has_value());
  one.took_back(kNow + minutes(5));
  const ConfigTexts held = read_texts(one.held());
  EXPECT_EQ(held, before);
  ASSERT_TRUE(one.begin(held, kNow + minutes(6), minutes(5), "root").has_value());
  EXPECT_EQ(rules_in_force(one), Names{"New"});
  one.give_up();
  EXPECT_EQ(rules_in_force(one), Names{"Old"});
  EXPECT_EQ(rules_in_force(trial()), Names{"Old"});
}

TEST_F(TrialTest, PutBackByHandItIsOver) {
  Trial one = trial();
  const ConfigTexts before = read_texts(places_);
  write(kNew);
  ASSERT_TRUE(one.begin(before, kNow, minutes(5), "root").has_value());
  one.took_back(kNow + minutes(5));
  write(kOld);
  EXPECT_EQ(trial().state(), Trial::State::none);
}

TEST_F(TrialTest, AHalfWrittenOneIsNone) {
  Trial one = trial();
  ASSERT_TRUE(one.begin(read_texts(places_), kNow, minutes(5), "root").has_value());
  std::filesystem::remove(folder_.path() / "ledger/held/trial.toml");
  EXPECT_EQ(trial().state(), Trial::State::none);
  write_file(folder_.path() / "ledger/held/trial.toml", "version = 1\nbegun = ");
  EXPECT_EQ(trial().state(), Trial::State::none);
}

TEST_F(TrialTest, ALedgerThatCannotBeWrittenToRefusesTheTrial) {
  write_file(folder_.path() / "plain", "no folder");
  Trial one(folder_.path() / "plain", places_);
  const auto begun = one.begin(read_texts(places_), kNow, minutes(5), "root");
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().kind, ErrorKind::unavailable);
  EXPECT_EQ(one.state(), Trial::State::none);
}

TEST_F(TrialTest, DetectorsAndTheCommandLinesFilesAreHeldToo) {
  const std::string more = folder_.file("extra.toml", "version = 1\n");
  write_file(folder_.path() / "etc/detectors.d/ours.toml", "version = 1\n");
  write_file(folder_.path() / "etc/conf.d/README", "not read");
  places_.detectors = {more, (folder_.path() / "etc/detectors.d").string()};
  const ConfigTexts texts = read_texts(places_);
  std::vector<std::string> names;
  for (const auto& [name, text] : texts.files) names.push_back(name);
  EXPECT_EQ(names, (Names{"conf.d/50-ours.toml", "detectors.d/ours.toml", "detectors.more/0000-extra.toml",
                          "detectors.more/0001-ours.toml"}));
  const HeldConfig held(folder_.path() / "ledger");
  ASSERT_TRUE(held.keep(texts, {kNow, kNow, "a \"quoted\" \\ name\n", std::nullopt}).has_value());
  EXPECT_EQ(read_texts(held.places()), texts);
  EXPECT_EQ(held.note()->by, "a \"quoted\" \\ name ");
  ConfigTexts other = texts;
  other.files[0].second = "changed";
  other.files.pop_back();
  EXPECT_EQ(texts.differing(other), (Names{"conf.d/50-ours.toml", "detectors.more/0001-ours.toml"}));
  EXPECT_TRUE(texts.differing(texts).empty());
}

}  // namespace
}  // namespace tipstaff
