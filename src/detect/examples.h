// Runs the examples that every pattern carries: the unforged ones must be read as they say, of the forged ones the true
// address must come out, or none. The same proof for shipped and for own detectors.
#pragma once

#include <string>
#include <vector>

#include "detect/detector.h"

namespace tipstaff {

/// Tries all examples of one detector. Adds a sentence with file and line for each that is not read as it says; gives the
/// number of those that are.
[[nodiscard]] std::size_t test_examples(const DetectorSet& set, const Detector& detector,
                                        std::vector<std::string>& problems);

}  // namespace tipstaff
