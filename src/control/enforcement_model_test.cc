// Rules, exemptions, blocks by hand, clock, restarts of guard and enforcer at random, against a model of a few lines: what
// the firewall holds and what the book says is what the model says, after each step. The seed is printed;
// TIPSTAFF_MODEL_SEED and TIPSTAFF_MODEL_STEPS set others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "control/enforcement_testing.h"
#include "control/guard_commands.h"
#include "control/guard_core.h"
#include "control/guard_testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_enforce::Bench;
using testing_guard::kSource;

constexpr const char* kRules = R"(
[[rule]]
name = "R"
trigger_window = "10m"
occurrences = 3
lockout = "5m"
count_by = "prefix"
ipv4_prefix = 32
ipv6_prefix = 64
)";
constexpr auto kWindow = 10min;
constexpr auto kLockout = 5min;

bool within(const IpNetwork& inner, const IpNetwork& outer) {
  return outer.contains(inner.address()) && outer.bits() <= inner.bits();
}

// What should be.
struct Model {
  struct Block {
    IpNetwork network;
    Instant until{};
    bool by_hand = false;
    auto operator<=>(const Block&) const = default;
  };
  std::vector<Block> blocks;
  std::map<IpNetwork, Instant> exempt;
  std::map<IpNetwork, std::vector<Instant>> tries;

  void pass(Instant now) {
    std::erase_if(blocks, [now](const Block& one) { return one.until <= now; });
    std::erase_if(exempt, [now](const auto& one) { return one.second <= now; });
  }
  [[nodiscard]] bool is_exempt(const IpNetwork& network) const {
    return std::ranges::any_of(exempt, [&](const auto& one) { return within(network, one.first); });
  }
  void attempt(IpAddress address, Instant now) {
    if (is_exempt(IpNetwork(address, address.is_v4() ? 32 : 128))) return;
    const IpNetwork network(address, address.is_v4() ? 32 : 64);
    if (std::ranges::any_of(blocks, [&](const Block& one) { return !one.by_hand && one.network == network; })) return;
    std::vector<Instant>& all = tries[network];
    std::erase_if(all, [now](Instant one) { return one <= now - kWindow; });
    all.push_back(now);
    if (all.size() < 3) return;
    all.clear();
    blocks.push_back({network, now + kLockout, false});
  }
  void block(const IpNetwork& network, Instant until) {
    std::erase_if(blocks, [&](const Block& one) { return one.by_hand && one.network == network; });
    blocks.push_back({network, until, true});
  }
  void unblock(const std::optional<IpNetwork>& network) {
    std::erase_if(blocks, [&](const Block& one) {
      return !network || within(one.network, *network) || within(*network, one.network);
    });
  }
  void set_exempt(const IpNetwork& network, Instant until, Instant now) {
    exempt.erase(network);
    if (until <= now) return;
    exempt[network] = until;
    std::erase_if(blocks, [&](const Block& one) { return within(one.network, network); });
  }
  [[nodiscard]] std::map<BlockKey, Instant> firewall() const {
    std::map<BlockKey, Instant> all;
    for (const Block& one : blocks) {
      Instant& until = all[{one.network, 0, 0}];
      until = std::max(until, one.until);
    }
    return all;
  }
};

// What is tested: it can lose its memory at any time.
struct System {
  Bench bench{};
  testing_guard::Feed feed{};
  testing_guard::MemoryLedger ledger{};
  std::unique_ptr<GuardCore> core{};
  std::unique_ptr<GuardCommands> commands{};
  std::shared_ptr<const Config> config = testing_guard::rules(kRules);

