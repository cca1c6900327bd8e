// Nobody shut out wrongly, from the log line to the row in the ledger: exemptions that come while the guard runs, blocks
// that are narrowed because of them, customers with an old password; and that a restart keeps each of them as it was.
#include <gtest/gtest.h>

#include <map>

#include "control/guard_core.h"
#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_guard::Feed;
using testing_guard::instant;
using testing_guard::kSource;
using testing_guard::MemoryLedger;
using testing_guard::rules;
using Texts = std::vector<std::string>;

const Instant kBegin = instant("2026-11-25T08:00:00Z");

// Lines of sshd, one a second.
class Watch {
 public:
  explicit Watch(std::string_view text) : config_(rules(text)) { start(); }

  void start() {
    core_ = std::make_unique<GuardCore>(
        config_, testing_guard::detectors(), [this](Priority, const std::string& line) { said.push_back(line); },
        kBegin);
    core_->set_live_exemptions(live);
    core_->add_source(kSource, TimeZone(), false, ReadMark(), kBegin);
    core_->restore(ledger.recent(), ledger.said(), at_);
  }
  void log(std::string_view message, int times = 1) {
    for (; times > 0; --times) {
      at_ += 1s;
      const std::string stamp = to_rfc3339(at_);
      feed_.lines.push_back(fmt::format("{} gate sshd[{}]: {}", stamp, ++pid_, message));
      feed_.give(1, at_, false, [this](const Record& record) { core_->take(0, record); });
    }
    at_ += 5min;  // long enough for every connection to be over
    core_->pass(at_);
    ledger.write(core_->cut_batch(at_, [](std::size_t, Place) { return std::string(); }));
  }
  void fail(std::string_view address, int times, std::string_view account = "root") {
    log(fmt::format("Failed password for {} from {} port 4022 ssh2", account, address), times);
  }
  void succeed(std::string_view address, std::string_view account) {
    log(fmt::format("Accepted password for {} from {} port 4022 ssh2", account, address));
  }
  void exempt(std::vector<Exemption> entries) {
    live = std::make_shared<const Exemptions>(std::move(entries));
    core_->set_live_exemptions(live);
  }
  [[nodiscard]] Texts verdicts() const {
    std::multimap<Instant, std::string> sorted;
    for (const StoredVerdict& row : ledger.said()) {
      sorted.emplace(row.at, fmt::format("{} {}{}{}", row.rule, row.network->to_string(),
                                         row.service.empty() ? "" : " for " + row.service,
                                         row.kind == VerdictKind::alert ? " alert" : ""));
    }
    Texts all;
    for (const auto& [at, text] : sorted) all.push_back(text);
    return all;
  }
  [[nodiscard]] GuardStatus status() const { return core_->status(at_); }
  [[nodiscard]] GuardCore& core() { return *core_; }

  MemoryLedger ledger;
  Texts said;
  std::shared_ptr<const Exemptions> live;

 private:
  std::shared_ptr<const Config> config_;
  Feed feed_;
  Instant at_ = kBegin;
  int pid_ = 100;
  std::unique_ptr<GuardCore> core_;
};

constexpr std::string_view kPrefix = R"(
[allowlist]
networks = ["192.0.2.0/30"]
[[rule]]
name = "Prefix"
trigger_window = "1h"
occurrences = 3
lockout = "1d"
count_by = "prefix"
)";

Exemption session_of(std::string_view address) {
  return {*IpNetwork::parse(address), "session of root", ExemptionKind::session};
}

