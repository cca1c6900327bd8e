// `tipstaff detectors list|show|test`: what is recognised, and proof of it.
#pragma once

#include <string>
#include <vector>

namespace tipstaff {

struct DetectorsOptions {
  std::vector<std::string> detectors;  ///< further detector files and folders
  std::string name;                    ///< show, test: only this one
  bool json = false;
};

[[nodiscard]] int run_detectors_list(const DetectorsOptions& options);
[[nodiscard]] int run_detectors_show(const DetectorsOptions& options);
/// Runs every example and every forged example; kFailed where one is not read as it should.
[[nodiscard]] int run_detectors_test(const DetectorsOptions& options);

}  // namespace tipstaff
