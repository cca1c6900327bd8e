// The compiled-in files are the repository's files of today: a stale copy would hide an edited detector.
#include "base/embedded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace tipstaff {
namespace {

const std::filesystem::path kRoot = TIPSTAFF_SOURCE_DIR;

TEST(Embedded, HoldsEachFileByteForByte) {
  for (const EmbeddedFile& file : embedded_files()) {
    std::ifstream stream(kRoot / file.name, std::ios::binary);
    ASSERT_TRUE(stream) << file.name;
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    EXPECT_TRUE(file.text == text) << file.name << " differs from the compiled-in copy: build again";
  }
}

TEST(Embedded, MissesNoDetectorAndNoRule) {
  for (const char* const folder : {"detectors", "rules"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kRoot / folder)) {
      if (entry.path().extension() != ".toml") continue;
      const std::string name = std::filesystem::relative(entry.path(), kRoot);
      EXPECT_TRUE(std::ranges::count(embedded_files(), name, &EmbeddedFile::name) == 1) << name;
    }
  }
}

TEST(Embedded, IsSortedByName) { EXPECT_TRUE(std::ranges::is_sorted(embedded_files(), {}, &EmbeddedFile::name)); }

}  // namespace
}  // namespace tipstaff
