#include "control/guard_status.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "base/text.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

json::string utf8(std::string_view text) { return json::string(to_utf8(text)); }

json::value when(std::optional<Instant> time) {
  return time ? json::value(json::string(to_rfc3339(*time))) : json::value(nullptr);
}

json::array texts(const std::vector<std::string>& list) {
  json::array all;
  for (const std::string& text : list) all.push_back(utf8(text));
  return all;
}

// What only a running guard knows is null without one.
json::value if_known(bool known, json::value value) { return known ? std::move(value) : json::value(nullptr); }

json::object to_object(const SourceStatus& source, bool running) {
  json::object one;
  one["name"] = utf8(source.name);
  one["state"] = utf8(source.state);
  one["sentence"] = utf8(source.sentence);
  one["lines"] = if_known(running, source.lines);
  one["known_program"] = if_known(running, source.known_program);
  one["understood"] = if_known(running, source.understood);
  one["implausible_time"] = if_known(running, source.implausible);
  one["unsure"] = if_known(running, source.unsure);
  one["lost"] = if_known(running, source.lost);
  one["behind"] = if_known(running, source.behind);
  one["catching_up"] = if_known(running, source.catching_up);
  one["last_line"] = when(source.last);
  one["skew_seconds"] = source.skew ? json::value(*source.skew) : json::value(nullptr);
  one["alarms"] = texts(source.alarms);
  return one;
}

json::object to_object(const RuleStatus& rule, bool running) {
  json::object one;
  one["name"] = utf8(rule.name);
  one["sentence"] = utf8(rule.sentence);
  one["blocks"] = rule.blocks;
  one["currently_failed"] = if_known(running, rule.currently_failed);
  one["total_failed"] = if_known(running, rule.total_failed);
  one["total_verdicts"] = rule.total_verdicts;
  one["currently_blocked"] = rule.currently_blocked;
  json::array blocked;
  for (const BlockStatus& block : rule.blocked) {
    json::object row;
    row["network"] = utf8(block.network);
    row["service"] = utf8(block.service);
    row["host"] = utf8(block.host);
    row["at"] = when(block.at);
    row["until"] = block.until == Instant::max() ? json::value(nullptr) : when(block.until);
    blocked.push_back(std::move(row));
  }
  one["blocked"] = std::move(blocked);
  return one;
}

json::value to_value(const ExemptStatus& exempt, bool running) {
  if (!running) return nullptr;
  json::object one;
  one["networks"] = exempt.networks;
  one["tries"] = exempt.tries;
  json::array names;
  for (const ExemptStatus::Name& name : exempt.names) {
    json::object row;
    row["name"] = utf8(name.name);
    row["where"] = utf8(name.where);
    row["addresses"] = texts(name.addresses);
    row["resolved"] = when(name.resolved);
    row["problem"] = utf8(name.problem);
    names.push_back(std::move(row));
  }
  one["names"] = std::move(names);
  return one;
}

json::value to_value(const LookupStatus& lookups, bool running) {
  if (!running) return nullptr;
  return json::object{{"dns", lookups.dns}, {"databases", texts(lookups.databases)}};
}

json::object to_object(const EnforcementStatus& enforcement, bool running) {
  json::object one;
  one["enforcing"] = if_known(running, enforcement.enforcing);
  one["backend"] = if_known(running, utf8(enforcement.backend));
  one["connected"] = if_known(running, enforcement.connected);
  one["problem"] = if_known(running, utf8(enforcement.problem));
  one["standing"] = enforcement.standing;
  one["by_hand"] = enforcement.by_hand;
  one["in_force"] = if_known(running, enforcement.in_force);
  one["exempt"] = if_known(running, enforcement.exempt);
  one["not_effective"] = if_known(running, enforcement.not_effective);
  one["dropped"] = if_known(running, enforcement.dropped);
  one["exemptions"] = enforcement.exemptions;
  return one;
}

