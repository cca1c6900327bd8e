#include "control/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "base/text.h"
#include "control/attempt_text.h"
#include "sources/line_reader.h"

namespace tipstaff {
namespace {

namespace json = boost::json;

constexpr std::size_t kTop = 10;
constexpr std::size_t kMostListed = 50;  // blocks and alerts listed for people; JSON has all

json::value text_or_null(const std::string& text) {
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
    Seen& seen = addresses_[*attempt.address];
    if (attempt.outcome == Outcome::failure) seen.failures += attempt.count;
    if (attempt.outcome == Outcome::success) {
      for (const unsigned bits : lengths_[attempt.address->is_v4() ? 0 : 1]) {
        const auto found = blocks_of_.find(IpNetwork(*attempt.address, bits));
        if (found == blocks_of_.end()) continue;
        for (const std::size_t i : found->second) {
          if (blocks_[i].verdict.host == attempt.host) ++blocks_[i].later_logins;
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
    blocks_of_[verdict.network].push_back(blocks_.size());
    blocks_.push_back({verdict, 0});
  }
}

std::uint64_t Summary::failing_addresses() const {
  return static_cast<std::uint64_t>(
      std::count_if(addresses_.begin(), addresses_.end(), [](const auto& one) { return one.second.failures > 0; }));
}

std::vector<std::pair<std::string, std::uint64_t>> Summary::top() const {
  std::vector<std::pair<IpAddress, std::uint64_t>> all;
  for (const auto& [address, seen] : addresses_) {
    if (seen.failures > 0) all.emplace_back(address, seen.failures);
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

std::string Summary::to_json() const {
  json::array blocks;
  for (const auto& block : blocks_) {
    const Verdict& verdict = block.verdict;
    json::object one;
    one["address"] = json::string(verdict.network.to_string());
    one["rule"] = json::string(to_utf8(verdict.rule->name));
    one["blocked_at"] = json::string(to_rfc3339(verdict.at));
    one["until"] = json::string(to_rfc3339(verdict.until));
    one["host"] = text_or_null(verdict.host);
    one["service"] = text_or_null(verdict.service);
    one["later_logins"] = block.later_logins;
    blocks.push_back(std::move(one));
  }
  json::array alerts;
  for (const auto& verdict : alerts_) {
    json::object one;
    one["rule"] = json::string(to_utf8(verdict.rule->name));
    one["at"] = json::string(to_rfc3339(verdict.at));
    one["address"] =
        verdict.has_network ? json::value(json::string(verdict.network.to_string())) : json::value(nullptr);
    one["account"] = verdict.has_account ? json::value(json::string(to_utf8(verdict.account))) : json::value(nullptr);
    one["host"] = text_or_null(verdict.host);
    alerts.push_back(std::move(one));
  }
  json::array best;
  for (const auto& [address, failures] : top())
    best.push_back(json::object{{"address", address}, {"failures", failures}});
  json::object all;
  all["lines"] = counts_.lines;
  all["known_program"] = counts_.known_program;
  all["understood"] = counts_.understood;
  all["failures"] = failures_;
  all["successes"] = successes_;
  all["probes"] = probes_;
  all["addresses"] = addresses_.size();
  all["failing_addresses"] = failing_addresses();
  all["ambiguous"] = counts_.ambiguous;
  all["cut_lines"] = counts_.cut;
  all["blocks"] = std::move(blocks);
  all["alerts"] = std::move(alerts);
  all["top"] = std::move(best);
  all["checksum"] = json::string(fmt::format("{:016x}", checksum_));
  return json::serialize(all);
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
    out += fmt::format("{} at once; {} handed on early, perhaps incomplete.\n",
                       "More connections were open than are followed",
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
    const Verdict& verdict = blocks_[i].verdict;
    out += fmt::format("  {}  until {}  {}", to_rfc3339(verdict.at), to_rfc3339(verdict.until),
                       verdict.network.to_string());
    if (!verdict.service.empty()) out += fmt::format(" for {}", printable(verdict.service));
    if (!verdict.host.empty()) out += fmt::format(" on {}", printable(verdict.host));
    out += fmt::format(" by \"{}\"\n", verdict.rule->name);
  }
  if (blocks_.size() > kMostListed)
    out += fmt::format("  ... and {} more; '--format none --json' lists all.\n", blocks_.size() - kMostListed);

  bool heading = false;
  for (const auto& block : blocks_) {
    if (block.later_logins == 0) continue;
    if (!heading) out += "\nBlocked, and logged in successfully later (a customer, or a guesser who got in):\n";
    heading = true;
    out += fmt::format("  {}  blocked {}, then {}\n", block.verdict.network.to_string(), to_rfc3339(block.verdict.at),
                       plural(block.later_logins, "login", "logins"));
  }
  if (!alerts_.empty()) out += "\nAlerts:\n";
  for (std::size_t i = 0; i < alerts_.size() && i < kMostListed; ++i) {
    const Verdict& verdict = alerts_[i];
    out += fmt::format("  {}  \"{}\"", to_rfc3339(verdict.at), verdict.rule->name);
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
