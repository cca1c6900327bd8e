// Layers are read into one list of slots, a slot for each rule name. A rule of a known name takes over its slot; a
// new one of the administrator's is put before the last shipped rule, the catch-all, since whatever stands behind
// that would never be asked. Disabled rules keep their slot until the end, so that a later layer can fill it again.
#include "decide/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "base/embedded.h"
#include "base/text.h"
#include "base/toml_file.h"
#include "decide/rule_reader.h"
#include "decide/section_reader.h"
#include "lookup/resolver.h"

namespace tipstaff {
namespace {

constexpr std::string_view kShippedRules = "rules/default.toml";
constexpr std::size_t kMostRules = 1000;  // in one file

class Loader {
 public:
  void read_shipped() {
    for (const EmbeddedFile& file : embedded_files()) {
      if (file.name != kShippedRules) continue;
      take(parse_toml(file.text, std::string(file.name)), std::string(file.name), true);
      if (!slots_.empty()) last_shipped_ = slots_.size() - 1;
      return;
    }
    errors_.push_back({ErrorKind::internal, "the shipped rules are missing from this program; install it again",
                       std::string(kShippedRules)});
  }

  void read_file(const std::string& path, bool needs_version) { take(read_toml_file(path), path, needs_version); }

  void take(const Result<TomlValue>& file, const std::string& name, bool needs_version) {
    files_.push_back(name);
    if (!file) {
      errors_.push_back(file.error());
      return;
    }
    const std::size_t before = errors_.size();
    SectionReader reader(*file, "", name, errors_);
    check_version(reader, name, needs_version);
    read_settings(reader, name);
    read_guard_settings(reader, name, errors_, guard_);
    check_names(reader, name);
    read_rules(reader, name);
    sort_from(before);
  }

  LoadedConfig finish(const std::vector<IpNetwork>& own_addresses) {
    if (!errors_.empty()) return std::unexpected(std::move(errors_));
    return finish_partly(own_addresses).config;
  }

  PartialConfig finish_partly(const std::vector<IpNetwork>& own_addresses) {
    Config config;
    for (Slot& slot : slots_) {
      if (slot.enabled) config.rules.push_back(std::move(slot.rule));
    }
    for (const IpNetwork& own : own_addresses)
      allowed_.push_back({own, "this machine's own address", ExemptionKind::own});
    config.exempt = Exemptions(std::move(allowed_));
    config.exempt_origins = std::move(allowed_origins_);
    config.allow = std::move(allow_);
    config.settings = settings_;
    config.guard = std::move(guard_);
    config.desk = std::move(desk_);
    config.files = std::move(files_);
    return {std::move(config), std::move(errors_)};
  }

  void report(Error error) { errors_.push_back(std::move(error)); }

 private:
  struct Slot {
    Rule rule;
    bool enabled = true;
  };

  static std::size_t line_of(const Error& error) {
    const std::size_t colon = error.where.rfind(':');
    return colon == std::string::npos ? 0 : std::strtoul(error.where.c_str() + colon + 1, nullptr, 10);
  }

  // The errors of one file by line; those of one line stay as they came.
  void sort_from(std::size_t first) {
    std::vector<std::pair<std::size_t, std::size_t>> order;  // line, index
    for (std::size_t i = first; i < errors_.size(); ++i) order.emplace_back(line_of(errors_[i]), i);
    std::ranges::sort(order);
    ConfigErrors sorted;
    for (const auto& [line, index] : order) sorted.push_back(std::move(errors_[index]));
    std::ranges::move(sorted, errors_.begin() + static_cast<std::ptrdiff_t>(first));
  }

  void check_version(SectionReader& reader, const std::string& name, bool needed) {
    if (!reader.has("version")) {
      if (needed)
        errors_.push_back({ErrorKind::invalid, "the file does not say its version; write version = 1 as its first line",
                           name + ":1"});
      return;
    }
    const auto version = reader.count("version");
    if (version && *version != 1) {
      reader.report("version",
                    fmt::format("version {} is not known to this Tipstaff, which reads version 1; install the Tipstaff "
                                "this file was written for, or write it anew by docs/formats/rules.md",
                                *version));
    }
  }