// Reads members of an object; what is missing or of another type makes the whole answer invalid.
class Reader {
 public:
  explicit Reader(const json::object& object) : object_(object) {}
  std::string text(const char* name) const { return json::value_to<std::string>(object_.at(name)); }
  std::uint64_t count(const char* name) const { return object_.at(name).to_number<std::uint64_t>(); }
  bool flag(const char* name) const { return object_.at(name).as_bool(); }
  const json::array& list(const char* name) const { return object_.at(name).as_array(); }
  std::vector<std::string> texts(const char* name) const {
    return json::value_to<std::vector<std::string>>(object_.at(name));
  }
  std::optional<std::int64_t> number(const char* name) const {
    const json::value& value = object_.at(name);
    return value.is_null() ? std::nullopt : std::optional(value.to_number<std::int64_t>());
  }
  std::optional<Instant> when(const char* name) const {
    const json::value& value = object_.at(name);
    if (value.is_null()) return std::nullopt;
    const std::string time = json::value_to<std::string>(value);
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (std::sscanf(time.c_str(), "%4d-%2u-%2uT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute, &second) != 6)
      throw std::invalid_argument("time");
    return std::chrono::sys_days(std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day)) +
           std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
  }

 private:
  const json::object& object_;
};

GuardStatus read(const json::object& object) {
  const Reader reader(object);
  GuardStatus status;
  status.running = reader.flag("running");
  status.watch_only = reader.flag("watch_only");
  status.now = reader.when("now").value_or(Instant{});
  status.since = reader.when("since");
  const Reader enforcement(object.at("enforcement").as_object());
  status.enforcement.enforcing = enforcement.flag("enforcing");
  status.enforcement.backend = enforcement.text("backend");
  status.enforcement.connected = enforcement.flag("connected");
  status.enforcement.problem = enforcement.text("problem");
  status.enforcement.standing = enforcement.count("standing");
  status.enforcement.by_hand = enforcement.count("by_hand");
  status.enforcement.in_force = enforcement.count("in_force");
  status.enforcement.exempt = enforcement.count("exempt");
  status.enforcement.not_effective = enforcement.count("not_effective");
  status.enforcement.dropped = enforcement.count("dropped");
  status.enforcement.exemptions = enforcement.count("exemptions");
  const Reader ledger(object.at("ledger").as_object());
  status.ledger = ledger.text("folder");
  status.recording = ledger.flag("recording");
  status.problem = ledger.text("problem");
  status.recorded = ledger.count("recorded");
  status.dropped = ledger.count("dropped");
  status.failures = reader.count("failures");
  status.successes = reader.count("successes");
  status.probes = reader.count("probes");
  const Reader exempt(object.at("exempt").as_object());
  status.exempt.networks = exempt.count("networks");
  status.exempt.tries = exempt.count("tries");
  for (const json::value& value : exempt.list("names")) {
    const Reader one(value.as_object());
    status.exempt.names.push_back(
        {one.text("name"), one.text("where"), one.texts("addresses"), one.when("resolved"), one.text("problem")});
  }
  const Reader lookups(object.at("lookups").as_object());
  status.lookups = {lookups.flag("dns"), lookups.texts("databases")};
  if (!object.at("trial").is_null()) status.trial = reader.text("trial");
  status.problems = reader.texts("problems");
  for (const json::value& value : reader.list("sources")) {
    const Reader one(value.as_object());
    SourceStatus& source = status.sources.emplace_back();
    source.name = one.text("name");
    source.state = one.text("state");
    source.sentence = one.text("sentence");
    source.lines = one.count("lines");
    source.known_program = one.count("known_program");
    source.understood = one.count("understood");
    source.implausible = one.count("implausible_time");
    source.unsure = one.count("unsure");
    source.lost = one.count("lost");
    source.behind = one.count("behind");
    source.catching_up = one.flag("catching_up");
    source.last = one.when("last_line");
    source.skew = one.number("skew_seconds");
    source.alarms = one.texts("alarms");
  }
  for (const json::value& value : reader.list("rules")) {
    const Reader one(value.as_object());
    RuleStatus& rule = status.rules.emplace_back();
    rule.name = one.text("name");
    rule.sentence = one.text("sentence");
    rule.blocks = one.flag("blocks");
    rule.currently_failed = one.count("currently_failed");
    rule.total_failed = one.count("total_failed");
    rule.total_verdicts = one.count("total_verdicts");
    rule.currently_blocked = one.count("currently_blocked");
    for (const json::value& row : one.list("blocked")) {
      const Reader block(row.as_object());
      rule.blocked.push_back({block.text("network"), block.text("service"), block.text("host"),
                              block.when("at").value_or(Instant{}), block.when("until").value_or(Instant::max())});
    }
  }
  return status;
}

// A tree as fail2ban-client draws it.
struct Node {
  std::string text;
  std::vector<Node> children{};
};

void draw(const std::vector<Node>& nodes, const std::string& indent, std::string& out) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const bool last = i + 1 == nodes.size();
    out += fmt::format("{}{} {}\n", indent, last ? "`-" : "|-", nodes[i].text);
    draw(nodes[i].children, indent + (last ? "   " : "|  "), out);
  }
}

