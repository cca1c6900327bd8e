// Sending with a clock of our own: nothing lost, nothing doubled, whatever a server does.
#include "desk/postman.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "ledger/testing.h"

namespace tipstaff {
namespace {

using ledger_test::at;
using ledger_test::TempFolder;
using namespace std::chrono_literals;

class PostmanTest : public testing::Test {
 protected:
  PostmanTest() : store_(open()) {}
  AlertStore open() {
    auto store = AlertStore::open(folder_.path(), Database::Mode::write);
    if (!store) throw std::runtime_error(store.error().message());
    return std::move(*store);
  }
  void put(int count, Channel channel = Channel::mail, const std::string& of = "each") {
    std::vector<StoredMessage> all;
    for (int i = 0; i < count; ++i) {
      StoredMessage one;
      one.key = of + std::to_string(i);
      one.of = of;
      one.channel = channel;
      one.created = now_;
      all.push_back(one);
    }
    ASSERT_TRUE(store_.put(all, {}));
  }
  // A desk that was up all the time, looking once a second at most.
  void run_until(Instant end) {
    Postman postman(store_, [this](const StoredMessage& message) {
      const Sent sent = server_(message);
      if (sent.delivery == Delivery::sent) ++taken_[message.key];
      ++calls_;
      return sent;
    });
    while (now_ < end) {
      const auto tried = postman.step(now_);
      ASSERT_TRUE(tried) << tried.error().message();
      now_ += *tried ? 1s : 30s;
    }
  }
  static Sent say(Delivery delivery) { return {delivery, "said", false}; }

  TempFolder folder_;
  AlertStore store_;
  Instant now_ = at(0);
  std::function<Sent(const StoredMessage&)> server_;
  std::map<std::string, int> taken_;
  int calls_ = 0;
};

TEST_F(PostmanTest, AServerThatIsDownForADayLosesAndDoublesNothing) {
  put(20);
  server_ = [this](const StoredMessage&) { return say(now_ < at(0) + 24h ? Delivery::later : Delivery::sent); };
  run_until(at(0) + 24h);
  EXPECT_TRUE(taken_.empty());
  EXPECT_LT(calls_, 40);  // one message at a time asks whether it is back, not all of them
  run_until(at(0) + 48h);
  EXPECT_EQ(taken_.size(), 20U);
  for (const auto& [key, times] : taken_) EXPECT_EQ(times, 1) << key;
}

TEST_F(PostmanTest, AGreylistingServerGetsItAMinuteLater) {
  put(1);
  server_ = [this](const StoredMessage&) { return say(calls_ == 0 ? Delivery::later : Delivery::sent); };
  run_until(at(0) + 5min);
  EXPECT_EQ(taken_.size(), 1U);
  EXPECT_EQ(calls_, 2);
}

TEST_F(PostmanTest, WhatIsRefusedIsKeptAndHoldsUpNobody) {
  put(3);
  server_ = [](const StoredMessage& message) {
    return say(message.key == "each1" ? Delivery::refused : Delivery::sent);
  };
  run_until(at(0) + 1h);
  EXPECT_EQ(calls_, 3);
  EXPECT_EQ(taken_.size(), 2U);
  int refused = 0;
  for (const StoredMessage& one : store_.messages(10)) refused += one.state == MessageState::refused ? 1 : 0;
  EXPECT_EQ(refused, 1);
}

TEST_F(PostmanTest, ADeadMailServerDoesNotHoldUpTheWebhook) {
  put(5);
  put(5, Channel::webhook);
  server_ = [](const StoredMessage& message) {
    return say(message.channel == Channel::mail ? Delivery::later : Delivery::sent);
  };
  run_until(at(0) + 2min);
  EXPECT_EQ(taken_.size(), 5U);
}

TEST_F(PostmanTest, WaitsLongerEachTimeUpToFourHours) {
  EXPECT_EQ(Postman::wait_after(1), 1min);
  EXPECT_EQ(Postman::wait_after(2), 2min);
  EXPECT_EQ(Postman::wait_after(8), 128min);
  EXPECT_EQ(Postman::wait_after(9), 4h);
  EXPECT_EQ(Postman::wait_after(1'000'000), 4h);
}

TEST_F(PostmanTest, ADeskStartedAnewSendsNothingTwice) {
  put(4);
  server_ = [](const StoredMessage&) { return say(Delivery::sent); };
  run_until(at(0) + 1min);
  store_ = open();
  run_until(at(0) + 10min);
  EXPECT_EQ(calls_, 4);
}

}  // namespace
}  // namespace tipstaff
