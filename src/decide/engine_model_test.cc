// The engine against a model that keeps every stamp for ever and looks through all of them: 10,000 random attempts, few
// addresses and accounts, steps of time that often fall on the edge of a window. A difference prints its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>

#include <fmt/format.h>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::config_of;
using testing_decide::Judge;

struct Seen {
  Instant at;
  std::string value;
};

class Model {
 public:
  explicit Model(const Config& config) : config_(config) {}

  std::string operator()(const Attempt& attempt) {
    std::string said;
    if (attempt.address && config_.exempt.find(*attempt.address) != nullptr) return said;
    const bool shut = std::ranges::any_of(blocks_, [&](const auto& block) {
      return attempt.address && block.host == attempt.host && block.network.contains(*attempt.address) &&
             attempt.window_time < block.until && (block.service.empty() || block.service == attempt.service);
    });
    for (const Rule& rule : config_.rules) {
      if (shut &&
          !(rule.after_failures > 0 && rule.action == Rule::Action::alert && attempt.outcome == Outcome::success))
        continue;
      const Fit fit = rule.fit(attempt);
      if (fit != Fit::yes && fit != Fit::feeds) continue;
      const std::string words = look(rule, attempt, fit == Fit::feeds);
      if (!words.empty()) said += (said.empty() ? "" : "; ") + words;
      if (words.starts_with("block") || (fit == Fit::yes && !rule.look_on)) break;
    }
    return said;
  }

 private:
  struct Block {
    std::string host;
    std::string service;
    IpNetwork network;
    Instant until;
  };

  std::string look(const Rule& rule, const Attempt& attempt, bool feeds) {
    std::string key = rule.name + "|" + attempt.host;
    if (rule.scope == Rule::Scope::service) key += "|" + std::string(attempt.service);
    key += "|" +
           (rule.count_by == Rule::CountBy::account ? attempt.account : rule.network_of(*attempt.address).to_string());
    std::vector<Seen>& seen = seen_[key];
    const Instant now = attempt.window_time;
    if (rule.after_failures == 0 || feeds) {
      const std::string value = rule.distinct == Rule::Distinct::account   ? attempt.account
                                : rule.distinct == Rule::Distinct::address ? attempt.address->to_string()
                                                                           : "";
      for (std::uint32_t i = 0; i < attempt.count; ++i) seen.push_back({now, value});
    }
    if (feeds) return "";
    std::size_t count = 0;
    std::set<std::string> values;
    for (const Seen& one : seen) {
      if (now - one.at >= rule.trigger_window) continue;
      ++count;
      values.insert(one.value);
    }
    if ((rule.distinct == Rule::Distinct::none ? count : values.size()) < rule.needed()) return "";
    if (rule.action == Rule::Action::alert) {
      if (alerts_.contains(key) && now - alerts_[key] < rule.trigger_window) return "";
      alerts_[key] = now;
      return "alert " + rule.name;
    }
    seen.clear();
    std::vector<Instant>& past = past_[key];
    if (!past.empty() && now - past.back() >= rule.remember) past.clear();
    const auto lockout =
        rule.escalate.empty() ? rule.lockout : rule.escalate[std::min(past.size(), rule.escalate.size() - 1)];
    past.push_back(now);
    IpNetwork network = rule.network_of(*attempt.address);
    const auto hit = [&network](const Exemption& one) {
      return network.contains(one.network.address()) || one.network.contains(network.address());
    };
    if (std::ranges::any_of(config_.exempt.entries(), hit) || std::ranges::any_of(rule.exempt.entries(), hit))
      network = {*attempt.address, attempt.address->is_v4() ? 32U : 128U};
    blocks_.push_back(
        {attempt.host, rule.scope == Rule::Scope::service ? std::string(attempt.service) : "", network, now + lockout});
    return fmt::format("block {} {}", network.to_string(), lockout.count());
  }

  const Config& config_;
  std::map<std::string, std::vector<Seen>> seen_;
  std::map<std::string, Instant> alerts_;
  std::map<std::string, std::vector<Instant>> past_;
  std::vector<Block> blocks_;
};

constexpr std::string_view kRules = R"(
[allowlist]
networks = ["192.0.2.3", "2001:db8::/80"]
[[rule]]
name = "After"
trigger_window = "40s"
after_failures = 3
match = { outcome = "success" }
action = "alert"
continue = true
[[rule]]
name = "Many"
trigger_window = "2m"
occurrences = 4
count_by = "account"
distinct = "address"
action = "alert"
continue = true
[[rule]]
name = "Spraying"
trigger_window = "5m"
occurrences = 4
lockout = "3m"
distinct = "account"
exempt = ["192.0.2.5"]
continue = true
[[rule]]
name = "Root"
trigger_window = "30s"
occurrences = 3
lockout = "40s"
escalate = ["40s", "2m", "4m"]
remember = "10m"
scope = "service"
match = { outcome = ["failure", "probe"], account = "r*" }
[[rule]]
name = "Rest"
trigger_window = "20s"
occurrences = 6
lockout = "1m"
count_by = "prefix"
ipv4_prefix = 30
)";

TEST(EngineModel, AgreesWithTheNaiveOneOn10000RandomAttempts) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937_64 random(seed);
  const auto pick = [&random](std::uint64_t below) { return random() % below; };
  const auto config = config_of(kRules);
  ASSERT_EQ(config->rules.size(), 5U);
  Judge judge(config);
  Model model(*config);
  const std::string accounts[] = {"root", "r2", "anna", "bo", "cid", "dan", "eve", ""};
  std::chrono::microseconds at = 0s;
  std::map<char, int> verdicts;
  for (int step = 0; step < 10000; ++step) {
    if (pick(3) == 0) at += std::chrono::seconds(pick(6));
    if (pick(200) == 0) at += std::chrono::seconds(pick(20) * 30);
    const std::string address =
        pick(4) == 0 ? fmt::format("2001:db8:0:{}::{}", pick(2), pick(3)) : fmt::format("192.0.2.{}", pick(10));
    Attempt attempt = testing_decide::failure(at, pick(30) == 0 ? "" : address, accounts[pick(8)]);
    attempt.outcome = pick(12) == 0 ? Outcome::success : pick(15) == 0 ? Outcome::probe : Outcome::failure;
    attempt.count = pick(10) == 0 ? static_cast<std::uint32_t>(1 + pick(8)) : 1;
    attempt.host = pick(3) == 0 ? "host-b" : "host-a";
    attempt.service = pick(3) == 0 ? "dovecot" : "sshd";
    const std::string expected = model(attempt);
    ASSERT_EQ(judge(attempt), expected) << "step " << step;
    if (!expected.empty()) ++verdicts[expected[0]];
  }
  EXPECT_GT(verdicts['b'], 50);  // the mix does reach what it is to compare
  EXPECT_GT(verdicts['a'], 50);
}

}  // namespace
}  // namespace tipstaff
