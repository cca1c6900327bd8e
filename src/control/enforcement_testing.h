// A firewall and a clock for tests: the firewall does at once what it is asked, tells it when the test says so, and can be
// taken away and brought back with what it had.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/enforcement.h"

namespace tipstaff::testing_enforce {

/// What the kernel and the enforcer hold; it outlives the guard.
struct FakeEnforcer {
  struct Held {
    Instant until{};
    std::uint64_t dropped = 0;
    bool operator==(const Held&) const = default;
  };
  std::map<BlockKey, Held> blocks;
  std::vector<IpNetwork> allowed;
  std::vector<IpNetwork> allowlist;  // its own
  bool there = true;
  std::size_t asked = 0;  // entries of block()

  /// Its timers; what ended, with the last counters.
  std::vector<Entry> pass(Instant now) {
    std::vector<Entry> over;
    std::erase_if(blocks, [&](const auto& one) {
      if (one.second.until > now) return false;
      over.push_back({one.first, one.second.until, one.second.dropped, EntryResult::good});
      return true;
    });
    return over;
  }
};

class FakeFirewall final : public BlockBackend {
 public:
  FakeFirewall(FakeEnforcer& enforcer, BackendHandlers handlers, std::function<Instant()> clock)
      : enforcer_(enforcer), handlers_(std::move(handlers)), clock_(std::move(clock)) {}

  void start() override {}
  [[nodiscard]] bool is_connected() const override { return connected_; }
  void block(std::span<const FirewallBlock> blocks) override {
    std::vector<Entry> refused;
    std::vector<BlockKey> taken;
    for (const FirewallBlock& one : blocks) {
      ++enforcer_.asked;
      const auto holds = [&one](const IpNetwork& network) {
        return network.contains(one.key.network.address()) && network.bits() <= one.key.network.bits();
      };
      if (std::ranges::any_of(enforcer_.allowlist, holds)) {
        refused.push_back({one.key, one.until, 0, EntryResult::exempt});
      } else if (std::ranges::any_of(enforcer_.allowed, holds)) {
        refused.push_back({one.key, one.until, 0, EntryResult::allowed});
      } else if (one.until <= clock_()) {
        refused.push_back({one.key, one.until, 0, EntryResult::over});
      } else {
        enforcer_.blocks[one.key].until = one.until;
        taken.push_back(one.key);
      }
    }
    later_.push_back([this, refused, taken] {
      if (!taken.empty()) handlers_.in_force(taken);
      if (!refused.empty()) handlers_.refused(refused);
    });
  }
  void unblock(std::span<const BlockKey> keys) override {
    std::vector<Entry> ended;
    for (const BlockKey& key : keys) {
      const auto known = enforcer_.blocks.find(key);
      if (known == enforcer_.blocks.end()) continue;
      ended.push_back({key, known->second.until, known->second.dropped, EntryResult::good});
      enforcer_.blocks.erase(known);
    }
    later_.push_back([this, ended] {
      if (!ended.empty()) handlers_.ended(ended);
    });
  }
  void allow(std::span<const IpNetwork> networks) override {
    enforcer_.allowed.assign(networks.begin(), networks.end());
  }
  void list(std::function<void(std::vector<FirewallBlock>)> answer) override {
    later_.push_back([this, answer = std::move(answer)] { answer(standing()); });
  }

  /// Hands on what waits; connects, or loses, as the enforcer is there or not; its timers.
  void run() {
    if (enforcer_.there != connected_) {
      connected_ = enforcer_.there;
      if (connected_) {
        handlers_.connected(standing());
      } else {
        later_.clear();
        handlers_.lost({ErrorKind::unavailable, "the enforcer went away", "/x"});
      }
    }
    if (const auto over = enforcer_.pass(clock_()); !over.empty() && connected_) handlers_.ended(over);
    while (!later_.empty()) {
      const auto all = std::exchange(later_, {});
      for (const auto& one : all) one();
    }
  }
  [[nodiscard]] const BackendHandlers& handlers() const { return handlers_; }

 private:
  [[nodiscard]] std::vector<FirewallBlock> standing() const {
    std::vector<FirewallBlock> all;
    for (const auto& [key, held] : enforcer_.blocks) all.push_back({key, held.until, held.dropped});
    return all;
  }

  FakeEnforcer& enforcer_;
  BackendHandlers handlers_;
  std::function<Instant()> clock_;
  bool connected_ = false;
  std::vector<std::function<void()>> later_;
};

inline std::vector<ServicePort> ports(std::string_view service) {
  if (service == "sshd") return {{6, 22}};
  if (service == "dovecot") return {{6, 143}, {6, 993}};
  if (service == "mail") return {{6, 25}, {6, 143}};
  return {};
}

inline constexpr Instant kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25) + std::chrono::hours(8);

/// An enforcement over a fake enforcer.
struct Bench {
  Instant now = kNow;
  FakeEnforcer enforcer{};
  std::vector<std::string> said{};
  std::vector<VerdictRow> rows{};
  std::vector<EventRow> events{};
  std::shared_ptr<Enforcement> enforcement{};
  FakeFirewall* firewall = nullptr;

  explicit Bench(bool enforcing = true) { start(enforcing); }

  void start(bool enforcing = true, bool restored = true) {
    firewall = nullptr;
    enforcement = std::make_shared<Enforcement>(
        EnforcementSinks{.log = [this](Priority, const std::string& text) { said.push_back(text); },
                         .row = [this](VerdictRow row) { rows.push_back(std::move(row)); },
                         .event = [this](EventRow event) { events.push_back(std::move(event)); },
                         .clock = [this] { return now; }});
    enforcement->configure({.enforcing = enforcing, .ports = ports, .exempt = {}, .restored = restored});
  }
  void connect() {
    auto made = std::make_unique<FakeFirewall>(enforcer, enforcement->handlers(), [this] { return now; });
    firewall = made.get();
    enforcement->use(std::move(made));
    firewall->run();
  }
  /// Time goes by in steps of a second.
  void pass(std::chrono::seconds span) {
    for (; span.count() > 0; --span) {
      now += std::chrono::seconds(1);
      if (firewall != nullptr) firewall->run();
      enforcement->pass();
      if (firewall != nullptr) firewall->run();
    }
  }
  std::uint64_t block(const char* network, std::chrono::seconds lockout, const char* rule = "R",
                      const char* service = "") {
    return enforcement->add({.network = *IpNetwork::parse(network),
                             .service = service,
                             .rule = rule,
                             .at = now,
                             .until = lockout.count() == 0 ? kForever : now + lockout,
                             .enforced = enforcement->shuts(service)});
  }
  /// "192.0.2.1 7200", "192.0.2.1:22 60": what the firewall holds, with the seconds left.
  [[nodiscard]] std::vector<std::string> held() const {
    std::vector<std::string> all;
    for (const auto& [key, one] : enforcer.blocks) {
      std::string text = key.network.to_string();
      if (key.is_service()) text += ":" + std::to_string(key.port);
      text += one.until == kForever
                  ? " for ever"
                  : " " + std::to_string(std::chrono::floor<std::chrono::seconds>(one.until - now).count());
      all.push_back(text);
    }
    return all;
  }
};

}  // namespace tipstaff::testing_enforce