  void start() {
    bench.rows.clear();
    bench.start(true);
    core = std::make_unique<GuardCore>(
        config, testing_guard::detectors(), [](Priority, const std::string&) {}, bench.now, bench.enforcement);
    commands = std::make_unique<GuardCommands>(
        bench.enforcement, [](Priority, const std::string&) {},
        GuardCommands::Surroundings{.core = [this]() -> GuardCore& { return *core; },
                                    .write_now =
                                        [this] {
                                          commit();
                                          return true;
                                        },
                                    .clock = [this] { return bench.now; }});
    ReadMark read;
    feed.rewind({1, 0});
    if (const auto row = ledger.positions.find(kSource); row != ledger.positions.end()) {
      const SavedSource saved = from_position(row->second);
      feed.rewind(saved.resume);
      read = saved.read;
    }
    core->add_source(kSource, TimeZone(), false, read, bench.now);
    forget();
    core->restore(ledger.recent(), ledger.said(), bench.now);
    bench.connect();
    this->read(true);
  }
  void commit() {
    for (VerdictRow& row : bench.rows) core->add_row(std::move(row));
    bench.rows.clear();
    ledger.write(core->cut_batch(bench.now, [](std::size_t, Place) { return std::string("checkpoint"); }));
  }
  // A ledger is asked for the last of it alone.
  void forget() {
    std::erase_if(ledger.order, [this](const AttemptKey& key) {
      return ledger.attempts.at(key).window_time < bench.now - 2 * kWindow;
    });
    std::erase_if(ledger.attempts,
                  [this](const auto& one) { return one.second.window_time < bench.now - 2 * kWindow; });
    std::erase_if(ledger.verdicts, [this](const auto& one) {  // what takes something back stays
      if (one.second.until == one.second.at) return false;
      return one.second.at < bench.now - 4 * kWindow && one.second.until && *one.second.until < bench.now - 4 * kWindow;
    });
  }
  void read(bool catching_up) {
    feed.give(100'000, bench.now, catching_up, [this](const Record& record) { core->take(0, record); });
  }
  void attempt(IpAddress address, unsigned number) {
    feed.lines.push_back(fmt::format("{} gate sshd[{}]: Failed password for root from {} port 40022 ssh2",
                                     to_rfc3339(bench.now), 1'000 + number % 30'000, address.to_string()));
    read(false);
  }
};

void run_at_random(unsigned long usual_steps) {
  const char* const set_seed = std::getenv("TIPSTAFF_MODEL_SEED");
  const char* const set_steps = std::getenv("TIPSTAFF_MODEL_STEPS");
  const unsigned long seed = set_seed != nullptr ? std::strtoul(set_seed, nullptr, 10) : std::random_device()();
  const unsigned long steps = set_steps != nullptr ? std::strtoul(set_steps, nullptr, 10) : usual_steps;
  std::cout << "TIPSTAFF_MODEL_SEED=" << seed << "\n";
  std::mt19937_64 random(seed);
  const auto any = [&random](unsigned count) { return static_cast<unsigned>(random() % count); };
  const auto any_address = [&] {
    return any(4) == 0 ? IpAddress(0x20010db800000000ULL + any(2), any(3)) : IpAddress::v4(0xc0000200U + any(10));
  };
  const auto any_network = [&] {
    const IpAddress address = any_address();
    return address.is_v4() ? IpNetwork(address, any(3) == 0 ? 29 : 32) : IpNetwork(address, any(2) == 0 ? 64 : 128);
  };

  System system;
  Model model;
  system.start();
  for (unsigned long step = 0; step < steps; ++step) {
    Instant& now = system.bench.now;
    model.pass(now);
    const unsigned what = any(1'000);
    if (what < 600) {
      const IpAddress address = any_address();
      system.attempt(address, static_cast<unsigned>(step));
      model.attempt(address, now);
    } else if (what < 700) {
      const IpNetwork network = any_network();
      const bool for_ever = any(8) == 0;
      const std::chrono::seconds lockout(1 + any(600));
      const auto answer =
          system.commands->block({network, for_ever ? std::nullopt : std::optional(lockout), "", "why", "anna"});
      ASSERT_EQ(answer.has_value(), !model.is_exempt(network)) << "step " << step;
      if (answer) model.block(network, for_ever ? kForever : now + lockout);
    } else if (what < 770) {
      const std::optional<IpNetwork> network = any(10) == 0 ? std::nullopt : std::optional(any_network());
      const std::size_t before = model.blocks.size();
      model.unblock(network);
      const auto answer = system.commands->unblock(network, "why", "bert");
      ASSERT_EQ(answer ? answer->count : 0, before - model.blocks.size()) << "step " << step;
    } else if (what < 830) {
      const IpNetwork network = any_network();
      const Instant until = any(4) == 0 ? now : now + std::chrono::seconds(1 + any(900));
      ASSERT_TRUE(system.commands->exempt({network, until, "anna", "why"}));
      model.set_exempt(network, until, now);
    } else if (what < 836) {  // killed, perhaps with the last rows unwritten
      if (any(2) == 0) system.commit();
      system.start();
    } else if (what < 856) {
      system.bench.enforcer.there = !system.bench.enforcer.there;
    } else if (what < 859) {  // the machine
      system.bench.enforcer.blocks.clear();
      system.bench.enforcer.allowed.clear();
      system.bench.enforcer.there = true;
      system.start();
    } else {
      system.commit();
      const std::chrono::seconds span(any(10) == 0 ? any(600) : any(20));
      for (std::chrono::seconds gone{0}; gone < span; ++gone) {
        system.bench.pass(1s);
        model.pass(now);
      }
    }
    system.bench.firewall->run();
    system.commit();
    system.bench.pass(2s);
    model.pass(now);
    system.core->pass(now);

    std::multiset<Model::Block> book;
    system.commands->each_block(
        [&](const StandingBlock& one) { book.insert({one.network, one.until, one.rule.empty()}); });
    const std::multiset<Model::Block> expected(model.blocks.begin(), model.blocks.end());
    ASSERT_EQ(book, expected) << "step " << step << ", last " << what << ", seed " << seed;
    ASSERT_EQ(system.commands->exemptions().size(), model.exempt.size()) << "step " << step << ", seed " << seed;
    if (!system.bench.enforcer.there) continue;
    std::map<BlockKey, Instant> held;
    for (const auto& [key, one] : system.bench.enforcer.blocks) held.emplace(key, one.until);
    ASSERT_EQ(held, model.firewall()) << "step " << step << ", last " << what << ", seed " << seed;
    ASSERT_EQ(system.bench.enforcer.allowed.size(), model.exempt.size()) << "step " << step << ", seed " << seed;
  }
}

TEST(EnforcementModel, GuardAndFirewallAsAModelHasThem) { run_at_random(5'000); }
TEST(EnforcementModel, GuardAndFirewallForLongAsAModelHasThemSlow) { run_at_random(100'000); }

}  // namespace
}  // namespace tipstaff
