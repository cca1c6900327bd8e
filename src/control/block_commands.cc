#include "control/block_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.h"
#include "control/block_rows.h"
#include "control/control_ask.h"
#include "control/control_commands.h"
#include "control/control_socket.h"
#include "control/explain_subject.h"
#include "control/ledger_blocks.h"
#include "control/moment.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "enforce/block.h"
#include "ledger/reader.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr const char* kStart = "start it with 'systemctl start tipstaff', or by hand with 'tipstaff guard'";

Instant now() { return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()); }

Config settings_of(const ControlOptions& options) { return load_layers_partly({.file = options.config}).config; }

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
  return value != nullptr && value->is_string() ? std::string(view(value->as_string())) : std::string();
}

ErrorKind kind_of(std::string_view word) {
  for (const ErrorKind kind : {ErrorKind::not_found, ErrorKind::invalid, ErrorKind::denied, ErrorKind::unavailable,
                               ErrorKind::conflict, ErrorKind::corrupt}) {
    if (to_word(kind) == word) return kind;
  }
  return ErrorKind::internal;
}

// What the guard said, as text and as values.
struct Answer {
  std::string line;
  json::monotonic_resource memory;
  json::value value = json::value(json::storage_ptr(&memory));  // so that what is read is not copied
  [[nodiscard]] const json::object& object() const { return value.as_object(); }
};

// Its errors are Errors here. `is_there`: whether a guard answered at all, or would not have to: wrong arguments are wrong
// whether one runs or not. With `line_alone` a good answer is not parsed: that of 100,000 blocks takes its time.
Result<std::unique_ptr<Answer>> ask(const std::string& socket, const json::object& what, bool& is_there,
                                    bool line_alone = false) {
  const std::string asked = json::serialize(what);
  is_there = true;
  if (const auto good = parse_ask(asked); !good) return std::unexpected(good.error());
  is_there = false;
  auto line = ask_guard(socket, asked);
  if (!line) return std::unexpected(line.error());
  is_there = true;
  auto answer = std::make_unique<Answer>();
  answer->line = std::move(*line);
  if (line_alone && answer->line.starts_with(R"({"ok":true)")) return answer;
  boost::system::error_code error;
  answer->value = json::parse(answer->line, error, &answer->memory);
  const auto unread = [] {
    return fail(ErrorKind::invalid,
                "the answer of the guard is not one that this version of tipstaff reads; restart the guard after an "
                "update");
  };
  if (error || !answer->value.is_object()) return unread();
  const json::object& object = answer->object();
  const json::value* const ok = object.if_contains("ok");
  if (ok == nullptr || !ok->is_bool()) return unread();
  if (ok->as_bool()) return answer;
  const json::value* const refused = object.if_contains("error");
  if (refused == nullptr || !refused->is_object()) return unread();
  return fail(kind_of(text_of(refused->as_object(), "kind")), text_of(refused->as_object(), "message"));
}

int complain(const ControlOptions& options, const Error& error, bool is_there) {
  std::string message = error.message();
  if (!is_there && error.kind == ErrorKind::not_found) message += fmt::format("; {}", kStart);
  if (options.json)
    print_out("{}\n", error_answer({error.kind, message, {}}));
  else
    print_error("tipstaff: {}\n", printable(message));
  return is_there && error.kind == ErrorKind::invalid ? kUsage : kFailed;
}

void add(json::object& what, std::string_view name, const std::string& text) {
  if (!text.empty()) what[json::string_view(name.data(), name.size())] = to_utf8(text);
}

// Asks, and prints the answer as it is or as `words` says it.
int change(const ControlOptions& options, const json::object& what, std::string (*words)(const json::object&)) {
  bool is_there = false;
  const auto answer = ask(settings_of(options).guard.socket, what, is_there);
  if (!answer) return complain(options, answer.error(), is_there);
  if (options.json) {
    print_out("{}\n", (*answer)->line);
    return kGood;
  }
  const json::object& object = (*answer)->object();
  print_out("{}\n", printable(words(object)));
  if (const std::string note = text_of(object, "note"); !note.empty() && object.contains("recorded"))
    print_error("tipstaff: {}\n", printable(note));
  return kGood;
}

std::string note_of(const json::object& answer) { return text_of(answer, "note"); }

std::string end_words(const json::object& object) {
  const std::string until = text_of(object, "until");
  return until.empty() ? "for ever" : "until " + until;
}

const json::object* member(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_object() ? &value->as_object() : nullptr;
}

