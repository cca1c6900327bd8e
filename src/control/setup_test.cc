// What the guard begins with when its files have errors: all that is right, and a sentence for each thing left out.
#include "control/setup.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "detect/detector.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

constexpr const char* kDetector = R"(
version = 1
name = "doorman"
title = "A doorman"
programs = ["doorman"]
[[pattern]]
kind = "failure"
text = "refused {account:word} from {address}"
examples = [{ line = "refused bob from 192.0.2.1", address = "192.0.2.1", account = "bob" }]
)";

TEST(SetupGuard, LeavesOutWhatIsWrongAndSaysSo) {
  const TemporaryFolder folder;
  const std::string config = folder.file("tipstaff.toml",
                                         "version = 1\n[sources]\nfiles = [\"auth.log\", \"/var/log/x.log\"]\n"
                                         "[[rule]]\nname = \"broken\"\n"
                                         "[[rule]]\nname = \"good\"\ntrigger_window = \"1m\"\noccurrences = 2\n"
                                         "lockout = \"1h\"\n");
  std::filesystem::create_directory(folder.path() / "detectors");
  folder.file("detectors/a.toml", "name = \"half\n");
  folder.file("detectors/b.toml", kDetector);
  const auto setup = setup_guard(config, {folder.path() / "detectors"});
  ASSERT_TRUE(setup.has_value()) << setup.error().message();
  ASSERT_GE(setup->problems.size(), 3U);
  std::string all;
  for (const std::string& problem : setup->problems) all += problem + "\n";
  for (const char* part : {"tipstaff.toml:3", "tipstaff.toml:4", "a.toml:1"})
    EXPECT_NE(all.find(part), std::string::npos) << part << " in " << all;
  EXPECT_NE(find_detector(*setup->detectors, "doorman"), nullptr) << "the good file beside the bad one";
  EXPECT_NE(find_detector(*setup->detectors, "sshd"), nullptr);
  const auto& rules = setup->config->rules;
  EXPECT_TRUE(std::ranges::any_of(rules, [](const Rule& rule) { return rule.name == "good"; }));
  EXPECT_TRUE(std::ranges::any_of(rules, [](const Rule& rule) { return rule.name == "Catch All Login"; }));
  EXPECT_FALSE(std::ranges::any_of(rules, [](const Rule& rule) { return rule.name == "broken"; }));
  ASSERT_EQ(setup->config->guard.files.size(), 1U);
  EXPECT_EQ(setup->config->guard.files[0].files, std::vector<std::string>{"/var/log/x.log"});
}

TEST(SetupGuard, AConfigurationThatIsNotThere) {
  const TemporaryFolder folder;
  const auto setup = setup_guard(folder.path() / "none.toml", {});
  ASSERT_FALSE(setup.has_value());
  EXPECT_EQ(setup.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace tipstaff
