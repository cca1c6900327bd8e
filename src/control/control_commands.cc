#include "control/control_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "enforce/block.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

std::string quoted(std::string_view text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  if (std::ranges::all_of(text, is_plain)) return fmt::format("\"{}\"", text);
  return json::serialize(json::value(json::string(to_utf8(text))));
}

std::string time_of(Instant at) { return at == kForever ? "null" : fmt::format("\"{}\"", to_rfc3339(at)); }

// Writes blocks as JSON, 100,000 of them while the guard waits: what they have in common is made once.
class BlockWriter {
 public:
  explicit BlockWriter(std::string& out) : out_(out) {}

  // Members with nothing in them are left out: a long list is long enough.
  void add(const StandingBlock& block) {
    out_ += "{\"id\":";
    out_ += fmt::format_int(block.id).c_str();
    out_ += ",\"network\":\"";
    out_ += block.network.to_string();
    out_ += "\",\"at\":";
    time(at_, block.at);
    out_ += ",\"until\":";
    time(until_, block.until);
    text(",\"rule\":", rule_, block.rule);
    text(",\"service\":", service_, block.service);
    text(",\"host\":", host_, block.host);
    text(",\"by\":", by_, block.by);
    text(",\"why\":", why_, block.why);
    if (block.exempt) out_ += ",\"exempt\":true";
    if (!block.effective) out_ += ",\"effective\":false";
    out_ += block.enforced ? ",\"enforced\":true,\"dropped\":" : ",\"enforced\":false,\"dropped\":";
    out_ += fmt::format_int(block.dropped).c_str();
    out_ += '}';
  }

 private:
  // The last value of a member, and how it is written.
  struct LastText {
    std::string value, json;
  };
  struct LastTime {
    std::chrono::sys_seconds value{std::chrono::seconds(-1)};
    std::string json;
  };
  void text(std::string_view name, LastText& last, const std::string& value) {
    if (value.empty()) return;
    if (last.value != value) last = {value, quoted(value)};
    out_ += name;
    out_ += last.json;
  }
  void time(LastTime& last, Instant value) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(value);
    if (last.value != whole) last = {whole, time_of(value)};
    out_ += last.json;
  }

  std::string& out_;
  LastText rule_, service_, host_, by_, why_;
  LastTime at_, until_;
};

std::string exemption_json(const TimedExemption& exemption) {
  return fmt::format(R"({{"network":"{}","until":{},"by":{},"why":{}}})", exemption.network.to_string(),
                     time_of(exemption.until), quoted(exemption.by), quoted(exemption.why));
}

// `"note":"...","watch_only":true,"recorded":true`
std::string members(const ChangeAnswer& answer) {
  return fmt::format(R"("recorded":{},"watch_only":{},"note":{})", answer.recorded, answer.watch_only,
                     quoted(answer.note));
}

// "block 192.0.2.1 (sshd)": what he wants, for the journal.
std::string words_of(const ControlAsk& ask) {
  std::string words(ask.command->name);
  if (ask.all) words += " all";
  if (ask.network) words += " " + ask.network->to_string();
  if (!ask.service.empty()) words += fmt::format(", service {}", ask.service);
  if (!ask.rule.empty()) words += fmt::format(", rule \"{}\"", printable(ask.rule));
  if (ask.length) words += fmt::format(" for {}", to_text(*ask.length));
  return words;
}

bool overlap(const IpNetwork& one, const IpNetwork& other) {
  return one.contains(other.address()) || other.contains(one.address());
}

// What support may unblock and exempt: the address of one customer; in IPv6 that is the network of his line.
bool is_one_customer(const IpNetwork& network) {
  return network.address().is_v4() ? network.is_host() : network.bits() >= 64;
}

}  // namespace

std::string to_json(const StandingBlock& block) {
  std::string out;
  BlockWriter(out).add(block);
  return out;
}

