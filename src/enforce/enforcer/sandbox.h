// What the enforcer gives up once it has opened what it needs: every right but CAP_NET_ADMIN, and every system call but the
// few that its loop makes. A call beyond these ends the program.
#pragma once

#include "base/result.h"

namespace tipstaff {

/// Keeps CAP_NET_ADMIN alone, and sets no_new_privs. Errors: denied (there is no CAP_NET_ADMIN to keep).
Result<void> keep_net_admin_only();
/// From here on only the calls of the loop are allowed; any other kills the process (SIGSYS).
Result<void> allow_few_system_calls();

}  // namespace tipstaff
