// Rules and settings in force: read from the shipped defaults and the administrator's files, checked as a whole, then
// never changed (a reload makes a new Config). Either layers, the later one winning, or one file that stands alone.
// All errors of all files are reported at once; nothing is taken from a set of files that has one.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/service_port.h"
#include "decide/desk_settings.h"
#include "decide/exemptions.h"
#include "decide/guard_settings.h"
#include "decide/origins.h"
#include "decide/rules.h"

namespace tipstaff {

/// A DNS name on the allowlist.
struct ExemptName {
  std::string name;
  std::string where;  ///< "file:line"
};

/// [allowlist], as far as it is found out while the guard runs.
struct AllowSettings {
  std::vector<ExemptName> names;  ///< at most kMostNames
  std::chrono::seconds names_refresh = std::chrono::minutes(5);
  bool sessions = true;  ///< peers of administrators' sessions
};
inline constexpr std::size_t kMostNames = 64;

/// What is set beside the rules.
struct Settings {
  bool count_publickey_failures = false;                       ///< [detect]
  std::uint32_t tracked = 100000;                              ///< [limits]: keys kept per rule
  std::chrono::seconds recent_success{0};                      ///< [protect]: 0 is off
  std::chrono::seconds known_account = std::chrono::days(30);  ///< [protect]: a success says that the account exists
  std::uint32_t stale_factor = 1;                              ///< [protect]: 1 is off
  std::map<std::string, std::vector<ServicePort>, std::less<>> ports;  ///< [enforce.ports]: by service
};

/// An immutable snapshot; shared by pointer.
struct Config {
  std::vector<Rule> rules;                      ///< in the order in which they look at an attempt
  Exemptions exempt;                            ///< allowlist, trusted proxies, and own addresses where they were given
  std::vector<OriginExemption> exempt_origins;  ///< countries and ASs of [allowlist]
  AllowSettings allow;
  Settings settings;
  GuardSettings guard;
  DeskSettings desk;
  std::vector<std::string> files;  ///< what it was read from, in that order
  /// Countries and ASs of addresses; null where nothing asks for them, or they are not to be had. Keeps what it read, so it
  /// is for the thread that judges.
  std::shared_ptr<NetworkFacts> facts;
  /// "file:line: sentence" of each rule and exemption that asks for them in vain.
  std::vector<std::string> without_facts;
};

/// Opens the database where a rule or exemption asks for it.
void use_network_facts(Config& config);
/// Which of [allowlist]'s countries and ASs holds the address; null: none does, or nobody knows.
[[nodiscard]] const OriginExemption* find_origin_exemption(const Config& config, IpAddress address);

using ConfigErrors = std::vector<Error>;
using LoadedConfig = std::expected<Config, ConfigErrors>;

/// Where the layers lie and what is exempt beside them.
struct LayerOptions {
  std::string directory = "/etc/tipstaff";    ///< holds tipstaff.toml and conf.d/*.toml; each may be missing
  std::vector<IpNetwork> own_addresses = {};  ///< this machine's
  std::string file = {};                      ///< if given, read instead of those of `directory`
};

/// The files of the administrator's layers that exist, in the order in which they are read.
[[nodiscard]] std::vector<std::string> layer_files(const std::string& directory, ConfigErrors& errors);

/// Shipped defaults, then tipstaff.toml, then conf.d/*.toml by name. Each file must say `version = 1`.
[[nodiscard]] LoadedConfig load_layers(const LayerOptions& options);

/// What is right of the layers, and all that is not: a rule or setting with an error is left out, a file that cannot be
/// read at all as a whole. For a start that must not end with nothing guarded.
struct PartialConfig {
  Config config;
  ConfigErrors errors;
};
[[nodiscard]] PartialConfig load_layers_partly(const LayerOptions& options);

/// The file alone: no shipped rule or setting, no own addresses. `version` may be missing.
[[nodiscard]] LoadedConfig load_rules_file(const std::string& path);
/// The same from memory; `file` names it in errors.
[[nodiscard]] LoadedConfig parse_rules(std::string_view text, const std::string& file);

/// One "file:line: sentence" a line.
[[nodiscard]] std::string to_text(const ConfigErrors& errors);

}  // namespace tipstaff
