// Replays fuzz/corpus/x/* through fuzz/x_fuzz.cc: what fuzzing once found stays found. A target reports trouble by
// crashing or by a failed assertion, so there is nothing to compare here; the inputs' names go to the test's log
// only when one of them fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz_targets.h"

namespace tipstaff {
namespace {

namespace fs = std::filesystem;

class FuzzCorpus : public testing::TestWithParam<FuzzTarget> {};

TEST_P(FuzzCorpus, Replays) {
  const fs::path folder = fs::path(TIPSTAFF_SOURCE_DIR) / "fuzz/corpus" / GetParam().name;
  ASSERT_TRUE(fs::is_directory(folder)) << "a fuzz target needs a corpus: add a few inputs to " << folder;
  std::vector<fs::path> inputs;
  for (const auto& entry : fs::directory_iterator(folder)) inputs.push_back(entry.path());
  ASSERT_FALSE(inputs.empty()) << "add a few inputs to " << folder;
  std::ranges::sort(inputs);
  for (const auto& input : inputs) {
    std::ifstream stream(input, std::ios::binary);
    const std::vector<char> text(std::istreambuf_iterator<char>(stream), {});
    // A copy without a spare byte behind it, so that AddressSanitizer sees a read past the end.
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    EXPECT_EQ(GetParam().run(bytes.data(), bytes.size()), 0) << input;
  }
}

INSTANTIATE_TEST_SUITE_P(All, FuzzCorpus, testing::ValuesIn(fuzz_targets()),
                         [](const auto& target) { return target.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FuzzCorpus);

}  // namespace
}  // namespace tipstaff
