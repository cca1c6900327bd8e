// The book: what is put in is found by number, network and address, and leaves no trace when it is taken out.
#include "control/block_book.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <map>
#include <random>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored \
    "-Wmaybe-uninitialized"  // g++ 12 sees it in strings that designated initializers leave out
#endif

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

constexpr Instant kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25) + 8h;

IpNetwork net(const char* text) { return *IpNetwork::parse(text); }

std::vector<std::string> covering(const BlockBook& book, const char* address) {
  std::vector<std::string> all;
  book.each_covering(*IpAddress::parse(address), [&](const BlockBook::Block& block) {
    all.push_back(block.network().to_string() + " " + book.words(block).rule);
  });
  std::ranges::sort(all);
  return all;
}

TEST(BlockBook, FindsByNumberNetworkAndAddress) {
  BlockBook book;
  const auto host = book.add({.network = net("192.0.2.1"), .rule = "a", .at = kNow, .until = kNow + 1h});
  const auto wide = book.add({.network = net("192.0.2.0/24"), .rule = "b", .at = kNow, .until = kNow + 2h});
  const auto six = book.add({.network = net("2001:db8::/64"), .rule = "a", .at = kNow, .until = kNow + 1h});
  const auto twice = book.add({.network = net("192.0.2.1"), .rule = "b", .at = kNow, .until = kNow + 3h});
  EXPECT_EQ(book.size(), 4U);
  EXPECT_EQ(covering(book, "192.0.2.1"), (std::vector<std::string>{"192.0.2.0/24 b", "192.0.2.1 a", "192.0.2.1 b"}));
  EXPECT_EQ(covering(book, "192.0.2.2"), std::vector<std::string>{"192.0.2.0/24 b"});
  EXPECT_EQ(covering(book, "2001:db8::7"), std::vector<std::string>{"2001:db8::/64 a"});
  EXPECT_EQ(covering(book, "2001:db8:1::7"), std::vector<std::string>{});
  EXPECT_EQ(book.find(twice)->until(), kNow + 3h);
  EXPECT_EQ(book.remove(host)->rule, "a");
  EXPECT_FALSE(book.remove(host));
  EXPECT_EQ(book.find(host), nullptr);
  EXPECT_EQ(covering(book, "192.0.2.1"), (std::vector<std::string>{"192.0.2.0/24 b", "192.0.2.1 b"}));
  for (const auto id : {wide, six, twice}) EXPECT_TRUE(book.remove(id));
  EXPECT_EQ(book.size(), 0U);
  EXPECT_EQ(covering(book, "192.0.2.1"), std::vector<std::string>{});
}

TEST(BlockBook, WhatStandsAlreadyIsNotAddedTwice) {
  BlockBook book;
  const NewBlock block{.network = net("192.0.2.1"), .host = "h", .rule = "a", .at = kNow, .until = kNow + 1h};
  const auto id = book.add(block);
  EXPECT_EQ(book.add(block), id);
  NewBlock later = block;
  later.at = kNow + 1s;
  EXPECT_NE(book.add(later), id);
  VerdictRow row;
  row.rule = "a";
  row.network = block.network;
  row.host = "h";
  row.at = kNow;
  EXPECT_EQ(book.find(row), id);
  row.host = "other";
  EXPECT_FALSE(book.find(row));
}

TEST(BlockBook, ASecondBlockByHandTakesThePlaceOfTheFirst) {
  BlockBook book;
  const auto id =
      book.add({.network = net("192.0.2.1"), .by = "anna", .why = "x", .at = kNow, .until = Instant::max()});
  EXPECT_EQ(book.add({.network = net("192.0.2.1"), .by = "bert", .at = kNow + 1s, .until = kNow + 1h}), id);
  const auto service =
      book.add({.network = net("192.0.2.1"), .service = "sshd", .by = "bert", .at = kNow, .until = kNow + 1h});
  EXPECT_NE(service, id);
  const StandingBlock block = book.standing(*book.find(id));
  EXPECT_EQ(block.by, "bert");
  EXPECT_EQ(block.why, "");
  EXPECT_EQ(block.until, kNow + 1h);
  EXPECT_EQ(book.size(), 2U);
  EXPECT_EQ(book.next_over(kNow + 1h).has_value(), true) << "the new end counts";
}