const json::array* list_of(const json::object& object, const char* name) {
  const json::value* const value = object.if_contains(name);
  return value != nullptr && value->is_array() ? &value->as_array() : nullptr;
}

// What the guard would have answered, from the ledger; `filter` as it stands in the ask.
Result<std::string> blocks_from_ledger(const Config& config, const ControlOptions& options) {
  auto ledger = LedgerReader::open(config.guard.ledger);
  if (!ledger) return std::unexpected(ledger.error());
  const auto known = blocks_of_ledger(**ledger, now());
  if (!known) return std::unexpected(known.error());
  std::optional<IpNetwork> network;
  if (!options.networks.empty()) {
    network = IpNetwork::parse(options.networks.front());
    if (!network)
      return fail(ErrorKind::invalid,
                  fmt::format("\"{}\" is no address or network", printable(options.networks.front())));
  }
  std::string list;
  std::size_t count = 0;
  for (const StandingBlock& block : known->blocks) {
    if (network && !network->contains(block.network.address()) && !block.network.contains(network->address())) continue;
    if (!options.rule.empty() && block.rule != options.rule) continue;
    list += (count++ == 0 ? "" : ",") + to_json(block);
  }
  return fmt::format(R"({{"ok":true,"running":false,"now":"{}","count":{},"blocks":[{}]}})", to_rfc3339(now()), count,
                     list);
}

int print_blocks(const ControlOptions& options, const std::string& line) {
  if (options.json) {
    print_out("{}\n", line);
    return kGood;
  }
  const auto rows = BlockRows::read(line, now());
  if (!rows) return complain(options, rows.error(), true);
  if (rows->empty()) print_error("tipstaff: nothing is blocked\n");
  write_to(stdout, rows->text());
  return kGood;
}

}  // namespace

int run_block(const ControlOptions& options) {
  json::object what{{"command", "block"}, {"network", to_utf8(options.networks.front())}};
  add(what, "for", options.length);
  add(what, "service", options.service);
  add(what, "rule", options.rule);
  add(what, "why", options.why);
  return change(options, what, [](const json::object& answer) {
    const json::object* const block = member(answer, "block");
    if (block == nullptr) return std::string("blocked");
    const std::string service = text_of(*block, "service");
    return fmt::format("#{} {} is blocked {}{}", block->contains("id") ? block->at("id").to_number<std::uint64_t>() : 0,
                       text_of(*block, "network"), service.empty() ? "" : "from " + service + " ", end_words(*block));
  });
}

int run_unblock(const ControlOptions& options) {
  const auto words = [](const json::object& answer) {
    std::string text =
        fmt::format("{} ended", answer.contains("count") ? answer.at("count").to_number<std::uint64_t>() : 0);
    if (const json::array* const ended = list_of(answer, "ended")) {
      constexpr std::size_t kMostNamed = 20;
      for (std::size_t i = 0; i < ended->size() && i < kMostNamed; ++i) {
        if ((*ended)[i].is_object())
          text += fmt::format("{} {}", i == 0 ? ":" : ",", text_of((*ended)[i].as_object(), "network"));
      }
      if (ended->size() > kMostNamed) text += " and others";
    }
    return text;
  };
  if (options.all) {
    json::object what{{"command", "unblock"}, {"all", true}};
    add(what, "why", options.why);
    return change(options, what, words);
  }
  int worst = kGood;
  for (const std::string& network : options.networks) {
    json::object what{{"command", "unblock"}, {"network", to_utf8(network)}};
    add(what, "rule", options.rule);
    add(what, "why", options.why);
    worst = std::max(worst, change(options, what, words));
  }
  return worst;
}

int run_blocks(const ControlOptions& options) {
  json::object what{{"command", "blocks"}};
  if (!options.networks.empty()) what["network"] = to_utf8(options.networks.front());
  add(what, "rule", options.rule);
  const Config config = settings_of(options);
  bool is_there = false;
  const auto answer = ask(config.guard.socket, what, is_there, true);
  if (answer) return print_blocks(options, (*answer)->line);
  if (is_there) return complain(options, answer.error(), true);
  const auto line = blocks_from_ledger(config, options);
  if (!line && line.error().kind == ErrorKind::invalid) return complain(options, line.error(), true);
  print_error("tipstaff: {}{}\n", printable(answer.error().message()),
              line ? "; these are the blocks that the ledger knows, a restart brings them back" : "");
  if (!line) {
    print_error("tipstaff: nor can the ledger be read: {}; {}\n", printable(line.error().message()), kStart);
    return kFailed;
  }
  return print_blocks(options, *line);
}

