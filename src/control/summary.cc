#include "control/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "control/attempt_text.h"
#include "control/output.h"
#include "sources/line_reader.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kTop = 10;
constexpr std::size_t kMostListed = 50;  // blocks and alerts listed for people; JSON has all

json::value text_or_null(std::string_view text) {
  if (text.empty()) return nullptr;
  return json::value(json::string(to_utf8(text)));
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace

void Summary::add(const Attempt& attempt, const std::vector<Verdict>& verdicts) {
  checksum_ += checksum_of(attempt);
  (attempt.outcome == Outcome::failure   ? failures_
   : attempt.outcome == Outcome::success ? successes_
                                         : probes_) += attempt.count;
  if (attempt.address) {
    addresses_[*attempt.address] += attempt.outcome == Outcome::failure ? attempt.count : 0;
    if (attempt.outcome == Outcome::success) {
      for (const unsigned bits : lengths_[attempt.address->is_v4() ? 0 : 1]) {
        const auto found = newest_block_.find(IpNetwork(*attempt.address, bits));
        if (found == newest_block_.end()) continue;
        for (std::uint32_t at = found->second + 1; at != 0; at = blocks_[at - 1].earlier) {
          if (*blocks_[at - 1].host == attempt.host) ++blocks_[at - 1].later_logins;
        }
      }
    }
  }
  for (const auto& verdict : verdicts) {
    if (verdict.kind == Verdict::Kind::alert) {
      alerts_.push_back(verdict);
      continue;
    }
    lengths_[verdict.network.address().is_v4() ? 0 : 1].insert(verdict.network.bits());
    const auto index = static_cast<std::uint32_t>(blocks_.size());
    const auto [newest, first] = newest_block_.try_emplace(verdict.network, index);
    blocks_.push_back({verdict.network, verdict.rule, verdict.at, verdict.until, name(verdict.host),
                       name(verdict.service), first ? 0 : newest->second + 1, 0});
    newest->second = index;
  }
}

std::uint64_t Summary::failing_addresses() const {
  return static_cast<std::uint64_t>(
      std::count_if(addresses_.begin(), addresses_.end(), [](const auto& one) { return one.second > 0; }));
}

std::vector<std::pair<std::string, std::uint64_t>> Summary::top() const {
  std::vector<std::pair<IpAddress, std::uint64_t>> all;
  for (const auto& [address, failures] : addresses_) {
    if (failures > 0) all.emplace_back(address, failures);
  }
  // by failures first; the texts, by which equal ones are ordered, are made only for those that may be among the top
  std::uint64_t least = 0;
  if (all.size() > kTop) {
    std::nth_element(all.begin(), all.begin() + kTop - 1, all.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    least = all[kTop - 1].second;
  }
  std::vector<std::pair<std::string, std::uint64_t>> best;
  for (const auto& [address, failures] : all) {
    if (failures >= least) best.emplace_back(address.to_string(), failures);
  }
  std::sort(best.begin(), best.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (best.size() > kTop) best.resize(kTop);
  return best;
}

void Summary::write_json(std::FILE* stream) const {
  const auto number = [&](std::string_view name, std::uint64_t value) {
    write_to(stream, fmt::format("\"{}\":{},", name, value));
  };
  // a list of objects, each made when it is written
  const auto list = [&](std::string_view name, const auto& all, const auto& object_of) {
    write_to(stream, fmt::format("\"{}\":[", name));
    bool first = true;
    for (const auto& one : all) {
      write_to(stream, (first ? "" : ",") + json::serialize(object_of(one)));
      first = false;
    }
    write_to(stream, "],");
  };
  write_to(stream, "{");
  number("lines", counts_.lines);
  number("known_program", counts_.known_program);
  number("understood", counts_.understood);
  number("failures", failures_);
  number("successes", successes_);
  number("probes", probes_);
  number("addresses", addresses_.size());
  number("failing_addresses", failing_addresses());
  number("ambiguous", counts_.ambiguous);
  number("cut_lines", counts_.cut);
  list("blocks", blocks_, [](const Block& block) {
    json::object one;
    one["address"] = json::string(block.network.to_string());
    one["rule"] = json::string(to_utf8(block.rule->name));
    one["blocked_at"] = json::string(to_rfc3339(block.at));
    one["until"] = json::string(to_rfc3339(block.until));
    one["host"] = text_or_null(*block.host);
    one["service"] = text_or_null(*block.service);
    one["later_logins"] = block.later_logins;
    return one;
  });
  list("alerts", alerts_, [](const Verdict& verdict) {
    json::object one;
    one["rule"] = json::string(to_utf8(verdict.name()));
    one["at"] = json::string(to_rfc3339(verdict.at));
    one["address"] =
        verdict.has_network ? json::value(json::string(verdict.network.to_string())) : json::value(nullptr);
    one["account"] = verdict.has_account ? json::value(json::string(to_utf8(verdict.account))) : json::value(nullptr);
    one["host"] = text_or_null(verdict.host);
    return one;
  });
  list("top", top(), [](const auto& one) { return json::object{{"address", one.first}, {"failures", one.second}}; });
  write_to(stream, fmt::format("\"checksum\":\"{:016x}\"}}\n", checksum_));
}

std::string Summary::to_text(const RuleEngine::Counters& counters) const {
  std::string out = fmt::format("{} read, {} of a known program, {} understood.\n",
                                plural(counts_.lines, "line", "lines"), counts_.known_program, counts_.understood);
  out += fmt::format("{}, {}, {} from {}, {} of which failed.\n", plural(failures_, "failed login", "failed logins"),
                     plural(successes_, "successful login", "successful logins"), plural(probes_, "probe", "probes"),
                     plural(addresses_.size(), "address", "addresses"), failing_addresses());
  if (counts_.known_program == 0 && counts_.lines > 0) {
    out +=
        "No line is of a program that a detector knows: is this a login log? 'tipstaff detectors list' says what is "
        "known.\n";
  } else if (counts_.known_program >= 50 && counts_.understood * 50 < counts_.known_program) {
    out +=
        "Hardly any line of the known programs was understood: their format may have changed. 'tipstaff explain "
        "--line' shows why.\n";
  }
  if (counts_.cut > 0)
    out += fmt::format("{} longer than {} bytes, of which only the beginning was read.\n",
                       plural(counts_.cut, "line was", "lines were"), LineReader::kMaxLine);
  if (counts_.ambiguous > 0)
    out += fmt::format("{} without address: the line can be read in several ways, so somebody may have forged it.\n",
                       plural(counts_.ambiguous, "attempt is", "attempts are"));
  if (counts_.given_up > 0)
    out += fmt::format("{} handed on before its connection had surely ended, because so many were open.\n",
                       plural(counts_.given_up, "attempt was", "attempts were"));
  if (counters.evicted > 0)
    out += fmt::format("{} forgotten because more than the configured number were tracked ([limits] tracked).\n",
                       plural(counters.evicted, "counter was", "counters were"));
  if (counters.exempt > 0)
    out += fmt::format("{} of exempt addresses.\n", plural(counters.exempt, "try was", "tries were"));

  const auto best = top();
  if (!best.empty()) out += "\nTop attackers (failed logins):\n";
  for (const auto& [address, failures] : best) out += fmt::format("  {:>9}  {}\n", failures, address);

  out += blocks_.empty() ? "\nNobody would have been blocked.\n"
                         : fmt::format("\nWould have been blocked ({}):\n", plural(blocks_.size(), "time", "times"));
  for (std::size_t i = 0; i < blocks_.size() && i < kMostListed; ++i) {
    const Block& block = blocks_[i];
    out += fmt::format("  {}  until {}  {}", to_rfc3339(block.at), to_rfc3339(block.until), block.network.to_string());
    if (!block.service->empty()) out += fmt::format(" for {}", printable(*block.service));
    if (!block.host->empty()) out += fmt::format(" on {}", printable(*block.host));
    out += fmt::format(" by \"{}\"\n", block.rule->name);
  }
  if (blocks_.size() > kMostListed)
    out += fmt::format("  ... and {} more; '--format none --json' lists all.\n", blocks_.size() - kMostListed);

  bool heading = false;
  for (const auto& block : blocks_) {
    if (block.later_logins == 0) continue;
    if (!heading) out += "\nBlocked, and logged in successfully later (a customer, or a guesser who got in):\n";
    heading = true;
    out += fmt::format("  {}  blocked {}, then {}\n", block.network.to_string(), to_rfc3339(block.at),
                       plural(block.later_logins, "login", "logins"));
  }
  if (!alerts_.empty()) out += "\nAlerts:\n";
  for (std::size_t i = 0; i < alerts_.size() && i < kMostListed; ++i) {
    const Verdict& verdict = alerts_[i];
    out += fmt::format("  {}  \"{}\"", to_rfc3339(verdict.at), verdict.name());
    if (verdict.has_network) out += "  " + verdict.network.to_string();
    if (verdict.has_account)
      out += "  account " + (verdict.account.empty() ? std::string("(empty)") : printable(verdict.account));
    if (!verdict.host.empty()) out += " on " + printable(verdict.host);
    out += "\n";
  }
  if (alerts_.size() > kMostListed)
    out += fmt::format("  ... and {} more; '--format none --json' lists all.\n", alerts_.size() - kMostListed);
  return out;
}

}  // namespace tipstaff