TEST(BlockBook, EndsComeInTheirOrder) {
  BlockBook book;
  std::mt19937 random(7);
  std::multimap<Instant, std::uint64_t> model;
  for (unsigned i = 0; i < 5'000; ++i) {
    const Instant until = kNow + std::chrono::seconds(random() % 1'000);
    const auto id = book.add(
        {.network = IpNetwork(IpAddress::v4(0x0a000000 + i), 32), .rule = "r", .at = kNow - 1s, .until = until});
    if (i % 3 == 0) {
      const Instant other = kNow + std::chrono::seconds(random() % 1'000);
      book.set_until(id, other);
      model.emplace(other, id);
    } else if (i % 7 == 0) {
      EXPECT_TRUE(book.remove(id));
    } else {
      model.emplace(until, id);
    }
  }
  ASSERT_EQ(book.size(), model.size());
  for (Instant time = kNow; time < kNow + 1'001s; time += 50s) {
    while (const auto id = book.next_over(time)) {
      ASSERT_FALSE(model.empty());
      EXPECT_EQ(book.find(*id)->until(), model.begin()->first);
      std::erase_if(model, [&](const auto& one) { return one.second == *id; });
      ASSERT_TRUE(book.remove(*id));
    }
    EXPECT_TRUE(model.empty() || model.begin()->first > time);
  }
  EXPECT_EQ(book.size(), 0U);
}

TEST(BlockBook, KnowsWhatABlockRestsOnForAWhile) {
  BlockBook book;
  const auto key = [](std::uint64_t offset) { return AttemptKey{"file:/x", 1, offset, 0}; };
  const auto a = book.add(
      {.network = net("192.0.2.1"), .rule = "r", .at = kNow, .until = kNow + 9h, .attempts = {key(1), key(2)}});
  const auto b = book.add(
      {.network = net("192.0.2.1"), .rule = "s", .at = kNow, .until = kNow + 9h, .attempts = {key(2), key(3)}});
  EXPECT_EQ(book.resting_on(key(1)), std::vector{a});
  EXPECT_EQ(book.resting_on(key(2)), (std::vector{a, b}));
  EXPECT_EQ(book.attempts_of(b), (std::vector{key(2), key(3)}));
  EXPECT_TRUE(book.remove(a));
  EXPECT_EQ(book.resting_on(key(2)), std::vector{b});
  book.pass(kNow + 59min);
  EXPECT_EQ(book.resting_on(key(3)), std::vector{b});
  book.pass(kNow + 61min);
  EXPECT_EQ(book.resting_on(key(3)), std::vector<std::uint64_t>{});
  EXPECT_EQ(book.attempts_of(b), std::vector<AttemptKey>{});
}

TEST(BlockBook, KeysOfAttemptsAreBounded) {
  BlockBook book;
  std::uint64_t last = 0;
  for (unsigned i = 0; i < 300; ++i) {
    NewBlock block{.network = IpNetwork(IpAddress::v4(i), 32), .rule = "r", .at = kNow, .until = kNow + 9h};
    for (std::uint64_t k = 0; k < 1'000; ++k) block.attempts.push_back({"file:/x", 1, i * 1'000 + k, 0});
    last = book.add(block);
  }
  EXPECT_EQ(book.attempts_of(1), std::vector<AttemptKey>{});
  EXPECT_EQ(book.attempts_of(last).size(), 1'000U);
  EXPECT_EQ(book.resting_on({"file:/x", 1, 299'500, 0}), std::vector{last});
}

TEST(BlockBook, ExemptionsEnd) {
  BlockBook book;
  EXPECT_TRUE(book.exempt({net("192.0.2.0/24"), kNow + 1h, "anna", "customer"}, kNow));
  EXPECT_TRUE(book.is_exempt(*IpAddress::parse("192.0.2.7")));
  EXPECT_TRUE(book.exempt({net("192.0.2.0/24"), kNow + 2h, "bert", ""}, kNow));
  ASSERT_EQ(book.exemptions().size(), 1U);
  EXPECT_EQ(book.exemptions()[0].by, "bert");
  EXPECT_FALSE(book.pass(kNow + 1h));
  EXPECT_TRUE(book.pass(kNow + 2h));
  EXPECT_FALSE(book.is_exempt(*IpAddress::parse("192.0.2.7")));
  EXPECT_TRUE(book.exempt({net("192.0.2.7"), kNow + 9h, "anna", ""}, kNow));
  EXPECT_FALSE(book.exempt({net("192.0.2.7"), kNow, "anna", ""}, kNow)) << "it ends the exemption";
  EXPECT_FALSE(book.is_exempt(*IpAddress::parse("192.0.2.7")));
}

// Tables whose slots move when others leave: nothing is lost on the way.
TEST(BlockBook, AsASimpleModelHasIt) {
  BlockBook book;
  std::minstd_rand random(20261128);
  const auto any = [&random](unsigned count) {
    return IpAddress::v4(static_cast<std::uint32_t>(0xc0000200U + random() / 7 % count));
  };
  std::map<std::uint64_t, IpNetwork> model;
  for (unsigned step = 0; step < 50'000; ++step) {
    const IpNetwork network(any(64), static_cast<unsigned>(24 + random() % 9));
    if (random() / 7 % 2 == 0) {
      const auto id =
          book.add({.network = network, .rule = "r", .at = kNow + std::chrono::seconds(step), .until = Instant::max()});
      EXPECT_TRUE(model.emplace(id, network).second);
    } else if (!model.empty()) {
      auto one = model.lower_bound(random() % (model.rbegin()->first + 1));
      ASSERT_TRUE(book.remove(one->first));
      model.erase(one);
    }
    ASSERT_EQ(book.size(), model.size());
    if (step % 100 != 0) continue;
    std::map<std::uint64_t, IpNetwork> found;
    const IpAddress address = any(64);
    book.each_covering(address, [&](const BlockBook::Block& block) { found.emplace(block.id, block.network()); });
    std::map<std::uint64_t, IpNetwork> expected;
    for (const auto& [id, of] : model) {
      ASSERT_NE(book.find(id), nullptr);
      if (of.contains(address)) expected.emplace(id, of);
    }
    ASSERT_EQ(found, expected) << "step " << step;
  }
}

TEST(BlockBook, HoldsAHundredThousandInLittleMemory) {
  ::malloc_trim(0);
  const std::size_t before = ::mallinfo2().uordblks;
  auto book = std::make_unique<BlockBook>();
  for (unsigned i = 0; i < 100'000; ++i) {
    book->add({.network = IpNetwork(IpAddress::v4(0x0a000000U + i * 7), 32),
               .host = "host-a",
               .rule = "Catch All Login",
               .at = kNow,
               .until = kNow + std::chrono::seconds(i % 7'200 + 1),
               .enforced = true});
  }
  const double held = static_cast<double>(::mallinfo2().uordblks - before) / 1e6;
  RecordProperty("megabytes", fmt::format("{:.1f}", held));
  EXPECT_LT(held, 10.0);
  EXPECT_EQ(book->size(), 100'000U);
}

TEST(BlockBook, WhenItIsFullTheSoonestMakesRoom) {
  BlockBook book;
  EXPECT_FALSE(book.least_when_full());
  for (unsigned i = 0; i < BlockBook::kMost; ++i)
    book.add({.network = IpNetwork(IpAddress::v4(i), 32),
              .rule = "r",
              .at = kNow,
              .until = kNow + std::chrono::seconds(i == 777 ? 1 : 1'000 + i)});
  const auto least = book.least_when_full();
  ASSERT_TRUE(least);
  EXPECT_EQ(book.find(*least)->network(), IpNetwork(IpAddress::v4(777), 32));
}

}  // namespace
}  // namespace tipstaff
