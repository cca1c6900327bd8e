// The table of blocks against a plain map, at random; and what it costs.
#include "enforce/enforcer/block_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tipstaff {
namespace {

using std::chrono::seconds;

BlockKey key_of(unsigned number) {
  if (number % 5 == 0) return {IpNetwork(IpAddress(0x2001'0db8'0000'0000ULL + number, 7), 64)};
  if (number % 7 == 0) return {IpNetwork(IpAddress::v4(0xc000'0200 + number), 32), 6, 22};
  return {IpNetwork(IpAddress::v4(0xc000'0200 + number), number % 3 == 0 ? 28 : 32)};
}

void expect_same(const BlockTable& table, const std::map<BlockKey, FirewallBlock>& model) {
  ASSERT_EQ(table.size(), model.size());
  std::map<BlockShape, std::size_t> shapes;
  std::optional<Instant> earliest;
  for (const auto& [key, block] : model) {
    const auto found = table.find(key);
    ASSERT_TRUE(found) << key.network.to_string();
    EXPECT_EQ(found->until, block.until);
    EXPECT_EQ(found->dropped, block.dropped);
    ++shapes[shape_of(key)];
    if (block.until != kForever && (!earliest || block.until < *earliest)) earliest = block.until;
  }
  EXPECT_EQ(table.shapes(), shapes);
  ASSERT_EQ(table.earliest().has_value(), earliest.has_value());
  if (earliest) {
    EXPECT_EQ(table.earliest()->until, *earliest);
  }
  for (const auto& slot : table.slots()) EXPECT_TRUE(model.contains(slot.key()));
}

TEST(BlockTable, AgreesWithAPlainMap) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 dice(seed);
  BlockTable table;
  std::map<BlockKey, FirewallBlock> model;
  for (int step = 0; step < 20'000; ++step) {
    const BlockKey key = key_of(static_cast<unsigned>(dice() % 400));
    switch (dice() % 4) {
      case 0: {
        const auto erased = table.erase(key);
        ASSERT_EQ(erased.has_value(), model.contains(key));
        if (erased) {
          EXPECT_EQ(erased->until, model.at(key).until);
        }
        model.erase(key);
        break;
      }
      case 1: {
        const auto held = model.find(key);
        ASSERT_EQ(table.set_dropped(key, dice.max() - dice() % 9), held != model.end());
        if (held != model.end()) held->second.dropped = table.find(key)->dropped;
        break;
      }
      default: {
        const Instant until = dice() % 10 == 0 ? kForever : Instant(seconds(dice() % 1'000));
        table.set(key, until);
        auto& block = model[key];
        block.key = key;
        block.until = until;
      }
    }
    if (step % 500 == 0) expect_same(table, model);
  }
  expect_same(table, model);
  // in the order of their ends
  Instant before{};
  while (const auto next = table.earliest()) {
    EXPECT_GE(next->until, before);
    before = next->until;
    table.erase(next->key);
    model.erase(next->key);
  }
  expect_same(table, model);
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_FALSE(table.find(key_of(1)) || table.erase(key_of(1)) || table.earliest());
}

TEST(BlockTable, AHundredThousandTakeLessThanTenMegabytes) {
  BlockTable table;
  for (unsigned i = 0; i < 100'000; ++i) {
    table.set({IpNetwork(IpAddress::v4(0xcb00'0000 + i), 32)}, Instant(seconds(100'000 - i)));
  }
  EXPECT_EQ(table.size(), 100'000U);
  EXPECT_EQ(table.earliest()->until, Instant(seconds(1)));
  EXPECT_LT(table.memory(), 10'000'000U);
}

}  // namespace
}  // namespace tipstaff
