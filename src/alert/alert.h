// An alert: what our own administrator is told of one thing that happened, complete and without a form. Who it is mailed
// to, and whether it is mailed by itself or told in the daily word, follows from its class; how it reads, alert_text.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

/// When the administrator is told: at once; in the daily word; not at all (the ledger has it).
enum class AlertClass : std::uint8_t { now, digest, silent };
[[nodiscard]] std::string_view to_text(AlertClass of);

/// What it is about.
enum class AlertKind : std::uint8_t {
  block,    ///< an address was shut out, or would have been
  rule,     ///< a rule that only alerts
  machine,  ///< this machine's own state: a blind source, a block that does not bite, a disk that fills
};

/// One attempt of the address, as an alert lists it.
struct Observation {
  Instant at{};
  std::string account;  ///< bytes as logged
  bool has_account = false;
  bool success = false;
  std::string service;
};

/// The rule's numbers; zero: not known (the rule is not in the configuration any more).
struct RuleNumbers {
  std::chrono::seconds trigger_window{};
  std::uint32_t occurrences = 0;
  std::chrono::seconds lockout{};
};

/// Texts are bytes of strangers where they come from logs, DNS or databases; alert_text makes them printable.
struct Alert {
  AlertKind kind = AlertKind::block;
  AlertClass of = AlertClass::digest;
  std::string key;  ///< the same thing has the same key, whenever it is looked at
  std::string host;
  Instant at{};

  // of block and rule
  std::optional<IpNetwork> network;
  std::string rule;
  RuleNumbers numbers;
  std::string origin;   ///< of the attempt that filled the rule: "sshd", "Windows"
  std::string service;  ///< of a block that shuts a service alone
  std::optional<Instant> until;
  bool watch_only = false;
  std::optional<std::string> account;  ///< what an account's rule counted

  std::string name;  ///< by DNS; empty: none, or not asked
  bool name_confirmed = false;
  std::vector<std::string> roles;  ///< "the mail server of parliament.example"
  std::string country;             ///< "SE"; empty: not known
  std::string network_name;        ///< of the autonomous system
  std::uint32_t as_number = 0;
  std::string victim;  ///< why the address may be a victim, not only an attacker; empty: no sign of it

  std::vector<Observation> previous;  ///< newest first
  std::optional<Instant> first_seen;
  std::int64_t failures = 0;  ///< of the address, in the whole ledger
  std::int64_t successes = 0;
  std::vector<std::string> hosts;     ///< that it tried, other than `host`
  std::vector<std::string> accounts;  ///< that it tried, most tries first
  std::size_t more_accounts = 0;

  // of machine
  std::string sentence;  ///< what is wrong
  std::string advice;    ///< what to do

  std::string chain_head;  ///< of the ledger, when the alert was made
};

}  // namespace tipstaff