std::string age(Instant then, Instant now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - then);
  if (seconds.count() < 120) return fmt::format("{} s ago", std::max<std::int64_t>(seconds.count(), 0));
  if (seconds < std::chrono::hours(2)) return fmt::format("{} min ago", seconds.count() / 60);
  if (seconds < std::chrono::days(2)) return fmt::format("{} h ago", seconds.count() / 3600);
  return fmt::format("{} d ago", seconds.count() / 86400);
}

Node to_node(const SourceStatus& source, Instant now, bool running) {
  Node node{fmt::format("{}: {}", printable(source.name), source.state)};
  if (!running) return node;
  if (!source.sentence.empty()) node.children.push_back({printable(source.sentence)});
  node.children.push_back({fmt::format("Lines seen:          {}", source.lines)});
  node.children.push_back({fmt::format("Of a known program:  {}", source.known_program)});
  node.children.push_back({fmt::format("Understood:          {}", source.understood)});
  node.children.push_back({fmt::format("Last line:           {}", source.last ? age(*source.last, now) : "none yet")});
  if (source.skew) {
    const std::int64_t skew = *source.skew;
    node.children.push_back({fmt::format("Skew:                stamps are {} s {} arrival", skew < 0 ? -skew : skew,
                                         skew < 0 ? "ahead of" : "behind")});
  }
  if (source.implausible > 0)
    node.children.push_back(
        {fmt::format("Implausible stamps:  {} (arrival counted instead; is the clock or the time zone "
                     "of this source wrong?)",
                     source.implausible)});
  if (source.unsure > 0)
    node.children.push_back(
        {fmt::format("May be forged:       {} (kept as probes, they count for nothing)", source.unsure)});
  if (source.lost > 0) node.children.push_back({fmt::format("Lost:                {}", source.lost)});
  if (source.behind > 0) node.children.push_back({fmt::format("Not read yet:        {}", source.behind)});
  for (const std::string& alarm : source.alarms) node.children.push_back({"ALARM: " + printable(alarm)});
  return node;
}

Node to_node(const ExemptStatus& exempt) {
  Node node{fmt::format("Exempt: {} {}", exempt.networks, exempt.networks == 1 ? "network" : "networks")};
  node.children.push_back({fmt::format("Tries of exempt addresses: {}", exempt.tries)});
  for (const ExemptStatus::Name& name : exempt.names) {
    std::string text = fmt::format("{} ({}):", printable(name.name), printable(name.where));
    for (const std::string& address : name.addresses) text += " " + printable(address);
    text += name.resolved ? fmt::format(", resolved {}", to_rfc3339(*name.resolved)) : " no address known yet";
    Node one{text};
    if (!name.problem.empty()) one.children.push_back({"PROBLEM: " + printable(name.problem)});
    node.children.push_back(std::move(one));
  }
  return node;
}

Node to_node(const LookupStatus& lookups) {
  Node node{"Look-ups"};
  node.children.push_back({lookups.dns ? "DNS: on" : "DNS: off (turn on with [lookups] dns = true)"});
  for (const std::string& database : lookups.databases) node.children.push_back({"Database: " + printable(database)});
  return node;
}