int run_exempt(const ControlOptions& options) {
  json::object what{{"command", "exempt"}, {"network", to_utf8(options.networks.front())}};
  add(what, "for", options.length);
  add(what, "why", options.why);
  return change(options, what, [](const json::object& answer) {
    const json::object* const one = member(answer, "exemption");
    if (one == nullptr) return std::string("exempt");
    return fmt::format("{} is exempt {}", text_of(*one, "network"), end_words(*one));
  });
}

int run_exemptions(const ControlOptions& options) {
  const Config config = settings_of(options);
  bool is_there = false;
  const auto answer = ask(config.guard.socket, json::object{{"command", "exemptions"}}, is_there);
  if (!answer && (is_there || answer.error().kind != ErrorKind::not_found))
    return complain(options, answer.error(), is_there);
  std::string line;
  json::object object;
  if (answer) {
    line = (*answer)->line;
    object = (*answer)->object();
  } else {
    print_error("tipstaff: {}; these are the exemptions of the settings\n", printable(answer.error().message()));
    json::array list;
    for (const Exemption& one : config.exempt.entries())
      list.push_back(json::object{{"network", one.network.to_string()}, {"where", to_utf8(one.where)}});
    object = {{"ok", true}, {"running", false}, {"exemptions", json::array()}, {"settings", std::move(list)}};
    line = json::serialize(object);
  }
  if (options.json) {
    print_out("{}\n", line);
    return kGood;
  }
  if (const json::array* const timed = list_of(object, "exemptions")) {
    for (const json::value& one : *timed) {
      if (one.is_object())
        print_out("{}  {}, by {}: {}\n", text_of(one.as_object(), "network"), end_words(one.as_object()),
                  printable(text_of(one.as_object(), "by")), printable(text_of(one.as_object(), "why")));
    }
  }
  if (const json::array* const always = list_of(object, "settings")) {
    for (const json::value& one : *always) {
      if (one.is_object())
        print_out("{}  {}\n", text_of(one.as_object(), "network"), printable(text_of(one.as_object(), "where")));
    }
  }
  return kGood;
}

int run_trial(const ControlOptions& options) {
  json::object what{{"command", "trial"}};
  add(what, "for", options.length);
  return change(options, what, note_of);
}

int run_confirm(const ControlOptions& options) {
  return change(options, json::object{{"command", "confirm"}}, note_of);
}

int run_reload(const ControlOptions& options) { return change(options, json::object{{"command", "reload"}}, note_of); }

int run_explain_subject(const ControlOptions& options) {
  json::object what{{"command", "explain"}};
  add(what, "subject", options.subject);
  add(what, "account", options.account);
  Config config = settings_of(options);
  bool is_there = false;
  const auto answer = ask(config.guard.socket, what, is_there);
  if (answer) {
    const json::object* const explanation = member((*answer)->object(), "explanation");
    if (options.json && explanation != nullptr) {
      print_out("{}\n", json::serialize(*explanation));
    } else {
      print_out("{}", text_of((*answer)->object(), "text"));
    }
    return kGood;
  }
  if (is_there) return complain(options, answer.error(), true);
  ExplainInputs inputs;
  inputs.now = now();
  inputs.running = false;
  auto with_own = setup_guard(options.config, {});  // with this machine's own addresses
  if (!with_own) return complain(options, with_own.error(), true);
  inputs.config = with_own->config.get();
  inputs.exempt = inputs.config->exempt.entries();
  auto ledger = LedgerReader::open(inputs.config->guard.ledger);
  LedgerBlocks known;
  if (ledger) {
    inputs.ledger = ledger->get();
    auto blocks = blocks_of_ledger(**ledger, inputs.now);
    if (blocks) known = std::move(*blocks);
  } else {
    inputs.problem = ledger.error().message();
  }
  inputs.timed = known.exemptions;
  inputs.each_block = [&known](const std::function<void(const StandingBlock&)>& use) {
    for (const StandingBlock& block : known.blocks) use(block);
  };
  const Subject subject =
      options.account.empty() ? parse_subject(options.subject) : Subject{std::nullopt, std::nullopt, options.account};
  const auto facts = explain_subject(subject, inputs);
  if (!facts) return complain(options, facts.error(), true);
  print_error("tipstaff: {}; told from the ledger\n", printable(answer.error().message()));
  print_out("{}{}", options.json ? to_json(*facts) : to_text(*facts), options.json ? "\n" : "");
  return ledger ? kGood : kFailed;
}

}  // namespace tipstaff
