// tipstaff-desk: takes alerts out of the ledger and brings them to the administrator. The parts are wired here: settings, the
// store, look-ups, collector, watch and word on one thread; sending, which may take minutes, on another with a connection
// to the store of its own. It has no access to the firewall; where it falls, guarding goes on, and it takes up where it was.
#pragma once

#include <string>

#include "alert/alert_store.h"
#include "base/result.h"
#include "mail/mail_settings.h"
#include "mail/send/send.h"

namespace tipstaff {

struct DeskOptions {
  std::string config;  ///< the file that is read instead of /etc/tipstaff; empty: the layers there
};

/// Runs until SIGTERM or SIGINT; SIGHUP reads the configuration again, and keeps the old one where the new is wrong. Gives
/// the exit code: 0 ended, 1 cannot run, 2 the configuration is wrong or asks for nothing.
[[nodiscard]] int run_desk(const DeskOptions& options);

/// Sends a mail and an event at once, and says on standard output what became of each. 0: all were taken; 1: not; 2: the
/// configuration is wrong, or names neither.
[[nodiscard]] int run_test_mail(const DeskOptions& options);

/// Sends one message as the settings say.
[[nodiscard]] Sent send_message(const OutwardSettings& settings, const std::string& host, const StoredMessage& message);

}  // namespace tipstaff
