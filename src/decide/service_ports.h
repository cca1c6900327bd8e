// Which ports a block of one service shuts: those that the settings name for it ([enforce.ports]), else those of its
// detector. A service without ports cannot be shut by itself; `tipstaff check` says so beforehand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/service_port.h"
#include "decide/config.h"
#include "detect/detector.h"

namespace tipstaff {

/// Sorted, each once; empty where nobody knows the service's ports.
[[nodiscard]] std::vector<ServicePort> service_ports(const Config& config, const DetectorSet& detectors,
                                                     std::string_view service);

/// Sentences, with file and line: rules that would shut one service of which no port is known.
[[nodiscard]] std::vector<std::string> rules_without_ports(const Config& config, const DetectorSet& detectors);

}  // namespace tipstaff