TEST(GuardExempt, WhoIsExemptNowIsNotJudged) {
  Watch watch(kPrefix);
  watch.exempt({session_of("203.0.113.7")});
  watch.fail("203.0.113.7", 10);
  EXPECT_EQ(watch.verdicts(), Texts());
  EXPECT_EQ(watch.status().exempt.networks, 2U);
  EXPECT_EQ(watch.status().exempt.tries, 10U);
  EXPECT_EQ(watch.status().rules.at(0).total_failed, 0U);
  Texts networks;
  for (const IpNetwork& one : watch.core().exempt_networks()) networks.push_back(one.to_string());
  EXPECT_EQ(networks, (Texts{"192.0.2.0/30", "203.0.113.7"}));
  watch.exempt({});  // the session has ended
  watch.fail("203.0.113.7", 3);
  EXPECT_EQ(watch.verdicts(), Texts{"Prefix 203.0.113.0/24"});
}

TEST(GuardExempt, ANetworkIsNarrowedToTheAttackerAlsoOverARestart) {
  Watch watch(kPrefix);
  watch.exempt({session_of("203.0.113.7")});
  watch.fail("203.0.113.8", 3);
  EXPECT_EQ(watch.verdicts(), Texts{"Prefix 203.0.113.8"});
  ASSERT_FALSE(watch.said.empty());
  EXPECT_NE(watch.said.back().find("the address alone, since somebody in its network is exempt"), std::string::npos)
      << watch.said.back();
  const auto row = watch.ledger.said().at(0);
  EXPECT_EQ(row.attempts.size(), 3U);
  watch.start();
  watch.fail("203.0.113.8", 2);  // behind its block
  watch.fail("203.0.113.9", 3);  // counted by himself
  EXPECT_EQ(watch.verdicts(), (Texts{"Prefix 203.0.113.8", "Prefix 203.0.113.9"}));
  watch.start();
  EXPECT_EQ(watch.status().rules.at(0).currently_blocked, 2U);
}

constexpr std::string_view kProtect = R"(
[protect]
recent_success = "7d"
stale_factor = 4
[[rule]]
name = "Catch All Login"
trigger_window = "3h"
occurrences = 5
lockout = "1d"
)";

TEST(GuardExempt, AStaleClientIsToldAndShutOutOfItsServiceAlone) {
  Watch watch(kProtect);
  watch.succeed("198.51.100.1", "carol");
  watch.succeed("192.0.2.10", "anna");
  watch.succeed("192.0.2.10", "bo");
  watch.fail("192.0.2.10", 19, "carol");
  EXPECT_EQ(watch.verdicts(), Texts{"Stale client 192.0.2.10 alert"});
  EXPECT_NE(watch.said.back().find("account carol"), std::string::npos) << watch.said.back();
  watch.fail("192.0.2.10", 1, "carol");
  EXPECT_EQ(watch.verdicts(), (Texts{"Stale client 192.0.2.10 alert", "Catch All Login 192.0.2.10 for sshd"}));
  watch.start();
  watch.fail("192.0.2.10", 30, "root");  // behind the block, which stands again
  EXPECT_EQ(watch.verdicts().size(), 2U);
  EXPECT_EQ(watch.status().rules.at(0).blocked.at(0).service, "sshd");
}

TEST(GuardStatusExempt, GoesThroughJson) {
  GuardStatus status;
  status.exempt.networks = 7;
  status.exempt.tries = 12;
  status.exempt.names.push_back(
      {"office.example.com", "t.toml:3", {"203.0.113.5", "2001:db8::5"}, kBegin, "timed out"});
  status.exempt.names.push_back({"new.example.com", "t.toml:4", {}, std::nullopt, ""});
  const auto read = parse_status(to_json(status));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(to_json(*read), to_json(status));
  const auto tree = to_tree(status, "");
  ASSERT_TRUE(tree.has_value());
  for (const char* part :
       {"Exempt: 7 networks", "office.example.com (t.toml:3): 203.0.113.5 2001:db8::5, resolved 2026-11-25T08:00:00Z",
        "PROBLEM: timed out", "new.example.com (t.toml:4): no address known yet"})
    EXPECT_NE(tree->find(part), std::string::npos) << part << " in " << *tree;
}

}  // namespace
}  // namespace tipstaff