std::vector<Node> to_nodes(const RuleStatus& rule, const GuardStatus& status, bool with_sources) {
  std::string list = rule.blocked.empty() ? "none" : "";
  constexpr std::size_t kMostShown = 100;
  for (std::size_t i = 0; i < rule.blocked.size() && i < kMostShown; ++i)
    list += (i > 0 ? " " : "") + printable(rule.blocked[i].network);
  if (rule.currently_blocked > kMostShown) list += fmt::format(" and {} more", rule.currently_blocked - kMostShown);
  const char* const would = status.watch_only ? "Would be blocked" : "Blocked";
  Node filter{"Filter"};
  if (status.running) {
    filter.children = {{fmt::format("Currently failed: {}", rule.currently_failed)},
                       {fmt::format("Total failed:     {}", rule.total_failed)}};
    std::string sources;
    for (const SourceStatus& source : status.sources) sources += (sources.empty() ? "" : " ") + printable(source.name);
    if (with_sources) filter.children.push_back({fmt::format("Source list:      {}", sources)});
  } else {
    filter.children = {{printable(rule.sentence)},
                       {"Currently failed: not known without the guard"},
                       {"Total failed:     not kept by rule; of all rules see \"Attempts\" in 'tipstaff status'"}};
  }
  Node actions{"Actions"};
  if (rule.blocks) {
    actions.children = {{fmt::format("Currently blocked: {}{}", rule.currently_blocked,
                                     status.watch_only ? " (would be: watch-only)" : "")},
                        {fmt::format("Total blocked:     {}", rule.total_verdicts)},
                        {fmt::format("{} IP list: {}", would, list)}};
  } else {
    actions.children = {{fmt::format("Total alerts: {}", rule.total_verdicts)}};
  }
  return {filter, actions};
}

}  // namespace

std::string to_json(const GuardStatus& status) {
  json::object object;
  object["running"] = status.running;
  object["watch_only"] = status.watch_only;
  object["enforcement"] = to_object(status.enforcement, status.running);
  object["now"] = when(status.now);
  object["since"] = when(status.since);
  json::object ledger;
  ledger["folder"] = utf8(status.ledger);
  ledger["recording"] = status.running && status.recording;
  ledger["problem"] = utf8(status.running ? status.problem : "the guard is not running");
  ledger["recorded"] = if_known(status.running, status.recorded);
  ledger["dropped"] = if_known(status.running, status.dropped);
  object["ledger"] = std::move(ledger);
  object["failures"] = status.failures;
  object["successes"] = status.successes;
  object["probes"] = status.probes;
  object["exempt"] = to_value(status.exempt, status.running);
  object["lookups"] = to_value(status.lookups, status.running);
  object["trial"] = status.trial.empty() ? json::value(nullptr) : json::value(utf8(status.trial));
  object["problems"] = texts(status.problems);
  json::array sources;
  for (const SourceStatus& source : status.sources) sources.push_back(to_object(source, status.running));
  object["sources"] = std::move(sources);
  json::array rules;
  for (const RuleStatus& rule : status.rules) rules.push_back(to_object(rule, status.running));
  object["rules"] = std::move(rules);
  return json::serialize(object);
}

Result<GuardStatus> parse_status(std::string_view text) {
  try {
    return read(json::parse(json::string_view(text.data(), text.size())).as_object());
  } catch (const std::exception&) {
    return fail(
        ErrorKind::invalid,
        "the answer of the guard is not one that this version of tipstaff reads; restart the guard after an update");
  }
}

