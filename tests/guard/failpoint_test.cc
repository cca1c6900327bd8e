// The shipped program has no failpoint in it, neither code nor name; the tests' second one has all that the sources
// name. That they end it is kill_test.cc's matter.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "tests/run.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

// The names in the sources: failpoint("folder.moment").
std::set<std::string> names() {
  std::set<std::string> all;
  const std::regex call("[^`]failpoint\\(\"([a-z_.]+)\"\\);");
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(TIPSTAFF_SOURCE_DIR) / "src")) {
    if (entry.path().extension() != ".cc") continue;
    const std::string text = read_file(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) all.insert((*it)[1]);
  }
  return all;
}

TEST(Failpoint, TheShippedProgramHasNone) {
  const std::string shipped = read_file(TIPSTAFF_BINARY);
  const std::string second = read_file(TIPSTAFF_FAILPOINT_BINARY);
  EXPECT_EQ(shipped.find("TIPSTAFF_FAILPOINT"), std::string::npos);
  EXPECT_NE(second.find("TIPSTAFF_FAILPOINT"), std::string::npos);
  for (const std::string& name : names()) {
    EXPECT_EQ(shipped.find(name), std::string::npos) << name;
    EXPECT_NE(second.find(name), std::string::npos) << name << ": does its source include base/failpoint.h?";
  }
}

}  // namespace
}  // namespace tipstaff
