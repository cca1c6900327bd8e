// The enforcer's core over a firewall in memory: what is set and ends, exemptions, taking over, repair; and all of it at
// random against that firewall, with failures and changes by others.
#include "enforce/enforcer/enforcer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace tipstaff {
namespace {

using std::chrono::seconds;

IpNetwork network(const char* text) { return IpNetwork::parse(text).value(); }
Instant at(int second) { return Instant(seconds(1'000'000 + second)); }
BlockKey host(unsigned number) { return {IpNetwork(IpAddress::v4(0xcb00'7100 + number), 32)}; }
Entry entry(const BlockKey& key, Instant until = {}) { return {.key = key, .until = until}; }
Entry entry(const char* text, Instant until = {}) { return entry(BlockKey{network(text)}, until); }

// What the kernel would do, with what tests need to make it fail.
class FakeFirewall : public Firewall {
 public:
  bool exists = false;
  bool is_foreign = false;  // not the layout of an enforcer
  bool touched = false;     // by others
  int failing = 0;          // so many changes from now on fail
  std::map<BlockKey, Instant> blocks;
  std::map<BlockKey, std::uint64_t> counts;
  std::vector<IpNetwork> exempt;
  int changes = 0;

  Result<void> read_blocks(Instant, const OnBlock& each) override {
    for (const auto& [key, until] : blocks) each(key, until);
    return {};
  }
  Result<void> read_counts(const OnCount& each) override {
    for (const auto& [key, count] : counts) each(key, count);
    return {};
  }
  Result<void> adopt(const NetworkSet& wanted) override {
    if (!exists) return fail(ErrorKind::not_found, "none");
    if (is_foreign) return fail(ErrorKind::conflict, "foreign");
    exempt = wanted.networks();
    touched = false;
    return {};
  }
  Result<void> rebuild(const BlockTable& table, const NetworkSet& wanted, Instant) override {
    if (auto good = change(); !good) return good;
    exists = true;
    touched = is_foreign = false;
    exempt = wanted.networks();
    blocks.clear();
    counts.clear();
    for (const auto& slot : table.slots()) {
      blocks[slot.key()] = slot.until();
      if (slot.dropped() != 0) counts[slot.key()] = slot.dropped();
    }
    return {};
  }
  Result<void> set(std::span<const BlockChange> all, Instant) override {
    if (auto good = change(); !good) return good;
    if (!exists) return fail(ErrorKind::not_found, "no table");
    std::set<BlockKey> seen;
    for (const BlockChange& one : all) {
      EXPECT_TRUE(seen.insert(one.key).second) << "each key at most once";
      if (one.exists != blocks.contains(one.key)) return fail(ErrorKind::not_found, "no such element");
    }
    for (const BlockChange& one : all) blocks[one.key] = one.until;
    return {};
  }
  Result<void> remove(std::span<const BlockKey> keys) override {
    if (auto good = change(); !good) return good;
    for (const BlockKey& key : keys) {
      if (!blocks.contains(key)) return fail(ErrorKind::not_found, "no such element");
    }
    for (const BlockKey& key : keys) blocks.erase(key);
    return {};
  }
  Result<std::vector<DropCount>> take_counts(std::span<const BlockKey> keys) override {
    std::vector<DropCount> all;
    for (const BlockKey& key : keys) {
      const auto found = counts.find(key);
      if (found == counts.end()) continue;
      EXPECT_FALSE(blocks.contains(key)) << "the block goes before its count";
      all.push_back({key, found->second});
      counts.erase(found);
    }
    return all;
  }
  Result<void> set_exempt(const NetworkSet& wanted) override {
    if (auto good = change(); !good) return good;
    if (!exists) return fail(ErrorKind::not_found, "no table");
    exempt = wanted.networks();
    return {};
  }
  Result<bool> is_whole() override { return exists && !touched; }
  Result<void> clear() override {
    flush();
    return {};
  }

  void flush() {
    exists = false;
    blocks.clear();
    counts.clear();
  }
  /// A packet from a blocked host.
  void drop(const BlockKey& key, std::uint64_t packets = 1) {
    if (blocks.contains(key)) counts[key] += packets;
  }

 private:
  Result<void> change() {
    ++changes;
    if (failing == 0) return {};
    --failing;
    return fail(ErrorKind::unavailable, "no memory");
  }
};

class EnforcerTest : public testing::Test {
 protected:
  FakeFirewall firewall;
  std::vector<Entry> ended;
  std::vector<std::string> repaired;
  std::unique_ptr<Enforcer> enforcer;

  void start(int second = 0, std::vector<IpNetwork> own = {network("192.0.2.1")}) {
    enforcer = std::make_unique<Enforcer>(
        firewall,
        Enforcer::Events{.ended = [this](std::vector<Entry> all) { ended.insert(ended.end(), all.begin(), all.end()); },
                         .repaired = [this](const std::string& what) { repaired.push_back(what); }},
        EnforcerLog());
    const auto started = enforcer->start(std::move(own), at(second));
    ASSERT_TRUE(started) << started.error().message();
  }
  std::vector<Entry> block(std::vector<Entry> entries, int second = 0) { return enforcer->block(entries, at(second)); }
  std::vector<Entry> unblock(std::vector<Entry> entries, int second = 0) {
    return enforcer->unblock(entries, at(second));
  }
  std::vector<Entry> allow(std::vector<Entry> entries, bool first = true, int second = 0) {
    return enforcer->allow(entries, first, at(second));
  }
  // Firewall and memory hold the same.
  void expect_agreement() {
    ASSERT_EQ(firewall.blocks.size(), enforcer->blocks().size());
    for (const auto& slot : enforcer->blocks().slots()) {
      ASSERT_TRUE(firewall.blocks.contains(slot.key())) << slot.key().network.to_string();
      EXPECT_EQ(firewall.blocks.at(slot.key()), slot.until());
    }
  }
};

TEST_F(EnforcerTest, BlocksEndAtTheirTimeWithTheirCount) {
  start();
  EXPECT_TRUE(block({entry(host(1), at(10)), entry(host(2), at(20)), entry(host(3), kForever)}).empty());
  expect_agreement();
  EXPECT_EQ(enforcer->next_end(), at(10));
  firewall.drop(host(1), 5);
  enforcer->end_due(at(9));
  EXPECT_TRUE(ended.empty());
  enforcer->end_due(at(10));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0], (Entry{.key = host(1), .until = at(10), .dropped = 5}));
  EXPECT_FALSE(firewall.counts.contains(host(1)));
  enforcer->end_due(at(1'000));
  EXPECT_EQ(ended.size(), 2U);
  EXPECT_EQ(enforcer->next_end(), std::nullopt) << "for ever";
  expect_agreement();
}

TEST_F(EnforcerTest, ANewEndKeepsTheCount) {
  start();
  block({entry(host(1), at(10))});
  firewall.drop(host(1), 3);
  block({entry(host(1), at(50))}, 5);
  firewall.drop(host(1), 4);
  block({entry(host(1), at(30))}, 6);  // also an earlier one
  enforcer->end_due(at(30));
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].dropped, 7U);
  // a block of the same host afterwards begins at nothing
  block({entry(host(1), at(99))}, 40);
  enforcer->end_due(at(99));
  EXPECT_EQ(ended.at(1).dropped, 0U);
}

TEST_F(EnforcerTest, TheSameAgainCostsNothingAndTheLastOfAMessageCounts) {
  start();
  block({entry(host(1), at(10))});
  const int changes = firewall.changes;
  block({entry(host(1), at(10))});
  EXPECT_EQ(firewall.changes, changes);
  block({entry(host(2), at(10)), entry(host(2), at(40)), entry(host(1), at(11)), entry(host(1), at(12))});
  EXPECT_EQ(firewall.blocks.at(host(2)), at(40));
  EXPECT_EQ(firewall.blocks.at(host(1)), at(12));
}

TEST_F(EnforcerTest, WhatIsExemptOrOverIsRefused) {
  start(0, {network("192.0.2.1"), network("198.51.100.0/24")});
  allow({entry("203.0.113.128/25")});
  const auto refused = block({entry("192.0.2.1", kForever), entry("198.51.100.7", at(9)), entry("127.0.0.9", at(9)),
                              entry("::1", at(9)), entry("203.0.113.129", at(9)), entry(host(1), at(0)),
                              entry("203.0.113.0/24", at(9)), entry(host(2), at(9))});
  std::string results;
  for (const Entry& each : refused) results += std::to_string(static_cast<int>(each.result));
  EXPECT_EQ(results, "111123");
  EXPECT_EQ(enforcer->blocks().size(), 2U) << "a network that is wider than an exemption is taken";
  EXPECT_TRUE(std::ranges::count(firewall.exempt, network("203.0.113.128/25")) == 1)
      << "and the exempt part let through";
  const BlockKey service{network("192.0.2.1"), 6, 22};
  EXPECT_EQ(block({entry(service, at(9))}).at(0).result, EntryResult::exempt);
}

TEST_F(EnforcerTest, AnExemptionEndsWhatLiesInIt) {
  start();
  block({entry(host(1), at(9)), entry(host(200), at(9)), entry("203.0.113.0/24", at(9))});
  firewall.drop(host(1), 2);
  EXPECT_TRUE(allow({entry("203.0.113.0/25")}).empty());
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0], (Entry{.key = host(1), .until = at(9), .dropped = 2, .result = EntryResult::allowed}));
  enforcer->set_own({network("203.0.113.200")}, at(1));
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[1].result, EntryResult::exempt);
  expect_agreement();
  // those of the guard go with the next `first`
  allow({entry("198.51.100.1")});
  EXPECT_TRUE(block({entry(host(1), at(9))}, 2).empty());
}

