// The table of fuzz targets which the build makes (cmake/fuzz_targets.cc.in) from fuzz/*_fuzz.cc, so that the corpus
// of each is replayed by the ordinary tests, without clang and without libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tipstaff {

/// `name` is "line" for fuzz/line_fuzz.cc, whose corpus lies in fuzz/corpus/line/. `run` is libFuzzer's entry.
struct FuzzTarget {
  std::string name;
  int (*run)(const std::uint8_t* data, std::size_t size);
};

[[nodiscard]] std::vector<FuzzTarget> fuzz_targets();

}  // namespace tipstaff
