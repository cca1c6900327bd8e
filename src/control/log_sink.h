// Where the guard's sentences for the administrator go: standard error, with priorities for the service manager.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tipstaff {

/// Priorities as syslog and systemd number them.
enum class Priority : std::uint8_t { error = 3, warning = 4, notice = 5, info = 6 };
using LogSink = std::function<void(Priority, const std::string&)>;

}  // namespace tipstaff
