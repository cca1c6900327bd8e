// Helpers of the control tests: a guard's blocks and exemptions in memory, doors into nothing, peers of each role. Not part
// of the program.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <string>
#include <vector>

#include "control/control_commands.h"
#include "control/guard_testing.h"
#include "enforce/block.h"

namespace tipstaff::testing_control {

inline IpNetwork network(std::string_view text) {
  const auto parsed = IpNetwork::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed.value_or(IpNetwork());
}

inline Peer peer(Role role) {
  const auto number = static_cast<uid_t>(role);
  if (role == Role::admin) return {0, {0}, "root", role};
  return {1'000 + number, {}, role == Role::support ? "anna" : role == Role::view ? "victor" : "nobody", role};
}

inline bool overlap(const IpNetwork& one, const IpNetwork& other) {
  return one.contains(other.address()) || other.contains(one.address());
}

/// Keeps what it is told. Addresses of 203.0.113.0/24 are on its allowlist.
class FakeGuard : public GuardControl {
 public:
  Result<BlockAnswer> block(const BlockRequest& request) override {
    if (overlap(request.network, network("203.0.113.0/24")))
      return fail(ErrorKind::denied, "203.0.113.0/24 is exempt", "tipstaff.toml:3");
    StandingBlock one;
    one.id = ++last_;
    one.network = request.network;
    one.service = request.service;
    one.by = request.by;
    one.why = request.why;
    one.at = now;
    one.until = request.lockout ? now + *request.lockout : kForever;
    one.enforced = true;
    standing.push_back(one);
    BlockAnswer answer;
    answer.block = one;
    return answer;
  }
  Result<UnblockAnswer> unblock(std::optional<IpNetwork> of, const std::string& why, const std::string& by) override {
    UnblockAnswer answer;
    std::erase_if(standing, [&](const StandingBlock& one) {
      if (of && !overlap(*of, one.network)) return false;
      answer.ended.push_back(one);
      return true;
    });
    answer.count = answer.ended.size();
    if (answer.count == 0) return fail(ErrorKind::not_found, "nothing of it is blocked");
    said = by + ": " + why;
    return answer;
  }
  std::size_t take_back_since(Instant begun, const std::string& why, const std::string& by) override {
    said = by + ": " + why;
    return std::erase_if(standing, [&](const StandingBlock& one) { return !one.rule.empty() && one.at >= begun; });
  }
  Result<ChangeAnswer> exempt(const TimedExemption& exemption) override {
    timed.push_back(exemption);
    return ChangeAnswer();
  }
  void each_block(const std::function<void(const StandingBlock&)>& use) const override {
    for (const StandingBlock& one : standing) use(one);
  }
  std::vector<StandingBlock> blocks_of(IpAddress address) const override {
    std::vector<StandingBlock> all;
    for (const StandingBlock& one : standing) {
      if (one.network.contains(address)) all.push_back(one);
    }
    return all;
  }
  std::optional<StandingBlock> block_of(std::uint64_t id) const override {
    const auto found = std::ranges::find(standing, id, &StandingBlock::id);
    return found == standing.end() ? std::nullopt : std::optional(*found);
  }
  std::vector<TimedExemption> exemptions() const override { return timed; }

  /// A block of a rule, as the guard would have it.
  void add(std::string_view of, const std::string& rule, std::chrono::seconds lockout = std::chrono::hours(2)) {
    StandingBlock one;
    one.id = ++last_;
    one.network = network(of);
    one.rule = rule;
    one.host = "mail";
    one.at = now;
    one.until = now + lockout;
    one.enforced = true;
    standing.push_back(one);
  }

  Instant now = testing_guard::instant("2026-11-25T08:00:00Z");
  std::vector<StandingBlock> standing;
  std::vector<TimedExemption> timed;
  std::string said;

 private:
  std::uint64_t last_ = 0;
};

/// Commands whose doors lead to a FakeGuard and to lists of what was asked.
struct FakeControl {
  FakeGuard guard;
  std::shared_ptr<const Config> config = testing_guard::rules(
      "version = 1\n[allowlist]\nnetworks = [\"203.0.113.0/24\"]\n[[rule]]\nname = \"Five\"\ntrigger_window = \"30m\"\n"
      "occurrences = 5\nlockout = \"2h\"\n[[rule]]\nname = \"Tell\"\naction = \"alert\"\ntrigger_window = \"1h\"\n"
      "occurrences = 9\n");
  std::vector<ControlChange> changes;
  std::vector<std::string> asked;  // of the other doors
  ControlCommands commands;

  FakeControl() : commands(doors(), RoleGroups()) {}
  FakeControl(const FakeControl&) = delete;
  FakeControl& operator=(const FakeControl&) = delete;

  boost::json::object ask(Role role, const std::string& line) {
    return boost::json::parse(commands.answer(peer(role), line)).as_object();
  }

 private:
  ControlDoors doors() {
    ControlDoors doors;
    doors.now = [this] { return guard.now; };
    doors.blocks = [this]() -> GuardControl& { return guard; };
    doors.config = [this] { return config; };
    doors.watch_only = [] { return false; };
    doors.status = [this] {
      GuardStatus status;
      status.now = guard.now;
      status.ledger = "/var/lib/tipstaff";
      return status;
    };
    doors.explain = [this](const ControlAsk& ask) -> Result<std::string> {
      asked.push_back("explain " + ask.subject + ask.account.value_or(""));
      return std::string(R"("explanation":{},"text":"three lines")");
    };
    doors.trial = [this](std::chrono::seconds length, const std::string& by) -> Result<std::string> {
      asked.push_back("trial " + tipstaff::to_text(length) + " " + by);
      return std::string("on trial");
    };
    doors.confirm = [this](const std::string& by) -> Result<std::string> {
      asked.push_back("confirm " + by);
      return fail(ErrorKind::not_found, "no trial runs");
    };
    doors.reload = [this](const std::string& by) -> Result<std::string> {
      asked.push_back("reload " + by);
      return std::string("in force");
    };
    doors.journal = [this](const ControlChange& change) { changes.push_back(change); };
    return doors;
  }
};

}  // namespace tipstaff::testing_control
