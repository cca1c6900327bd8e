// The stages are called as `scan` calls them, so what is explained is what happens.
#include "control/explain.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>

#include "base/text.h"
#include "control/output.h"
#include "control/scan.h"
#include "control/setup.h"
#include "decide/exemption_sources.h"
#include "decide/explain.h"
#include "detect/folder.h"
#include "detect/header.h"
#include "detect/recognizer.h"
#include "detect/stamp.h"

namespace tipstaff {
namespace {

struct Explanation {
  std::vector<std::pair<std::string, std::string>> stages;  // name, sentence
  void say(std::string stage, std::string text) { stages.emplace_back(std::move(stage), std::move(text)); }
};

constexpr std::chrono::seconds kExemptionsWait{5};

std::string quoted(std::string_view text) { return fmt::format("'{}'", printable(text)); }

std::string_view meaning(Kind kind) {
  switch (kind) {
    case Kind::failure:
      return "a failed try";
    case Kind::tells:
      return "tells of a failed try; makes an attempt unless another line of the connection has made it";
    case Kind::success:
      return "a login";
    case Kind::probe:
      return "a scan or protocol error; one probe if the connection has no attempt";
    case Kind::opens:
      return "a new connection begins";
    case Kind::completes:
      return "tells the address of the connection";
    case Kind::harmless:
      return "an ordinary line, understood, no attempt";
  }
  return "";
}

void explain_header(const Header& header, Explanation& out) {
  std::string text =
      fmt::format("stamp {} ({})", header.stamp.empty() ? "none" : quoted(header.stamp), to_text(header.stamp_kind));
  text += fmt::format(", host {}, program {}", header.host.empty() ? "none" : quoted(header.host),
                      header.program.empty() ? "none" : quoted(header.program));
  if (header.pid != 0) text += fmt::format(", process {}", header.pid);
  if (header.layout != Layout::syslog && header.layout != Layout::none)
    text += fmt::format(", kind of log: {}", to_text(header.layout));
  if (header.contained) text += ", out of a container's log";
  out.say("header", text);
  out.say("message", quoted(header.message));
}

void explain_finding(const Finding& finding, const RecognizerOptions& options, Explanation& out) {
  if (!finding.known_program && !finding.understood) {
    out.say("detector",
            "none reads lines of this program; 'tipstaff detectors list' says what is read, --service NAME reads it "
            "all the same");
    return;
  }
  if (!finding.understood) {
    out.say("detector", fmt::format("{} reads this program, but no pattern of it fits the message: nothing is counted",
                                    finding.detector->name));
    return;
  }
  out.say("detector", fmt::format("{} ({}){}", finding.detector->name, finding.detector->where,
                                  options.service.empty() ? "" : ", because of --service"));
  if (finding.pattern != nullptr) {
    out.say("pattern", fmt::format("{}, {}: {}", finding.pattern->where, to_text(finding.kind), meaning(finding.kind)));
    if (finding.kind != finding.pattern->kind)
      out.say("setting", fmt::format("{} is off, so the line does not count", finding.pattern->if_setting));
    if (finding.pattern->anchor != Anchor::none && finding.fields.has_address) {
      out.say("anchor",
              fmt::format("the {} address is the true one: {}",
                          finding.pattern->anchor == Anchor::last ? "last" : "first", finding.pattern->reason));
    }
  } else {
    out.say("request", fmt::format("{}: {}", to_text(finding.kind), meaning(finding.kind)));
  }
  if (finding.repeat > 1) out.say("repeated", fmt::format("the line stands for {} of its kind", finding.repeat));
  if (finding.ambiguous)
    out.say("forgery",
            "the line can be read with several addresses, so the attempt has none and nobody is blocked for it");
}

}  // namespace

int run_explain(const ExplainOptions& options) {
  const auto complain = [](std::string_view text) {
    print_error("tipstaff explain: {}\n", text);
    return kUsage;
  };
  const auto detectors = setup_detectors(options.detectors);
  if (!detectors) return complain(detectors.error().message());
  const auto config = setup_config(options.rules);
  if (!config) return complain(config.error().message());
  if (!options.service.empty() && find_detector(*detectors, options.service) == nullptr)
    return complain(unknown_service(*detectors, options.service));
  auto zone = setup_zone(options.timezone);
  if (!zone) return complain(zone.error().message());

  Explanation out;
  std::string scratch;
  const Header header = split_header(options.line, scratch);
  explain_header(header, out);
  SourceClock clock(std::move(*zone), options.year,
                    std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()));
  clock.follow(header);
  const auto time = clock.time_of(header);
  out.say("time", time ? to_rfc3339(*time) : "none can be read");
  RecognizerOptions recognizer_options{options.service, settings_in_force(**config)};
  Recognizer recognizer(*detectors, recognizer_options);
  Finding finding;
  recognizer.recognize(header, finding);
  explain_finding(finding, recognizer_options, out);
  std::optional<Attempt> made;
  Folder folder([&](const Attempt& attempt) { made = attempt; });
  if (finding.understood && finding.kind != Kind::harmless) folder.add(header, finding, time, 1);
  folder.finish();
  if (made) {
    out.say("attempt", fmt::format("{} of {} from {}{}, service {}{}{}", to_text(made->outcome),
                                   made->has_account ? "account " + quoted(made->account) : "no account",
                                   made->address ? made->address->to_string() : "no address",
                                   made->port != 0 ? fmt::format(" port {}", made->port) : "", made->service,
                                   made->extra.empty() ? "" : ", " + printable(made->extra),
                                   made->count > 1 ? fmt::format(", {} tries", made->count) : ""));
    // What a guard finds out while it runs; a rules file is tried as a replay would, without this machine.
    ExemptionSources live((*config)->allow, ExemptionFacts::of_this_machine());
    if (options.rules.empty()) {
      live.wait(std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()), kExemptionsWait);
      for (const NameStatus& name : live.names()) out.say("name", to_sentence(name));
    }
    for (auto& sentence : tipstaff::explain(**config, *made, live.snapshot().get()))
      out.say("decision", std::move(sentence));
  } else {
    out.say("attempt", "none from this line alone");
  }
  if (options.json) {
    boost::json::array all;
    for (const auto& [stage, text] : out.stages)
      all.push_back(boost::json::object{{"stage", stage}, {"text", to_utf8(text)}});
    print_out("{}\n", boost::json::serialize(boost::json::object{{"stages", std::move(all)}}));
  } else {
    for (const auto& [stage, text] : out.stages) print_out("{:9} {}\n", stage, text);
  }
  return kGood;
}

}  // namespace tipstaff
