#include "decide/guard_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/time.h"
#include "lookup/network_facts.h"
#include "lookup/resolver.h"
#include "sources/syslog_options.h"

namespace tipstaff {
namespace {

// A path that means the same whatever folder the guard is started in.
bool is_absolute(SectionReader& reader, std::string_view name, const std::string& path) {
  if (path.starts_with('/')) return true;
  reader.report(name, fmt::format("{}: \"{}\" is no absolute path; begin it with /", name, path));
  return false;
}

std::optional<std::string> path(SectionReader& reader, std::string_view name) {
  auto text = reader.text(name);
  return text && is_absolute(reader, name, *text) ? text : std::nullopt;
}

std::optional<std::string> timezone(SectionReader& reader) {
  auto name = reader.text("timezone");
  if (!name) return std::nullopt;
  if (const auto zone = TimeZone::find(*name); !zone) {
    reader.report("timezone", zone.error().text);
    return std::nullopt;
  }
  return name;
}

std::vector<std::string> paths(SectionReader& reader) {
  std::vector<std::string> all;
  for (std::string& one : reader.texts("files").value_or(std::vector<std::string>())) {
    if (is_absolute(reader, "files", one)) all.push_back(std::move(one));
  }
  return all;
}

std::vector<std::string> listeners(SectionReader& reader) {
  std::vector<std::string> all;
  for (std::string& one : reader.texts("syslog").value_or(std::vector<std::string>())) {
    if (const auto options = parse_syslog_listener(one); !options) {
      reader.report("syslog", options.error().text);
    } else {
      all.push_back(std::move(one));
    }
  }
  return all;
}

std::vector<IpNetwork> networks(SectionReader& reader) {
  std::vector<IpNetwork> all;
  for (const std::string& one : reader.texts("syslog_allow").value_or(std::vector<std::string>())) {
    if (const auto network = IpNetwork::parse(one)) {
      all.push_back(*network);
    } else {
      reader.report("syslog_allow",
                    fmt::format("\"{}\" is no address or network; write 192.0.2.1 or 192.0.2.0/24", one));
    }
  }
  return all;
}

void read_socket(SectionReader& reader, std::string& socket) {
  socket = path(reader, "socket").value_or(socket);
  constexpr std::size_t kMostPath = 107;  // sun_path (unix(7))
  if (socket.size() > kMostPath) {
    reader.report("socket",
                  fmt::format("the path is {} bytes long; a Unix socket's may be {}", socket.size(), kMostPath));
  }
}

void read_lookups(SectionReader& reader, LookupSettings& lookups) {
  if (auto databases = reader.texts("databases")) {
    for (const std::string& one : *databases) std::ignore = is_absolute(reader, "databases", one);
    if (databases->size() > kMostDatabases)
      reader.report("databases", fmt::format("there are more than {} databases", kMostDatabases));
    lookups.databases = std::move(*databases);
  }
  lookups.dns = reader.flag("dns").value_or(lookups.dns);
  auto servers = reader.texts("dns_servers");
  if (!servers) return;
  for (const std::string& one : *servers) {
    if (!dns_server_of(one)) {
      reader.report("dns_servers", fmt::format("\"{}\" is no DNS server; write \"192.0.2.53\" or \"[2001:db8::53]:53\"",
                                               printable(one)));
    }
  }
  if (servers->size() > kMostDnsServers)
    reader.report("dns_servers", fmt::format("there are more than {} DNS servers", kMostDnsServers));
  lookups.dns_servers = std::move(*servers);
}

// "0" keeps for ever.
void read_keeping(SectionReader& reader, std::string_view name, std::optional<std::chrono::days>& keep) {
  const auto length = reader.duration(name);
  if (!length) return;
  const auto days = std::chrono::ceil<std::chrono::days>(*length);
  keep = days.count() == 0 ? std::nullopt : std::optional(days);
}

}  // namespace

void read_guard_settings(SectionReader& top, const std::string& file, std::vector<Error>& errors,
                         GuardSettings& settings) {
  if (const TomlValue* table = top.table("sources")) {
    SectionReader reader(*table, "sources", file, errors);
    settings.timezone = timezone(reader).value_or(settings.timezone);
    settings.from_start = reader.flag("from_start").value_or(settings.from_start);
    if (FileSetting files{paths(reader), settings.from_start, settings.timezone, reader.where()}; !files.files.empty())
      settings.files.push_back(std::move(files));
    settings.journal = reader.flag("journal").value_or(settings.journal);
    if (auto folder = path(reader, "journal_folder")) {
      settings.journal = true;
      settings.journal_folder = std::move(*folder);
    }
    std::ranges::move(listeners(reader), std::back_inserter(settings.syslog));
    if (reader.has("syslog_allow")) settings.syslog_allow = networks(reader);
    settings.syslog_certificate = path(reader, "syslog_certificate").value_or(settings.syslog_certificate);
    settings.syslog_key = path(reader, "syslog_key").value_or(settings.syslog_key);
    settings.syslog_clients = path(reader, "syslog_clients").value_or(settings.syslog_clients);
    settings.trust_udp = reader.flag("trust_udp").value_or(settings.trust_udp);
  }
  for (const TomlValue* table : top.tables("source")) {
    SectionReader reader(*table, "source", file, errors);
    FileSetting files{paths(reader), reader.flag("from_start").value_or(settings.from_start),
                      timezone(reader).value_or(settings.timezone), reader.where()};
    if (!reader.has("files")) reader.report("files", "a [[source]] names no files; write files = [\"/path\"]");
    if (!files.files.empty()) settings.files.push_back(std::move(files));
  }
  if (const TomlValue* table = top.table("ledger")) {
    SectionReader reader(*table, "ledger", file, errors);
    settings.ledger = path(reader, "directory").value_or(settings.ledger);
    read_keeping(reader, "keep_failures", settings.keep_failures);
    read_keeping(reader, "keep_successes", settings.keep_successes);
  }
  if (const TomlValue* table = top.table("lookups")) {
    SectionReader reader(*table, "lookups", file, errors);
    read_lookups(reader, settings.lookups);
  }
  if (const TomlValue* table = top.table("control")) {
    SectionReader reader(*table, "control", file, errors);
    read_socket(reader, settings.socket);
    settings.view_group = reader.text("view_group").value_or(settings.view_group);
    settings.support_group = reader.text("support_group").value_or(settings.support_group);
    settings.admin_group = reader.text("admin_group").value_or(settings.admin_group);
  }
}

void read_enforce_settings(SectionReader& reader, EnforceSettings& settings) {
  settings.enabled = reader.flag("enabled").value_or(settings.enabled);
  if (const auto backend = reader.choice("backend")) settings.by_command = *backend == "command";
  if (auto command = reader.texts("command")) {
    if (command->empty() || !command->front().starts_with('/')) {
      reader.report("command", "name the program by its absolute path: command = [\"/usr/local/sbin/block\", \"arg\"]");
    } else {
      settings.command = std::move(*command);
    }
  }
  read_socket(reader, settings.socket);
  if (settings.by_command && settings.command.empty())
    reader.report("backend", "backend = \"command\" needs a program: command = [\"/usr/local/sbin/block\"]");
}

}  // namespace tipstaff
