// Who wrote a journal entry? Any local user can log "Failed password for root from ..." under the name sshd, in the
// message and in SYSLOG_IDENTIFIER alike, and so have anybody shut out. What he cannot write are the fields that journald
// takes from the kernel: the unit, the program's file name and the user of the process. A detector names those of its
// service; this file compares them. It says nothing of lines that come without such fields (files, syslog).
#pragma once

#include <string_view>

#include "detect/detector.h"
#include "sources/source.h"

namespace tipstaff {

/// Whether the fields that a journal vouches for show that the detector's service wrote the entry; `program` is the name
/// it was logged under. One of these must hold:
///
///  - the unit is one of `journal_units`; if the detector has `journal_comm` too, the process must be one of them, and
///    must not run as a person: a login without its own session leaves the user's shell in the unit of the service;
///  - the process is one of `journal_comm` and root's: pam_systemd moves sshd into the unit of the session it opens. A user
///    can give his program any name, so the name alone says nothing;
///  - the detector names neither, and it is root's process under its own name (PAM lines of any program).
[[nodiscard]] bool is_trusted(const Detector& detector, const Writer& writer, std::string_view program);

}  // namespace tipstaff