  void read_settings(SectionReader& top, const std::string& name) {
    if (const TomlValue* table = top.table("allowlist")) {
      SectionReader reader(*table, "allowlist", name, errors_);
      for (Exemption& entry : reader.networks("networks").value_or(std::vector<Exemption>()))
        allowed_.push_back(std::move(entry));
      for (Exemption& entry : reader.networks("proxies").value_or(std::vector<Exemption>())) {
        entry.kind = ExemptionKind::proxy;
        allowed_.push_back(std::move(entry));
      }
      if (reader.has("names")) read_names(reader, *table, name);
      const auto countries = reader.countries("countries").value_or(std::vector<CountryCode>());
      for (std::size_t i = 0; i < countries.size(); ++i)
        allowed_origins_.push_back({{countries[i], 0}, reader.where_of("countries", i)});
      const auto ases = reader.as_numbers("as").value_or(std::vector<std::uint32_t>());
      for (std::size_t i = 0; i < ases.size(); ++i)
        allowed_origins_.push_back({{CountryCode(), ases[i]}, reader.where_of("as", i)});
      allow_.names_refresh = reader.duration("names_refresh").value_or(allow_.names_refresh);
      allow_.sessions = reader.flag("sessions").value_or(allow_.sessions);
    }
    if (const TomlValue* table = top.table("detect")) {
      SectionReader reader(*table, "detect", name, errors_);
      settings_.count_publickey_failures =
          reader.flag("count_publickey_failures").value_or(settings_.count_publickey_failures);
    }
    if (const TomlValue* table = top.table("limits")) {
      SectionReader reader(*table, "limits", name, errors_);
      settings_.tracked = reader.count("tracked").value_or(settings_.tracked);
    }
    if (const TomlValue* table = top.table("protect")) {
      SectionReader reader(*table, "protect", name, errors_);
      settings_.recent_success = reader.duration("recent_success").value_or(settings_.recent_success);
      settings_.known_account = reader.duration("known_account").value_or(settings_.known_account);
      settings_.stale_factor = reader.count("stale_factor").value_or(settings_.stale_factor);
    }
    if (const TomlValue* table = top.table("desk")) {
      SectionReader reader(*table, "desk", name, errors_);
      read_desk_settings(reader, desk_);
    }
    if (const TomlValue* table = top.table("enforce")) {
      SectionReader reader(*table, "enforce", name, errors_);
      read_enforce_settings(reader, guard_.enforce);
      if (const TomlValue* ports = reader.table("ports")) read_ports(*ports, name);
    }
  }

  // What later stages read: their names are checked here, their values there.
  void check_names(SectionReader& top, const std::string& name) {
    for (const std::string_view section : {"mail", "webhook"}) {
      if (const TomlValue* table = top.table(section)) SectionReader(*table, section, name, errors_);
    }
  }

  void read_names(SectionReader& reader, const TomlValue& table, const std::string& file) {
    const TomlValue* const list = table.find("names");
    for (const std::string& name : reader.texts("names").value_or(std::vector<std::string>())) {
      unsigned line = list->line;  // or that of the entry, where each has one of its own
      for (const TomlValue& item : list->items) {
        if (item.text == name) line = item.line;
      }
      const std::string where = fmt::format("{}:{}", file, line);
      if (!is_dns_name(name)) {
        errors_.push_back({ErrorKind::invalid,
                           fmt::format("names: \"{}\" is no DNS name; write it as \"office.example.com\" (addresses "
                                       "and networks go to networks)",
                                       printable(name)),
                           where});
      } else if (std::ranges::find(allow_.names, name, &ExemptName::name) != allow_.names.end()) {
        continue;
      } else if (allow_.names.size() >= kMostNames) {
        errors_.push_back({ErrorKind::invalid,
                           fmt::format("there are more than {} names; each is looked up again and again", kMostNames),
                           where});
        return;
      } else {
        allow_.names.push_back({name, where});
      }
    }
  }

  // The keys are services, so no definition lists them.
  void read_ports(const TomlValue& table, const std::string& name) {
    for (const TomlEntry& entry : table.entries) {
      std::vector<ServicePort> ports;
      const auto wrong = [&](unsigned line) {
        errors_.push_back(
            {ErrorKind::invalid,
             fmt::format("the ports of {} must be a list such as [\"22/tcp\", \"1194/udp\"]", printable(entry.key)),
             fmt::format("{}:{}", name, line)});
      };
      if (entry.value.kind != TomlValue::Kind::list || entry.value.items.empty()) {
        wrong(entry.line);
        continue;
      }
      for (const TomlValue& item : entry.value.items) {
        const auto port = item.kind == TomlValue::Kind::text ? ServicePort::parse(item.text) : std::nullopt;
        if (!port) {
          wrong(item.line);
          continue;
        }
        ports.push_back(*port);
      }
      std::ranges::sort(ports);
      const auto doubled = std::ranges::unique(ports);
      ports.erase(doubled.begin(), doubled.end());
      settings_.ports.insert_or_assign(entry.key, std::move(ports));
    }
  }

  void read_rules(SectionReader& top, const std::string& name) {
    std::map<std::string, std::string> in_this_file;  // rule name -> where
    const std::vector<const TomlValue*> tables = top.tables("rule");
    if (tables.size() > kMostRules) {
      top.report("rule", fmt::format("the file has {} rules and each is asked about each attempt; keep {} at most",
                                     tables.size(), kMostRules));
      return;
    }
    for (const TomlValue* table : tables) {
      std::optional<RuleEntry> entry = read_rule(*table, name, errors_);
      if (!entry) continue;
      const auto [first, is_new] = in_this_file.emplace(entry->rule.name, entry->rule.where);
      if (!is_new) {
        errors_.push_back({ErrorKind::conflict,
                           fmt::format("a rule named \"{}\" stands already at {}; give one of them another name",
                                       entry->rule.name, first->second),
                           entry->rule.where});
        continue;
      }
      place(std::move(*entry));
    }
  }

