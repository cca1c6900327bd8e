// Log lines with priorities where standard error goes to the journal (sd-daemon(3)); what the guard tells the service
// manager is in base/.
#pragma once

#include "base/service_notify.h"
#include "control/guard_core.h"

namespace tipstaff {

/// A sink that writes to standard error, each line whole, from any thread: "<4>text" where that is the journal, else
/// "tipstaff: text".
[[nodiscard]] LogSink log_to_standard_error();

}  // namespace tipstaff
