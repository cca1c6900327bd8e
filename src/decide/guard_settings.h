// Settings of the guard: what it reads, where it writes, whom it answers. They stand in the same files as the rules, so
// they are read and checked with them; what they mean is for the guard.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "decide/section_reader.h"

namespace tipstaff {

/// Files that are followed: paths or globs.
struct FileSetting {
  std::vector<std::string> files;
  bool from_start = false;  ///< read what stands there when a file is seen for the first time
  std::string timezone;     ///< of stamps without one; empty: this machine's
  std::string where;        ///< "file:line"
};

/// What is done with blocks.
struct EnforceSettings {
  bool enabled = false;              ///< false: watch-only
  bool by_command = false;           ///< else by the enforcer
  std::vector<std::string> command;  ///< program, by its absolute path, and arguments
  std::string socket = "/run/tipstaff-enforcer/enforcer.sock";
  bool operator==(const EnforceSettings&) const = default;
};

/// Where facts about addresses come from. What goes out has a switch, and is off.
struct LookupSettings {
  std::vector<std::string> databases;    ///< of countries and networks; empty: those that are found
  bool dns = false;                      ///< ask DNS for names
  std::vector<std::string> dns_servers;  ///< "192.0.2.53:53"; empty: this machine's
  bool operator==(const LookupSettings&) const = default;
};

struct GuardSettings {
  std::vector<FileSetting> files;
  bool journal = false;
  std::string journal_folder;           ///< empty: this machine's
  std::vector<std::string> syslog;      ///< listeners, as "udp:127.0.0.1:514"
  std::vector<IpNetwork> syslog_allow;  ///< who may send to them; empty: this machine
  std::string syslog_certificate;       ///< PEM files for "tls:" listeners
  std::string syslog_key;
  std::string syslog_clients;  ///< CA of the senders
  bool trust_udp = false;      ///< records that anybody can have sent count like others
  std::string timezone;        ///< of all but the files
  bool from_start = false;     ///< of the journal
  std::string ledger = "/var/lib/tipstaff";
  std::optional<std::chrono::days> keep_failures;                            ///< none: for ever
  std::optional<std::chrono::days> keep_successes = std::chrono::days(180);  ///< none: for ever
  std::string socket = "/run/tipstaff/control.sock";
  std::string view_group = "tipstaff";  ///< who may look
  std::string support_group = "tipstaff-support";
  std::string admin_group = "tipstaff-admin";
  EnforceSettings enforce;
  LookupSettings lookups;

  /// Nothing is said of where to read, so sources are looked for.
  [[nodiscard]] bool finds_sources() const { return files.empty() && !journal && syslog.empty(); }
};

/// Reads [sources], [[source]], [ledger], [control] and [lookups] of one file over what earlier files said.
void read_guard_settings(SectionReader& top, const std::string& file, std::vector<Error>& errors,
                         GuardSettings& settings);

/// Reads [enforce] over what earlier files said.
void read_enforce_settings(SectionReader& reader, EnforceSettings& settings);

}  // namespace tipstaff
