// Answers are given by hand, the clock too; the only thing waited for is that a thread has handed in its answer.
#include "decide/exemption_sources.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "decide/testing.h"

namespace tipstaff {
namespace {

using namespace std::chrono_literals;
using testing_decide::kStart;

// What the world would answer, shared with the threads that ask.
struct World {
  std::mutex mutex;
  std::condition_variable opened;
  bool dns_hangs = false;
  int dns_asked = 0;
  std::vector<OwnAddress> own = {{*IpNetwork::parse("192.0.2.1"), "eth0"}};
  std::vector<Gateway> gateways;
  std::vector<AdminSession> sessions;
  std::map<std::string, Result<std::vector<IpAddress>>> dns;
};

ExemptionFacts facts_of(const std::shared_ptr<World>& world) {
  ExemptionFacts facts;
  facts.own = [world] { return std::scoped_lock(world->mutex), world->own; };
  facts.gateways = [world] { return std::scoped_lock(world->mutex), world->gateways; };
  facts.sessions = [world] { return std::scoped_lock(world->mutex), world->sessions; };
  facts.resolve = [world](const std::string& name) -> Result<std::vector<IpAddress>> {
    std::unique_lock lock(world->mutex);
    ++world->dns_asked;
    world->opened.wait(lock, [&] { return !world->dns_hangs; });
    const auto found = world->dns.find(name);
    if (found == world->dns.end()) return fail(ErrorKind::unavailable, "no answer in time");
    return found->second;
  };
  return facts;
}

std::string text_of(const Exemptions& all) {
  std::string text;
  for (const Exemption& one : all.entries()) text += one.network.to_string() + " " + one.where + "; ";
  return text;
}

constexpr auto kPatience = 30s;  // for a loaded machine; nothing waits that long where all is well

AllowSettings settings_with(std::initializer_list<const char*> names) {
  AllowSettings settings;
  unsigned line = 3;
  for (const char* name : names) settings.names.push_back({name, fmt::format("t.toml:{}", line++)});
  return settings;
}

TEST(ExemptionSources, TellWhoSaysSo) {
  const auto world = std::make_shared<World>();
  world->gateways = {{*IpAddress::parse("192.0.2.254"), "eth0"}};
  world->sessions = {{*IpAddress::parse("198.51.100.7"), "root", kStart}};
  world->dns.emplace("mail.example.com", std::vector{*IpAddress::parse("2001:db8::25")});
  ExemptionSources sources(settings_with({"mail.example.com"}), facts_of(world));
  EXPECT_EQ(text_of(*sources.snapshot()), "");
  sources.begin(kStart, kPatience);
  sources.wait(kStart, kPatience);
  ASSERT_TRUE(
      sources.exempt_until({*IpNetwork::parse("203.0.113.0/24"), kStart + 24h, "for a day by anna: call 17"}, kStart));
  EXPECT_TRUE(sources.refresh(kStart));
  EXPECT_EQ(text_of(*sources.snapshot()),
            "192.0.2.1 own address of eth0; 192.0.2.254 default gateway by eth0; "
            "198.51.100.7 session of root since 2013-05-07T00:00:00Z; "
            "2001:db8::25 name mail.example.com (t.toml:3); 203.0.113.0/24 for a day by anna: call 17; ");
  EXPECT_EQ(sources.snapshot()->find(*IpAddress::parse("198.51.100.7"))->kind, ExemptionKind::session);
}

TEST(ExemptionSources, BeginKnowsTheMachineWithoutWaitingForDns) {
  const auto world = std::make_shared<World>();
  world->dns_hangs = true;
  ExemptionSources sources(settings_with({"slow.example.com"}), facts_of(world));
  sources.begin(kStart, kPatience);
  EXPECT_EQ(text_of(*sources.snapshot()), "192.0.2.1 own address of eth0; ");
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(sources.refresh(kStart + 1s * (i % 4)));  // none of them waits
  EXPECT_FALSE(sources.names().at(0).resolved.has_value());
  {
    const std::scoped_lock lock(world->mutex);
    world->dns_hangs = false;
    world->dns.emplace("slow.example.com", std::vector{*IpAddress::parse("203.0.113.5")});
  }
  world->opened.notify_all();
  sources.wait(kStart + 4s, kPatience);
  EXPECT_TRUE(sources.snapshot()->contains(*IpAddress::parse("203.0.113.5")));
  EXPECT_EQ(world->dns_asked, 1);
}

TEST(ExemptionSources, TheLastGoodAnswerHoldsWhenDnsFails) {
  const auto world = std::make_shared<World>();
  world->dns.emplace("a.example.com", std::vector{*IpAddress::parse("203.0.113.5")});
  ExemptionSources sources(settings_with({"a.example.com"}), facts_of(world));
  sources.wait(kStart, kPatience);
  {
    const std::scoped_lock lock(world->mutex);
    world->dns.clear();
  }
  sources.wait(kStart + 299s, kPatience);
  EXPECT_EQ(world->dns_asked, 1);  // not due
  sources.wait(kStart + 300s, kPatience);
  EXPECT_EQ(world->dns_asked, 2);
  NameStatus name = sources.names().at(0);
  EXPECT_EQ(name.problem, "no answer in time");
  EXPECT_EQ(name.resolved, kStart);
  EXPECT_TRUE(sources.snapshot()->contains(*IpAddress::parse("203.0.113.5")));
  {
    const std::scoped_lock lock(world->mutex);
    world->dns.emplace("a.example.com", std::vector{*IpAddress::parse("203.0.113.6")});
  }
  sources.wait(kStart + 600s, kPatience);
  name = sources.names().at(0);
  EXPECT_EQ(name.problem, "");
  EXPECT_EQ(name.resolved, kStart + 600s);
  EXPECT_FALSE(sources.snapshot()->contains(*IpAddress::parse("203.0.113.5")));
  EXPECT_TRUE(sources.snapshot()->contains(*IpAddress::parse("203.0.113.6")));
}

TEST(ExemptionSources, FollowTheMachineAndItsSessions) {
  const auto world = std::make_shared<World>();
  ExemptionSources sources(AllowSettings(), facts_of(world));
  sources.begin(kStart, kPatience);
  const auto first = sources.snapshot();
  {
    const std::scoped_lock lock(world->mutex);
    world->own = {{*IpNetwork::parse("192.0.2.2"), "eth0"}};
    world->sessions = {{*IpAddress::parse("198.51.100.7"), "root", kStart}};
  }
  sources.wait(kStart + 5s, kPatience);
  EXPECT_EQ(text_of(*sources.snapshot()),
            "192.0.2.1 own address of eth0; 198.51.100.7 session of root since 2013-05-07T00:00:00Z; ");
  sources.wait(kStart + 15s, kPatience);
  EXPECT_TRUE(sources.snapshot()->contains(*IpAddress::parse("192.0.2.2")));
  EXPECT_FALSE(sources.snapshot()->contains(*IpAddress::parse("192.0.2.1")));
  {
    const std::scoped_lock lock(world->mutex);
    world->sessions.clear();
  }
  sources.wait(kStart + 21s, kPatience);
  EXPECT_FALSE(sources.snapshot()->contains(*IpAddress::parse("198.51.100.7")));  // it ends with the session
  EXPECT_EQ(text_of(*first), "192.0.2.1 own address of eth0; ");                  // snapshots never change
  // a clock set back by a year asks at once, not in a year
  {
    const std::scoped_lock lock(world->mutex);
    world->own.clear();
  }
  sources.wait(kStart - 24h * 365, kPatience);
  EXPECT_EQ(text_of(*sources.snapshot()), "");
}

TEST(ExemptionSources, SessionsCanBeTurnedOff) {
  const auto world = std::make_shared<World>();
  world->sessions = {{*IpAddress::parse("198.51.100.7"), "root", kStart}};
  AllowSettings settings;
  settings.sessions = false;
  ExemptionSources sources(settings, facts_of(world));
  sources.wait(kStart, kPatience);
  EXPECT_EQ(text_of(*sources.snapshot()), "192.0.2.1 own address of eth0; ");
}

TEST(ExemptionSources, TimedOnesEndByThemselves) {
  const auto world = std::make_shared<World>();
  world->own.clear();
  ExemptionSources sources(AllowSettings(), facts_of(world));
  sources.begin(kStart, kPatience);
  const auto network = *IpNetwork::parse("203.0.113.7");
  EXPECT_FALSE(sources.exempt_until({network, kStart, "x"}, kStart).has_value());
  EXPECT_TRUE(sources.exempt_until({network, kStart + 1h, "x"}, kStart).has_value());
  EXPECT_TRUE(sources.refresh(kStart + 1s));
  EXPECT_TRUE(sources.exempt_until({network, kStart + 2h, "y"}, kStart).has_value());
  EXPECT_TRUE(sources.refresh(kStart + 1h));
  EXPECT_EQ(text_of(*sources.snapshot()), "203.0.113.7 y; ");
  EXPECT_FALSE(sources.refresh(kStart + 2h - 1us));
  EXPECT_TRUE(sources.refresh(kStart + 2h));
  EXPECT_EQ(text_of(*sources.snapshot()), "");
  EXPECT_TRUE(sources.exempt_until({network, kStart + 4h, "z"}, kStart + 2h).has_value());
  EXPECT_TRUE(sources.end_exemption(network));
  EXPECT_FALSE(sources.end_exemption(network));
  for (std::uint32_t i = 0; i < ExemptionSources::kMostTimed; ++i) {
    ASSERT_TRUE(sources.exempt_until({IpNetwork(IpAddress::v4(i), 32), kStart + 4h, "many"}, kStart));
  }
  EXPECT_EQ(sources.exempt_until({network, kStart + 4h, "more"}, kStart).error().kind, ErrorKind::conflict);
}

TEST(ExemptionSources, AReloadForgetsNothing) {
  const auto world = std::make_shared<World>();
  world->dns.emplace("a.example.com", std::vector{*IpAddress::parse("203.0.113.5")});
  world->dns.emplace("b.example.com", std::vector{*IpAddress::parse("203.0.113.6")});
  ExemptionSources before(settings_with({"a.example.com", "b.example.com"}), facts_of(world));
  before.wait(kStart, kPatience);
  ASSERT_TRUE(before.exempt_until({*IpNetwork::parse("203.0.113.7"), kStart + 24h, "support"}, kStart));
  {
    const std::scoped_lock lock(world->mutex);
    world->dns_hangs = true;
  }
  ExemptionSources after(settings_with({"new.example.com", "a.example.com"}), facts_of(world));
  after.inherit(before);
  after.begin(kStart + 1s, 0ms);
  EXPECT_EQ(text_of(*after.snapshot()),
            "192.0.2.1 own address of eth0; 203.0.113.5 name a.example.com (t.toml:4); 203.0.113.7 support; ");
  {
    const std::scoped_lock lock(world->mutex);
    world->dns_hangs = false;
  }
  world->opened.notify_all();
  after.wait(kStart + 2s, kPatience);
}

TEST(ExemptionSources, ANameGivesItsFirst64Addresses) {
  const auto world = std::make_shared<World>();
  world->own.clear();
  std::vector<IpAddress> many;
  for (std::uint32_t i = 0; i < 1'000; ++i) many.push_back(IpAddress::v4(0xc6336400U + i));
  world->dns.emplace("wide.example.com", many);
  ExemptionSources sources(settings_with({"wide.example.com"}), facts_of(world));
  sources.wait(kStart, kPatience);
  EXPECT_EQ(sources.snapshot()->entries().size(), 64U);
}

TEST(ExemptionSources, AsksFewNamesAtATime) {
  const auto world = std::make_shared<World>();
  world->dns_hangs = true;
  ExemptionSources sources(
      settings_with({"a.example", "b.example", "c.example", "d.example", "e.example", "f.example"}), facts_of(world));
  for (int i = 0; i < 100; ++i) sources.refresh(kStart + 1s * i);
  {
    const std::scoped_lock lock(world->mutex);
    EXPECT_LE(world->dns_asked, 4);
    world->dns_hangs = false;
  }
  world->opened.notify_all();
  sources.wait(kStart + 100s, kPatience);
  const std::scoped_lock lock(world->mutex);
  EXPECT_EQ(world->dns_asked, 6);
}

}  // namespace
}  // namespace tipstaff
