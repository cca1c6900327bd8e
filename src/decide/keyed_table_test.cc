// The table against std::map, with deletions forced by a small cap, and its bounds.
#include "decide/keyed_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

TEST(KeyedTable, FindsWhatItHoldsAfterAnyNumberOfReplacements) {
  KeyedTable<std::uint64_t> table(500);
  std::map<std::uint64_t, std::uint64_t> newest;  // of keys ever put in
  std::mt19937_64 random(7);
  std::uint64_t lost = 0;
  for (std::uint64_t step = 0; step < 20000; ++step) {
    const std::uint64_t name = random() % 2000;
    const Instant now{std::chrono::seconds(step)};
    const std::uint32_t index = table.take({name, 0}, now, [&](std::uint32_t) { ++lost; });
    table[index] = step;
    table.keep_until(index, now + std::chrono::seconds(random() % 1000));
    newest[name] = step;
    ASSERT_EQ(table.find({name, 0}), index);
    ASSERT_LE(table.size(), 500U);
  }
  std::size_t found = 0;
  for (const auto& [name, step] : newest) {
    const std::uint32_t index = table.find({name, 0});
    if (index == KeyedTable<std::uint64_t>::kNone) continue;
    ++found;
    EXPECT_EQ(table[index], step) << name;
  }
  EXPECT_EQ(found, table.size());
  EXPECT_GT(lost, table.evicted());  // some had run out before
  EXPECT_EQ(table.find({5000, 0}), KeyedTable<std::uint64_t>::kNone);
}

TEST(KeyedTable, DropsTheOneThatWouldRunOutFirstAndCountsIt) {
  KeyedTable<int> table(4);
  const Instant now{};
  for (std::uint64_t i = 0; i < 4; ++i) table.keep_until(table.take({i, 0}, now), now + (i == 2 ? 1s : 1h));
  table.keep_until(table.take({9, 0}, now), now + 2h);
  EXPECT_EQ(table.evicted(), 1U);
  EXPECT_EQ(table.find({2, 0}), KeyedTable<int>::kNone);
  for (const std::uint64_t kept : {0U, 1U, 3U, 9U}) EXPECT_NE(table.find({kept, 0}), KeyedTable<int>::kNone) << kept;
  table.take({10, 0}, now + 1h);  // all but 9 have run out: nothing of use is lost
  EXPECT_EQ(table.evicted(), 1U);
  EXPECT_NE(table.find({9, 0}), KeyedTable<int>::kNone);
}

}  // namespace
}  // namespace tipstaff