Result<std::string> to_tree(const GuardStatus& status, const std::string& rule) {
  std::string out;
  if (!rule.empty()) {
    std::string names;
    for (const RuleStatus& one : status.rules) {
      if (one.name == rule) {
        out = fmt::format("Status for the rule: {}\n", printable(rule));
        draw(to_nodes(one, status, true), "", out);
        return out;
      }
      names += (names.empty() ? "\"" : ", \"") + printable(one.name) + "\"";
    }
    return fail(ErrorKind::not_found, fmt::format("no rule is called '{}'; there are {}", printable(rule), names));
  }
  out = status.running ? fmt::format("Status: guarding since {}{}\n", status.since ? to_rfc3339(*status.since) : "?",
                                     status.watch_only ? ", watch-only: nothing is shut" : "")
                       : std::string("Status: the guard is not running; this is what the ledger holds\n");
  std::vector<Node> nodes;
  if (!status.trial.empty()) nodes.push_back({"TRIAL: " + printable(status.trial)});
  for (const std::string& problem : status.problems) nodes.push_back({"PROBLEM: " + printable(problem)});
  Node sources{"Sources"};
  for (const SourceStatus& source : status.sources)
    sources.children.push_back(to_node(source, status.now, status.running));
  if (sources.children.empty()) sources.children.push_back({"none"});
  nodes.push_back(std::move(sources));
  Node attempts{status.running ? "Attempts"
                               : fmt::format("Attempts: in the whole ledger{}; without those that have no address",
                                             status.since ? ", since " + to_rfc3339(*status.since) : "")};
  attempts.children = {{fmt::format("Failures:  {}", status.failures)},
                       {fmt::format("Successes: {}", status.successes)},
                       {fmt::format("Probes:    {}", status.probes)}};
  nodes.push_back(std::move(attempts));
  if (status.running) nodes.push_back(to_node(status.exempt));
  if (status.running) nodes.push_back(to_node(status.lookups));
  if (const EnforcementStatus& enforcement = status.enforcement; status.running) {
    Node blocks{enforcement.enforcing ? fmt::format("Blocks: enforcing by {}", printable(enforcement.backend))
                                      : std::string("Blocks: watch-only, nothing is shut (enforce with --enforce)")};
    if (enforcement.enforcing && !enforcement.connected)
      blocks.children.push_back(
          {"NOT IN FORCE: " + printable(enforcement.problem.empty() ? "not connected yet" : enforcement.problem)});
    blocks.children.push_back(
        {fmt::format("Standing:  {}{}", enforcement.standing,
                     enforcement.by_hand > 0 ? fmt::format(", {} of them by hand", enforcement.by_hand) : "")});
    if (enforcement.enforcing) {
      blocks.children.push_back({fmt::format("In force:  {}", enforcement.in_force)});
      blocks.children.push_back({fmt::format("Dropped:   {} packets", enforcement.dropped)});
    }
    if (enforcement.exempt > 0)
      blocks.children.push_back(
          {fmt::format("Observed:  {} (exempt by the enforcer's own allowlist)", enforcement.exempt)});
    if (enforcement.exemptions > 0)
      blocks.children.push_back({fmt::format("Exempt for a time: {}", enforcement.exemptions)});
    if (enforcement.not_effective > 0)
      blocks.children.push_back({fmt::format("NOT EFFECTIVE: {}", enforcement.not_effective)});
    nodes.push_back(std::move(blocks));
  }
  if (!status.running) {
    nodes.push_back({"Blocks: whether the firewall has them is not known without the guard",
                     {{fmt::format("Standing:  {}, {} of them by hand", status.enforcement.standing,
                                   status.enforcement.by_hand)}}});
    if (status.enforcement.exemptions > 0)
      nodes.back().children.push_back({fmt::format("Exempt for a time: {}", status.enforcement.exemptions)});
  }
  Node ledger{fmt::format("Ledger: {}", printable(status.ledger))};
  if (!status.recording) ledger.children.push_back({"NOT RECORDING: " + printable(status.problem)});
  if (status.running) ledger.children.push_back({fmt::format("Rows written: {}", status.recorded)});
  if (status.dropped > 0) ledger.children.push_back({fmt::format("Rows lost:    {}", status.dropped)});
  nodes.push_back(std::move(ledger));
  Node rules{"Rules"};
  for (const RuleStatus& one : status.rules)
    rules.children.push_back({printable(one.name), to_nodes(one, status, false)});
  nodes.push_back(std::move(rules));
  draw(nodes, "", out);
  return out;
}

}  // namespace tipstaff