TEST_F(EnforcerTest, ALongListIsWrittenOnce) {
  start();
  const auto part = [](unsigned from, unsigned count) {
    std::vector<Entry> all;
    for (unsigned i = 0; i < count; ++i)
      all.push_back(entry(BlockKey{IpNetwork(IpAddress::v4(0x0a00'0000 + from + i * 2), 32)}));
    return all;
  };
  const int changes = firewall.changes;
  allow(part(0, 1'000), true);
  allow(part(10'000, 1'000), false);
  EXPECT_EQ(firewall.changes, changes);
  EXPECT_EQ(block({entry("10.0.0.0", at(9))}).at(0).result, EntryResult::allowed) << "known at once";
  allow(part(20'000, 5), false);
  EXPECT_EQ(firewall.changes, changes + 1);
  EXPECT_EQ(firewall.exempt.size(), 2'005U + 3U);
  allow(part(0, 1'000), true);
  enforcer->apply_exemptions(at(1));
  EXPECT_EQ(firewall.exempt.size(), 1'000U + 3U);
}

TEST_F(EnforcerTest, UnblockGivesTheCountAndKnowsTheUnknown) {
  start();
  block({entry(host(1), at(9)), entry(host(2), kForever)});
  firewall.drop(host(2), 8);
  const auto said = unblock({entry(host(2)), entry(host(7)), entry(host(2))});
  ASSERT_EQ(said.size(), 2U);
  EXPECT_EQ(said[0], (Entry{.key = host(2), .until = kForever, .dropped = 8}));
  EXPECT_EQ(said[1].result, EntryResult::unknown);
  EXPECT_TRUE(ended.empty()) << "it stands in the answer";
  expect_agreement();
}

TEST_F(EnforcerTest, AnotherEnforcersBlocksAreTakenOver) {
  start();
  block({entry(host(1), at(10)), entry(host(2), at(100)), entry(host(3), kForever), entry(host(4), at(100))});
  for (unsigned i = 1; i <= 4; ++i) firewall.drop(host(i), i * 10);
  firewall.blocks.erase(host(4));  // the kernel's own timeout
  start(50, {host(3).network});
  expect_agreement();
  EXPECT_EQ(enforcer->blocks().size(), 1U);
  EXPECT_EQ(enforcer->blocks().find(host(2))->dropped, 20U);
  std::map<BlockKey, Entry> told;
  for (const Entry& each : ended) told[each.key] = each;
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told.at(host(1)).dropped, 10U) << "over meanwhile";
  EXPECT_EQ(told.at(host(3)).result, EntryResult::exempt) << "exempt now";
  EXPECT_EQ(told.at(host(4)).dropped, 40U) << "over so long that only its count was left";
  EXPECT_EQ(firewall.counts.size(), 1U);
}

TEST_F(EnforcerTest, ATableThatIsNoEnforcersIsMadeAnewWithItsBlocks) {
  start();
  block({entry(host(1), at(10))});
  firewall.drop(host(1), 3);
  firewall.counts[host(9)] = 4;
  firewall.is_foreign = true;
  start(1);
  EXPECT_FALSE(firewall.is_foreign);
  expect_agreement();
  EXPECT_EQ(firewall.counts.at(host(1)), 3U);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].dropped, 4U);
}

TEST_F(EnforcerTest, WhatSomebodyChangedIsPutRight) {
  start();
  allow({entry("198.51.100.0/24")});
  block({entry(host(1), at(100)), entry(host(2), at(100))});
  firewall.drop(host(1), 6);
  enforcer->audit(at(1), "audit");
  EXPECT_TRUE(repaired.empty());
  firewall.flush();
  enforcer->check(at(2), "looked");
  ASSERT_EQ(repaired.size(), 1U);
  EXPECT_TRUE(repaired[0].starts_with("looked: ")) << repaired[0];
  expect_agreement();
  EXPECT_EQ(firewall.counts.at(host(1)), 6U) << "counts go on from what was known";
  EXPECT_EQ(std::ranges::count(firewall.exempt, network("198.51.100.0/24")), 1);
  firewall.touched = true;
  enforcer->check(at(3), "x");
  firewall.blocks.erase(host(2));
  enforcer->audit(at(4), "x");
  firewall.blocks[host(9)] = at(50);
  enforcer->audit(at(5), "x");
  firewall.blocks[host(1)] = at(51);
  enforcer->audit(at(6), "x");
  EXPECT_EQ(repaired.size(), 5U);
  expect_agreement();
}

TEST_F(EnforcerTest, AChangeThatMeetsAStrangeTableMakesItAnew) {
  start();
  block({entry(host(1), at(100)), entry(host(2), at(100))});
  firewall.drop(host(1), 6);
  firewall.flush();
  EXPECT_TRUE(block({entry(host(3), at(100))}).empty());
  expect_agreement();
  firewall.blocks.erase(host(1));
  EXPECT_EQ(unblock({entry(host(1))}).at(0).result, EntryResult::good);
  expect_agreement();
  firewall.blocks.erase(host(2));
  EXPECT_TRUE(block({entry(host(2), at(200))}).empty());
  expect_agreement();
  EXPECT_EQ(repaired.size(), 3U);
}

TEST_F(EnforcerTest, AKernelWithoutMemoryLosesNothing) {
  start();
  block({entry(host(1), at(100))});
  firewall.failing = 2;
  const auto refused = block({entry(host(1), at(50)), entry(host(2), at(100))});
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].result, EntryResult::failed);
  expect_agreement();
  EXPECT_TRUE(enforcer->figures().broken);
  enforcer->check(at(1), "again");
  EXPECT_FALSE(enforcer->figures().broken);
  firewall.failing = 2;
  unblock({entry(host(1))});
  EXPECT_EQ(firewall.blocks.size(), 1U) << "it could not be taken out";
  enforcer->check(at(2), "again");
  expect_agreement();
  EXPECT_TRUE(firewall.blocks.empty());
}

TEST_F(EnforcerTest, ClearTakesAllAwayUntilThereIsSomethingToBlock) {
  start();
  block({entry(host(1), at(100))});
  firewall.drop(host(1), 2);
  ASSERT_TRUE(enforcer->clear());
  EXPECT_FALSE(firewall.exists);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].dropped, 2U);
  enforcer->check(at(1), "x");
  enforcer->audit(at(1), "x");
  enforcer->set_own({network("192.0.2.9")}, at(1));
  EXPECT_FALSE(firewall.exists);
  EXPECT_TRUE(repaired.empty());
  EXPECT_TRUE(block({entry(host(2), at(100))}).empty());
  EXPECT_TRUE(firewall.exists);
  expect_agreement();
  EXPECT_TRUE(repaired.empty());
}

// Everything at random; after each step firewall and memory agree but for what others did since the last look, and no count
// is lost: what was dropped is what was told and what stands.
TEST_F(EnforcerTest, AtRandom) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 generator(seed);
  const auto dice = [&] { return static_cast<unsigned>(generator()); };
  start();
  std::uint64_t dropped = 0;
  std::uint64_t told = 0;
  int now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const BlockKey key = dice() % 8 == 0 ? BlockKey{network("203.0.113.0/26")} : host(dice() % 60);
    switch (dice() % 12) {
      case 0:
      case 1:
      case 2:
      case 3:
        block({entry(key, at(now + static_cast<int>(dice() % 50)))}, now);
        break;
      case 4:
        for (const Entry& each : unblock({entry(key)}, now)) told += each.dropped;
        break;
      case 5:
      case 6:
      case 7:
        if (firewall.blocks.contains(key)) ++dropped;
        firewall.drop(key);
        break;
      case 8:
        now += static_cast<int>(dice() % 5);
        break;
      case 9:
        allow({entry(host(dice() % 60))}, true, now);
        break;
      case 10:
        enforcer->audit(at(now), "before");  // so that the counts are known
        if (dice() % 2 == 0)
          firewall.flush();
        else
          firewall.touched = true;
        enforcer->check(at(now), "random");
        break;
      default:
        start(now);
        break;
    }
    enforcer->end_due(at(now));
    ASSERT_NO_FATAL_FAILURE(expect_agreement()) << "step " << step;
    for (const Entry& each : ended) told += each.dropped;
    ended.clear();
    std::uint64_t standing = 0;
    for (const auto& [_, count] : firewall.counts) standing += count;
    ASSERT_EQ(told + standing, dropped) << "step " << step;
  }
}

}  // namespace
}  // namespace tipstaff