  void place(RuleEntry entry) {
    const auto slot =
        std::ranges::find_if(slots_, [&entry](const Slot& one) { return one.rule.name == entry.rule.name; });
    if (entry.name_only) {
      if (slot != slots_.end()) {
        slot->enabled = false;
        return;
      }
      std::vector<std::string_view> names;
      for (const Slot& one : slots_) names.emplace_back(one.rule.name);
      errors_.push_back(
          {ErrorKind::not_found,
           fmt::format("there is no rule named \"{}\" to take out{}; correct the name or remove these lines",
                       entry.rule.name, did_you_mean(entry.rule.name, names)),
           entry.rule.where});
    } else if (slot != slots_.end()) {
      *slot = {std::move(entry.rule), entry.enabled};
    } else if (last_shipped_) {
      slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(*last_shipped_),
                    Slot{std::move(entry.rule), entry.enabled});
      ++*last_shipped_;
    } else {
      slots_.push_back({std::move(entry.rule), entry.enabled});
    }
  }

  std::vector<Slot> slots_;
  std::optional<std::size_t> last_shipped_;
  std::vector<Exemption> allowed_;
  std::vector<OriginExemption> allowed_origins_;
  AllowSettings allow_;
  Settings settings_;
  GuardSettings guard_;
  DeskSettings desk_;
  std::vector<std::string> files_;
  ConfigErrors errors_;
};

Loader read_layers(const LayerOptions& options) {
  Loader loader;
  loader.read_shipped();
  if (!options.file.empty()) {
    loader.read_file(options.file, true);
  } else {
    ConfigErrors errors;
    for (const std::string& file : layer_files(options.directory, errors)) loader.read_file(file, true);
    for (Error& error : errors) loader.report(std::move(error));
  }
  return loader;
}

}  // namespace

std::vector<std::string> layer_files(const std::string& directory, ConfigErrors& errors) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  const fs::path main_file = fs::path(directory) / "tipstaff.toml";
  if (fs::exists(main_file, error) || error) files.push_back(main_file.string());
  const fs::path parts = fs::path(directory) / "conf.d";
  std::vector<std::string> found;
  fs::directory_iterator at(parts, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().extension() == ".toml" && !at->path().filename().string().starts_with('.'))
      found.push_back(at->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    errors.push_back(
        {ErrorKind::unavailable, fmt::format("the folder cannot be read: {}", error.message()), parts.string()});
  }
  std::ranges::sort(found);
  files.insert(files.end(), found.begin(), found.end());
  return files;
}

LoadedConfig load_layers(const LayerOptions& options) { return read_layers(options).finish(options.own_addresses); }

PartialConfig load_layers_partly(const LayerOptions& options) {
  return read_layers(options).finish_partly(options.own_addresses);
}

LoadedConfig load_rules_file(const std::string& path) {
  Loader loader;
  loader.read_file(path, false);
  return loader.finish({});
}

LoadedConfig parse_rules(std::string_view text, const std::string& file) {
  Loader loader;
  loader.take(parse_toml(text, file), file, false);
  return loader.finish({});
}

void use_network_facts(Config& config) {
  const bool asked = !config.exempt_origins.empty() || std::ranges::any_of(config.rules, &Rule::asks_origin);
  if (!asked) return;
  auto facts = open_network_facts(config.guard.lookups.databases);
  if (facts) {
    config.facts = std::move(*facts);
    return;
  }
  const std::string why = facts.error().message();
  for (const Rule& rule : config.rules) {
    if (!rule.asks_origin()) continue;
    config.without_facts.push_back(
        fmt::format("{}: rule \"{}\" asks for the country or AS of an address and looks at nothing: {}", rule.where,
                    printable(rule.name), why));
  }
  for (const OriginExemption& one : config.exempt_origins) {
    config.without_facts.push_back(fmt::format("{}: {} is on the allowlist, but nobody is exempt by it: {}", one.where,
                                               to_words(one.origin), why));
  }
}

const OriginExemption* find_origin_exemption(const Config& config, IpAddress address) {
  if (config.exempt_origins.empty() || !config.facts) return nullptr;
  const NetworkOrigin origin = config.facts->origin_of(address);
  const auto found =
      std::ranges::find_if(config.exempt_origins, [&origin](const OriginExemption& one) { return one.holds(origin); });
  return found == config.exempt_origins.end() ? nullptr : &*found;
}

std::string to_text(const ConfigErrors& errors) {
  std::string all;
  for (const Error& error : errors) all += error.message() + "\n";
  return all;
}

}  // namespace tipstaff
