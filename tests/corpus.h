// Where the log corpus lies that some tests want: $TIPSTAFF_CORPUS, and nowhere else. Without it these tests are
// skipped with kNoCorpus; with it set `./dev test` counts such a skip as a failure.
//   if (corpus().empty()) GTEST_SKIP() << kNoCorpus;
#pragma once

#include <cstdlib>
#include <filesystem>

namespace tipstaff {

inline constexpr const char* kNoCorpus = "TIPSTAFF_CORPUS is not set: it names the folder of the log corpus";

/// The corpus's folder, or an empty path.
[[nodiscard]] inline std::filesystem::path corpus() {
  const char* const folder = std::getenv("TIPSTAFF_CORPUS");
  return folder == nullptr ? "" : folder;
}

}  // namespace tipstaff
