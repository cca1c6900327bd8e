#include "control/control_ask.h"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>
#include <vector>

#include "base/text.h"
#include "base/time.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::array kCommands = {
    CommandDefinition{"status", Role::view, false, "", "Sources, rules and the ledger."},
    CommandDefinition{"blocks", Role::view, false, "network rule limit ", "The blocks that stand, oldest first."},
    CommandDefinition{"exemptions", Role::view, false, "", "Who is exempt, by the settings and for a time."},
    CommandDefinition{"explain", Role::view, false, "subject account ",
                      "Why somebody is blocked or not, and what to tell him."},
    CommandDefinition{"unblock", Role::support, true, "network all rule why ",
                      "Ends the blocks that shut out a network; `all` (admin): every block."},
    CommandDefinition{"exempt", Role::support, true, "network! for why! ",
                      "Exempts a network for a time, by default a day; a time of 0s ends an exemption."},
    CommandDefinition{"block", Role::admin, true, "network! for service rule why ",
                      "Blocks a network, for ever unless `for` or `rule` says how long."},
    CommandDefinition{"trial", Role::admin, true, "for! ",
                      "Takes over the changed configuration, and takes it back unless it is confirmed in time."},
    CommandDefinition{"confirm", Role::admin, true, "", "Keeps the configuration that is on trial."},
    CommandDefinition{"reload", Role::admin, true, "", "Takes over the configuration as it stands on disk."},
};

std::unexpected<Error> refuse(std::string text) { return fail(ErrorKind::invalid, std::move(text)); }

// "name! other " -> whether `key` is among them, and whether it must be there.
bool has_key(const CommandDefinition& command, std::string_view key) {
  for (std::string_view rest = command.keys; !rest.empty();) {
    std::string_view one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(one.size() + 1);
    if (one.ends_with('!')) one.remove_suffix(1);
    if (one == key) return true;
  }
  return false;
}

std::optional<std::string_view> missing_key(const CommandDefinition& command, const json::object& said) {
  for (std::string_view rest = command.keys; !rest.empty();) {
    std::string_view one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(one.size() + 1);
    if (!one.ends_with('!')) continue;
    one.remove_suffix(1);
    if (!said.contains(json::string_view(one.data(), one.size()))) return one;
  }
  return std::nullopt;
}

const CommandDefinition* find_command(std::string_view name) {
  for (const CommandDefinition& one : kCommands) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

std::string unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  std::string list;
  for (const CommandDefinition& one : kCommands) {
    names.push_back(one.name);
    list += fmt::format("{}{}", list.empty() ? "" : ", ", one.name);
  }
  const std::string near = nearest(name, names);
  return fmt::format("there is no command \"{}\"{}; there are {}", printable(name),
                     near.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", near), list);
}

Result<std::string> text_of(std::string_view key, const json::value& value, std::size_t most) {
  if (!value.is_string()) return refuse(fmt::format("\"{}\" must be a text", key));
  const json::string& text = value.as_string();
  if (text.empty()) return refuse(fmt::format("\"{}\" is empty", key));
  if (text.size() > most) return refuse(fmt::format("\"{}\" is longer than {} bytes", key, most));
  std::string out(text.data(), text.size());
  if (key != "account" && key != "subject" && printable(out) != out)
    return refuse(fmt::format("\"{}\" holds characters that cannot be shown", key));
  return out;
}

Result<void> take(ControlAsk& ask, std::string_view key, const json::value& value) {
  if (key == "all") {
    if (!value.is_bool()) return refuse("\"all\" must be true or false");
    ask.all = value.as_bool();
    return {};
  }
  if (key == "limit") {
    if (!value.is_int64() || value.as_int64() < 1) return refuse("\"limit\" must be a whole number, at least 1");
    ask.limit = static_cast<std::uint64_t>(value.as_int64());
    return {};
  }
  auto text = text_of(key, value, key == "why" ? kLongestWhy : kLongestName);
  if (!text) return std::unexpected(text.error());
  if (key == "network") {
    ask.network = IpNetwork::parse(*text);
    if (!ask.network)
      return refuse(fmt::format("\"{}\" is no address or network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64",
                                printable(*text)));
  } else if (key == "for") {
    const auto length = parse_duration(*text);
    if (!length) return std::unexpected(length.error());
    ask.length = *length;
  } else if (key == "service") {
    ask.service = std::move(*text);
  } else if (key == "why") {
    ask.why = std::move(*text);
  } else if (key == "rule") {
    ask.rule = std::move(*text);
  } else if (key == "account") {
    ask.account = std::move(*text);
  } else {
    ask.subject = std::move(*text);
  }
  return {};
}

// What arguments mean together.
Result<void> check(const ControlAsk& ask) {
  const std::string_view name = ask.command->name;
  if (name == "unblock" && ask.all == ask.network.has_value())
    return refuse("say what to unblock: a \"network\", or \"all\": true");
  if (name == "unblock" && ask.all && !ask.rule.empty()) return refuse("\"all\" and \"rule\" do not go together");
  if (name == "explain" && ask.subject.empty() != ask.account.has_value())
    return refuse("say what to explain: a \"subject\", or an \"account\"");
  if (name == "block" && ask.length && !ask.rule.empty()) return refuse("\"for\" and \"rule\" do not go together");
  if (name == "block" && ask.length && ask.length->count() == 0) return refuse("a block of no time is none");
  return {};
}

}  // namespace

std::span<const CommandDefinition> command_definitions() { return kCommands; }

Result<ControlAsk> parse_ask(std::string_view line) {
  boost::system::error_code error;
  const json::value said = json::parse(json::string_view(line.data(), line.size()), error);
  if (error || !said.is_object()) return refuse(R"(ask with one line of JSON, such as {"command":"status"})");
  const json::object& object = said.as_object();
  const json::value* const name = object.if_contains("command");
  if (name == nullptr || !name->is_string()) return refuse(R"(a "command" is missing, such as {"command":"status"})");
  ControlAsk ask;
  const std::string_view word(name->as_string().data(), name->as_string().size());
  ask.command = find_command(word);
  if (ask.command == nullptr) return refuse(unknown_command(word));
  for (const auto& [json_key, value] : object) {
    const std::string_view key(json_key.data(), json_key.size());
    if (key == "command") continue;
    if (!has_key(*ask.command, key))
      return refuse(fmt::format("\"{}\" has no argument \"{}\"", ask.command->name, printable(key)));
    if (auto taken = take(ask, key, value); !taken) return std::unexpected(taken.error());
  }
  if (const auto key = missing_key(*ask.command, object))
    return refuse(fmt::format("\"{}\" needs the argument \"{}\"", ask.command->name, *key));
  if (auto fits = check(ask); !fits) return std::unexpected(fits.error());
  return ask;
}

std::string_view to_word(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::invalid:
      return "invalid";
    case ErrorKind::denied:
      return "denied";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::internal:
      break;
  }
  return "internal";
}

std::string error_answer(const Error& error) {
  return json::serialize(json::object{
      {"ok", false},
      {"error", json::object{{"kind", json::string_view(to_word(error.kind).data(), to_word(error.kind).size())},
                             {"message", to_utf8(error.message())}}}});
}

}  // namespace tipstaff
