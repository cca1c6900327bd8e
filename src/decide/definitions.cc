// The list itself and its three printed forms. Sentences are the manual's; keep them short and complete.
#include "decide/definitions.h"

#include <fmt/format.h>

#include <array>
#include <limits>
#include <vector>

#include "base/text.h"

namespace tipstaff {
namespace {

constexpr std::uint32_t kAny = std::numeric_limits<std::uint32_t>::max();

constexpr KeyDefinition text(std::string_view section, std::string_view name, std::string_view fallback,
                             std::string_view sentence) {
  return {section, name, "", KeyType::text, "", 0, 0, fallback, sentence};
}
constexpr KeyDefinition texts(std::string_view name, std::string_view fallback, std::string_view sentence) {
  return {"rule.match", name, "", KeyType::texts, "", 0, 0, fallback, sentence};
}
constexpr KeyDefinition count(std::string_view section, std::string_view name, std::string_view alias,
                              std::uint32_t least, std::uint32_t most, std::string_view fallback,
                              std::string_view sentence) {
  return {section, name, alias, KeyType::count, "", least, most, fallback, sentence};
}
constexpr KeyDefinition duration(std::string_view section, std::string_view name, std::string_view alias,
                                 std::uint32_t least, std::string_view fallback, std::string_view sentence) {
  return {section, name, alias, KeyType::duration, "", least, 0, fallback, sentence};
}
constexpr KeyDefinition choice(std::string_view name, std::string_view choices, std::string_view fallback,
                               std::string_view sentence) {
  return {"rule", name, "", KeyType::choice, choices, 0, 0, fallback, sentence};
}
constexpr KeyDefinition other(std::string_view section, std::string_view name, KeyType type, std::string_view fallback,
                              std::string_view sentence) {
  return {section, name, "", type, "", 0, 0, fallback, sentence};
}

constexpr std::array kKeys = {
    count("", "version", "", 1, kAny, "required in layers",
          "Version of this format; 1. A file given with `--rules` may leave it out."),
    other("", "rule", KeyType::tables, "none", "The rules, as `[[rule]]`."),
    other("", "allowlist", KeyType::table, "", "What is never blocked."),
    other("", "detect", KeyType::table, "", "What counts as a failure."),
    other("", "limits", KeyType::table, "", "Bounds on memory."),
    other("", "protect", KeyType::table, "", "Protection of those who log in here."),
    other("", "enforce", KeyType::table, "", "What is done with a block."),
    other("", "lookups", KeyType::table, "", "Where facts about addresses come from."),
    other("", "sources", KeyType::table, "found by itself", "What the guard reads."),
    other("", "source", KeyType::tables, "none", "Files with settings of their own, as `[[source]]`."),
    other("", "ledger", KeyType::table, "", "Where the guard records, and how long it is kept."),
    other("", "control", KeyType::table, "", "Where the guard answers."),
    other("", "desk", KeyType::table, "", "What the administrator is told, and when."),
    other("", "mail", KeyType::table, "no mail", "Where mails are given to, and to whom they go (mail.md)."),
    other("", "webhook", KeyType::table, "none", "Where alerts are posted to (mail.md)."),

    text("rule", "name", "required", "Name of the rule, as it stands in alerts and reports. Unique."),
    other("rule", "enabled", KeyType::flag, "true",
          "`false` takes the rule out; with `name` alone it takes out a rule of an earlier layer."),
    duration("rule", "trigger_window", "findtime", 1, "required",
             "How long a try counts. The window slides; a try exactly this old no longer counts."),
    count("rule", "occurrences", "maxretry", 1, 1000, "required",
          "Tries within the window that fill the rule; with `distinct`: different values, 2 to 64."),
    duration("rule", "lockout", "bantime", 1, "required to block", "How long a block lasts."),
    choice("count_by", "address|prefix|account|country|as", "address",
           "What tries are counted by. `account`, `country` and `as` only alert: a block would hit others."),
    count("rule", "ipv4_prefix", "", 8, 32, "24",
          "Prefix length that `count_by = \"prefix\"` counts and blocks IPv4 by; 32 is the single address."),
    count("rule", "ipv6_prefix", "", 16, 128, "64", "The same for IPv6."),
    choice("distinct", "account|address", "none", "Count different accounts (or addresses) instead of tries."),
    count("rule", "after_failures", "", 1, 1000, "none",
          "Instead of `occurrences`, with `match.outcome = \"success\"`: fires at a success that had so many failures "
          "within the window before it."),
    choice("scope", "host|service", "host", "What a block shuts. With `service` each service is counted by itself."),
    choice("action", "block|alert", "block", "`alert` blocks nothing; it fires at most once per key and window."),
    other("rule", "match", KeyType::table, "failures", "Which attempts the rule looks at; all its keys must fit."),
    other("rule", "exempt", KeyType::networks, "none", "Networks this rule does not look at; the next rule may."),
    other("rule", "escalate", KeyType::durations, "none",
          "Lockouts of the first, second, ... block of the same key; the last one stays. The first equals `lockout`."),
    duration("rule", "remember", "", 1, "30d", "How long after a block a further one counts as further."),
    other("rule", "continue", KeyType::flag, "false",
          "`true`: the next rule may look at the attempt too, unless this one blocked."),

    texts("outcome", "failure", "`failure`, `success`, `probe`, or a list of them."),
    texts("service", "any", "Service of the attempt, such as `sshd`."),
    texts("account", "any", "Account tried."),
    texts("host", "any", "Host that logged the attempt."),
    texts("origin", "any", "Origin of the attempt, such as `Windows`."),
    texts("detector", "any", "Detector that read it."),
    texts("country", "any", "Country of the address, as `DE`; see below."),
    texts("not_country", "none", "Any country but these; an address of unknown country does not fit."),
    other("rule.match", "as", KeyType::numbers, "any", "Autonomous system of the address, as 64500 or `AS64500`."),
    other("rule.match", "not_as", KeyType::numbers, "none",
          "Any autonomous system but these; an address of an unknown one does not fit."),

    other("allowlist", "networks", KeyType::networks, "none",
          "Addresses and networks (CIDR) that are never counted and never blocked. Those of all layers add up."),
    other(
        "allowlist", "names", KeyType::texts, "none",
        "DNS names whose addresses are exempt. Looked up again and again; naming one is what makes the guard ask DNS."),
    duration("allowlist", "names_refresh", "", 10, "5m",
             "How long after an answer a name is looked up again; at least 10 s."),
    other("allowlist", "proxies", KeyType::networks, "none",
          "Proxies you trust: never counted and never blocked, since others are behind them. Those of all layers add "
          "up."),
    KeyDefinition{"allowlist", "countries", "", KeyType::texts, "", 0, 0, "none",
                  "Countries whose addresses are exempt, as `SE`. Those of all layers add up."},
    other("allowlist", "as", KeyType::numbers, "none",
          "Autonomous systems whose addresses are exempt. Those of all layers add up."),
    other("allowlist", "sessions", KeyType::flag, "true",
          "Exempt where the administrators who are logged in on this machine come from, as long as they are."),
    other("detect", "count_publickey_failures", KeyType::flag, "false",
          "Count each refused key of an existing account as a failure."),
    count("limits", "tracked", "", 100, 10000000, "100000",
          "Keys kept per rule; beyond it the one that would be forgotten first goes, and is counted."),
    duration("protect", "recent_success", "", 0, "0 (off); shipped: 7d",
             "How long a success protects its own account at its own address from being counted; see below."),
    count("protect", "stale_factor", "", 1, 100, "1 (off); shipped: 10",
          "How many times `occurrences` an existing account may fail where other accounts log in; see below."),
    duration("protect", "known_account", "", 1, "30d", "How long after a success an account counts as existing."),

    other("enforce", "enabled", KeyType::flag, "false", "Shut out whom the rules block; `false` only watches."),
    KeyDefinition{"enforce", "backend", "", KeyType::choice, "enforcer|command", 0, 0, "enforcer",
                  "What shuts: `tipstaff-enforcer`, or a program of your own."},
    other("enforce", "command", KeyType::texts, "none",
          "The program and its arguments; it gets the changes as JSON on standard input (docs/formats/enforce.md)."),
    text("enforce", "socket", "/run/tipstaff-enforcer/enforcer.sock", "Unix socket of `tipstaff-enforcer`."),
    other("enforce", "ports", KeyType::table, "those of the detectors",
          "Ports of a service, as `[enforce.ports]` with `sshd = [\"2222/tcp\"]`: what a block of that service shuts."),

    KeyDefinition{"lookups", "databases", "", KeyType::texts, "", 0, 0, "libloc's",
                  "Databases of countries and networks, by absolute path: libloc's or MaxMind's format, at most 4."},
    other("lookups", "dns", KeyType::flag, "false",
          "Let `tipstaff-desk` ask DNS for the names of attacking addresses. Whoever runs their zones can see that."),
    KeyDefinition{"lookups", "dns_servers", "", KeyType::texts, "", 0, 0, "those of this machine",
                  "Whom to ask, as `192.0.2.53` or `[2001:db8::53]:53`; at most 4."},

    other("sources", "files", KeyType::texts, "none",
          "Log files to follow: absolute paths, `*` and `?` for parts of names. Those of all layers add up."),
    other("sources", "journal", KeyType::flag, "false", "Follow this machine's journal."),
    text("sources", "journal_folder", "none", "Follow the journal files of this folder."),
    other(
        "sources", "syslog", KeyType::texts, "none",
        "Where to receive syslog: `unix:/run/tipstaff/log`, `udp:127.0.0.1:514`, `tcp:[::1]:601`, `tls:0.0.0.0:6514`."),
    other("sources", "syslog_allow", KeyType::texts, "this machine",
          "Addresses and networks that may send syslog by UDP, TCP and TLS."),
    text("sources", "syslog_certificate", "none", "Certificate of `tls:` listeners, a PEM file with its chain."),
    text("sources", "syslog_key", "none", "Its private key, a PEM file."),
    text("sources", "syslog_clients", "none",
         "Certificates (PEM) of the authorities that must have signed a sender's; without it senders show none."),
    other("sources", "trust_udp", KeyType::flag, "false",
          "Count what comes by UDP. Anybody who can send a packet can then have any address blocked."),
    other("sources", "from_start", KeyType::flag, "false",
          "Also read what stands in a log when it is seen for the first time."),
    text("sources", "timezone", "this machine's",
         "Zone of stamps that have none: `UTC`, `+02:00`, `Europe/Stockholm`."),

    other("source", "files", KeyType::texts, "required", "As in `[sources]`."),
    other("source", "from_start", KeyType::flag, "as in `[sources]`", "As in `[sources]`, for these files."),
    text("source", "timezone", "as in `[sources]`", "Zone of these files' stamps that have none."),

    text("ledger", "directory", "/var/lib/tipstaff", "Folder of the ledger; the guard must be allowed to write there."),
    duration("ledger", "keep_failures", "", 0, "for ever",
             "How long failures and probes are kept, counted from recording; `\"0\"`: for ever."),
    duration("ledger", "keep_successes", "", 0, "180d", "The same for successes, which are the innocents' data."),

    KeyDefinition{"desk", "alerts", "", KeyType::choice, "digest|each|silent", 0, 0, "digest",
                  "How plain blocks are told: in the daily word, each by a mail of its own, or not at all. What cannot "
                  "wait is always mailed at once."},
    KeyDefinition{"desk", "word", "", KeyType::choice, "daily|weekly|off", 0, 0, "daily",
                  "How often a word on everything is mailed, also when nothing happened; weekly: on Mondays."},
    text("desk", "word_at", "07:00", "When."),
    text("desk", "timezone", "this machine's", "Zone of the times in mails: `UTC`, `+02:00`, `Europe/Stockholm`."),
    other("desk", "victim_words", KeyType::texts, "none",
          "Words of host names whose owners are to be told when one of theirs attacks: `example` fits "
          "`mail.example.org`."),
    other("desk", "victim_networks", KeyType::networks, "none", "Networks whose owners are, likewise."),

    text("control", "socket", "/run/tipstaff/control.sock",
         "Unix socket on which the guard answers the commands (control.md)."),
    text("control", "view_group", "tipstaff", "Group whose members may look: status, blocks, explain."),
    text("control", "support_group", "tipstaff-support",
         "Group whose members may also unblock an address and exempt one for a day, with a reason."),
    text("control", "admin_group", "tipstaff-admin", "Group whose members may give every command, as root may."),

    text("mail", "server", "none: no mail is sent", "Mail server that takes our mails: a name or an address."),
    count("mail", "port", "", 1, 65535, "587; `tls`: 465; `none`: 25", "Its port."),
    KeyDefinition{"mail", "security", "", KeyType::choice, "starttls|tls|none", 0, 0, "starttls",
                  "TLS after STARTTLS (required, never silently left out), TLS from the start, or plain text."},
    text("mail", "user", "none: no login", "User name for the server."),
    text("mail", "password_file", "none", "File whose first line is the password; others must not be able to read it."),
    text("mail", "from", "required", "Sender: `tipstaff@example.com` or `Tipstaff <tipstaff@example.com>`."),
    other("mail", "to", KeyType::texts, "required", "Who gets the mails; 1 to 50 addresses."),
    text("mail", "ca_file", "the system's", "Certificates (PEM) of the only authorities that the server's may be of."),

    text("webhook", "url", "none", "Address that each alert is posted to as JSON; `https://`."),
    text("webhook", "token_file", "none",
         "File whose first line is sent as `Authorization: Bearer`; others must not be able to read it."),
    text("webhook", "ca_file", "the system's", "As in `[mail]`."),
    other("webhook", "allow_plain", KeyType::flag, "false",
          "Allow `http://` to another machine too: alerts can then be read on the way."),
};

}  // namespace

std::span<const KeyDefinition> key_definitions() { return kKeys; }

const KeyDefinition* find_key(std::string_view section, std::string_view name) {
  for (const KeyDefinition& key : kKeys) {
    if (key.section == section && (key.name == name || (!key.alias.empty() && key.alias == name))) return &key;
  }
  return nullptr;
}

std::string type_text(const KeyDefinition& key) {
  switch (key.type) {
    case KeyType::text:
      return "text";
    case KeyType::texts:
      return "text or list of texts";
    case KeyType::count:
      return key.most == kAny ? "whole number" : fmt::format("whole number, {} to {}", key.least, key.most);
    case KeyType::duration:
      return "duration";
    case KeyType::durations:
      return "list of durations";
    case KeyType::flag:
      return "true or false";
    case KeyType::networks:
      return "list of networks";
    case KeyType::numbers:
      return "whole number or list of them";
    case KeyType::table:
      return "table";
    case KeyType::tables:
      return "tables";
    case KeyType::choice:
      break;
  }
  std::string words;
  for (std::string_view rest = key.choices; !rest.empty();) {
    const std::size_t bar = rest.find('|');
    const bool last = bar == std::string_view::npos;
    words += fmt::format("{}`{}`", words.empty() ? "" : last ? " or " : ", ", rest.substr(0, bar));
    rest = last ? std::string_view() : rest.substr(bar + 1);
  }
  return words;
}

std::string key_table(std::string_view section) {
  std::string table = "| key | type | default | meaning |\n|---|---|---|---|\n";
  for (const KeyDefinition& key : kKeys) {
    if (key.section != section) continue;
    const std::string alias = key.alias.empty() ? std::string() : fmt::format(" (`{}`)", key.alias);
    table += fmt::format("| `{}`{} | {} | {} | {} |\n", key.name, alias, type_text(key), key.fallback, key.sentence);
  }
  return table;
}

std::string list_keys() {
  std::string list;
  std::string_view section = "?";
  for (const KeyDefinition& key : kKeys) {
    if (key.section != section) {
      section = key.section;
      list += section.empty() ? std::string("file\n")
                              : fmt::format("\n{}\n", section == "rule" ? "[[rule]]" : fmt::format("[{}]", section));
    }
    const std::string names = key.alias.empty() ? std::string(key.name) : fmt::format("{}, {}", key.name, key.alias);
    list +=
        fmt::format("  {:<26} {} Default: {}.\n", names, key.sentence, key.fallback.empty() ? "none" : key.fallback);
  }
  return list;
}

std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates) {
  const std::string best = nearest(text, candidates);
  return best.empty() ? std::string() : fmt::format(" (did you mean \"{}\"?)", best);
}

std::string did_you_mean_key(std::string_view section, std::string_view name) {
  std::vector<std::string_view> candidates;
  for (const KeyDefinition& key : kKeys) {
    if (key.section != section) continue;
    candidates.push_back(key.name);
    if (!key.alias.empty()) candidates.push_back(key.alias);
  }
  return did_you_mean(name, candidates);
}

}  // namespace tipstaff