std::string time_left(Instant until, Instant now) {
  if (until == kForever) return "for ever";
  const auto left = std::chrono::ceil<std::chrono::seconds>(until - now);
  if (left.count() <= 0) return "ends now";
  if (left < std::chrono::minutes(2)) return fmt::format("{} s left", left.count());
  if (left < std::chrono::hours(2)) return fmt::format("{} min left", left.count() / 60);
  if (left < std::chrono::days(2)) return fmt::format("{} h left", left.count() / 3'600);
  return fmt::format("{} d left", left.count() / 86'400);
}

std::string ControlChange::signature() const {
  return by == "root" ? by : fmt::format("{}, {}", by, tipstaff::to_text(role));
}

std::string ControlChange::to_text() const {
  return fmt::format("{}: {}{}: {}{}", signature(), what, why.empty() ? std::string() : fmt::format(" ({})", why),
                     done ? "" : "refused: ", result);
}

ControlCommands::ControlCommands(ControlDoors doors, RoleGroups groups)
    : doors_(std::move(doors)), groups_(std::move(groups)) {}

Error ControlCommands::no_right(const Peer& peer, Role least, std::string_view what) const {
  const std::string& group = least == Role::admin     ? groups_.admin
                             : least == Role::support ? groups_.support
                                                      : groups_.view;
  return {ErrorKind::denied,
          fmt::format("{} may not {}: that needs the role {}; root gives it with: adduser {} {} (then log in again)",
                      peer.to_text(), what, tipstaff::to_text(least), peer.name.empty() ? "NAME" : peer.name, group),
          {}};
}

std::string ControlCommands::answer(const Peer& peer, std::string_view line) const {
  // a stranger learns the group to join, and nothing about what there is
  if (peer.role == Role::none) return error_answer(no_right(peer, Role::view, "ask this guard"));
  const auto ask = parse_ask(line);
  if (!ask) return error_answer(ask.error());
  ControlChange change;
  change.at = doors_.now();
  change.by = peer.to_text();
  change.role = peer.role;
  change.what = words_of(*ask);
  change.why = ask->why;
  Result<std::string> done = peer.role < ask->command->least
                                 ? std::unexpected(no_right(peer, ask->command->least, ask->command->name))
                                 : run(peer, *ask, change);
  if (ask->command->changes) {
    change.done = done.has_value();
    if (!done) change.result = done.error().message();
    doors_.journal(change);
  }
  if (!done) return error_answer(done.error());
  done->insert(0, "{\"ok\":true,");
  *done += '}';
  return std::move(*done);
}

Result<std::string> ControlCommands::run(const Peer& peer, const ControlAsk& ask, ControlChange& change) const {
  const std::string_view name = ask.command->name;
  if (name == "status") {
    std::string status = tipstaff::to_json(doors_.status());
    return status.substr(1, status.size() - 2);
  }
  if (name == "blocks") return blocks(ask);
  if (name == "exemptions") return exemptions();
  if (name == "explain") return doors_.explain(ask);
  if (name == "block") return block(ask, change);
  if (name == "unblock") return unblock(peer, ask, change);
  if (name == "exempt") return exempt(peer, ask, change);
  if (name == "trial" && (*ask.length < kShortestTrial || *ask.length > kLongestTrial))
    return fail(ErrorKind::invalid, fmt::format("a trial lasts between {} and {}", tipstaff::to_text(kShortestTrial),
                                                tipstaff::to_text(kLongestTrial)));
  const auto done = name == "trial"     ? doors_.trial(*ask.length, change.signature())
                    : name == "confirm" ? doors_.confirm(change.signature())
                                        : doors_.reload(change.signature());
  if (!done) return std::unexpected(done.error());
  change.result = *done;
  return fmt::format("\"note\":{}", quoted(*done));
}

Result<const Rule*> ControlCommands::rule_of(const Config& config, const std::string& name) const {
  const auto rule = std::ranges::find(config.rules, name, &Rule::name);
  if (rule != config.rules.end()) return &*rule;
  std::string names;
  for (const Rule& one : config.rules) names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", printable(one.name));
  return fail(ErrorKind::not_found, fmt::format("no rule is called \"{}\"; there are {}", printable(name), names));
}

Result<std::string> ControlCommands::blocks(const ControlAsk& ask) const {
  const auto config = doors_.config();
  if (!ask.rule.empty()) {
    if (const auto rule = rule_of(*config, ask.rule); !rule) return std::unexpected(rule.error());
  }
  std::string answer =
      fmt::format(R"("now":"{}","watch_only":{},"blocks":[)", to_rfc3339(doors_.now()), doors_.watch_only());
  BlockWriter writer(answer);
  std::uint64_t count = 0;
  doors_.blocks().each_block([&](const StandingBlock& block) {
    if (ask.network && !overlap(*ask.network, block.network)) return;
    if (!ask.rule.empty() && block.rule != ask.rule) return;
    if (++count > ask.limit.value_or(count)) return;
    if (count > 1) answer += ',';
    writer.add(block);
  });
  answer += fmt::format("],\"count\":{}", count);
  return answer;
}

Result<std::string> ControlCommands::exemptions() const {
  std::string timed;
  for (const TimedExemption& one : doors_.blocks().exemptions())
    timed += (timed.empty() ? "" : ",") + exemption_json(one);
  std::string always;
  for (const Exemption& one : doors_.config()->exempt.entries())
    always += fmt::format(R"({}{{"network":"{}","where":{}}})", always.empty() ? "" : ",", one.network.to_string(),
                          quoted(one.where));
  return fmt::format(R"("now":"{}","exemptions":[{}],"settings":[{}])", to_rfc3339(doors_.now()), timed, always);
}

Result<std::string> ControlCommands::block(const ControlAsk& ask, ControlChange& change) const {
  BlockRequest request{*ask.network, ask.length, ask.service, ask.why, change.signature()};
  if (!ask.rule.empty()) {  // as that rule would block
    const auto config = doors_.config();
    const auto rule = rule_of(*config, ask.rule);
    if (!rule) return std::unexpected(rule.error());
    if ((*rule)->action != Rule::Action::block)
      return fail(ErrorKind::invalid, fmt::format("rule \"{}\" only alerts, it has no lockout", printable(ask.rule)));
    request.lockout = (*rule)->lockout;
    if (request.why.empty()) request.why = fmt::format("by hand, as rule \"{}\"", printable(ask.rule));
  }
  const auto done = doors_.blocks().block(request);
  if (!done) return std::unexpected(done.error());
  change.written = true;
  change.result = done->block.until == kForever ? std::string("blocked for ever")
                                                : fmt::format("blocked until {}", to_rfc3339(done->block.until));
  if (done->watch_only) change.result += " (watch-only: nothing is shut)";
  return fmt::format(R"("block":{},{})", to_json(done->block), members(*done));
}

Result<std::string> ControlCommands::unblock(const Peer& peer, const ControlAsk& ask, ControlChange& change) const {
  if (ask.all && peer.role < Role::admin) return std::unexpected(no_right(peer, Role::admin, "unblock all"));
  if (ask.why.empty() && peer.role < Role::admin)
    return fail(ErrorKind::invalid, "say why, for the record: --why 'the customer has changed his password'");
  if (ask.network && peer.role < Role::admin && !is_one_customer(*ask.network))  // it ends what lies within it, too
    return std::unexpected(no_right(peer, Role::admin, "unblock more than one address (IPv6: one /64)"));
  GuardControl& guard = doors_.blocks();
  if (ask.network && !ask.rule.empty()) {
    if (const auto rule = rule_of(*doors_.config(), ask.rule); !rule) return std::unexpected(rule.error());
    bool found = false;
    guard.each_block([&](const StandingBlock& one) {
      found = found || (one.rule == ask.rule && overlap(one.network, *ask.network));
    });
    if (!found)
      return fail(ErrorKind::not_found,
                  fmt::format("{} is not blocked by rule \"{}\"", ask.network->to_string(), printable(ask.rule)));
  }
  const auto done = guard.unblock(ask.network, ask.why, change.signature());
  if (!done) return std::unexpected(done.error());
  change.written = true;
  std::string list;
  BlockWriter writer(list);
  for (const StandingBlock& one : done->ended) {
    if (!list.empty()) list += ',';
    writer.add(one);
  }
  change.result = fmt::format("{} block{} ended", done->count, done->count == 1 ? "" : "s");
  return fmt::format(R"("count":{},"ended":[{}],{})", done->count, list, members(*done));
}

Result<std::string> ControlCommands::exempt(const Peer& peer, const ControlAsk& ask, ControlChange& change) const {
  const std::chrono::seconds length = ask.length.value_or(std::chrono::days(1));
  if (peer.role < Role::admin) {
    if (length > kLongestSupportExemption)
      return std::unexpected(no_right(peer, Role::admin, "exempt for more than a day"));
    if (!is_one_customer(*ask.network))
      return std::unexpected(no_right(peer, Role::admin, "exempt more than one address (IPv6: one /64)"));
  }
  const TimedExemption exemption{*ask.network, change.at + length, change.signature(), ask.why};
  const auto done = doors_.blocks().exempt(exemption);
  if (!done) return std::unexpected(done.error());
  change.written = true;
  change.result = length.count() == 0 ? std::string("the exemption is ended")
                                      : fmt::format("exempt until {}", to_rfc3339(exemption.until));
  return fmt::format(R"("exemption":{},{})", exemption_json(exemption), members(*done));
}

}  // namespace tipstaff
