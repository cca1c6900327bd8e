// A program of the administrator's: what it is told, in which order, and what its failures lead to.
#include "enforce/command_backend.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

IpNetwork net(const char* text) { return *IpNetwork::parse(text); }
constexpr Instant kNow = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25) + 8h;

class CommandBackendTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "tipstaff-command-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    firewall_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A script that appends what it is told to a file, then does `rest`.
  void start(const std::string& rest, std::chrono::milliseconds timeout = 10s) {
    const std::string script = folder_ + "/block";
    std::ofstream(script) << "#!/bin/sh\ncat >> \"$1/told\"\n" << rest << "\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    CommandOptions options;
    options.command = {script, folder_, "; touch " + folder_ + "/shell"};
    options.timeout = timeout;
    options.first_pause = 10ms;
    options.clock = [this] { return now_; };
    firewall_ = std::make_unique<CommandBackend>(
        loop_, std::move(options),
        BackendHandlers{.connected =
                            [this](const std::vector<FirewallBlock>&) {
                              ++connected_;
                              if (on_connected_) on_connected_();
                            },
                        .lost = [this](const Error& error) { lost_.push_back(error.text); },
                        .in_force = [this](std::span<const BlockKey> keys) { in_force_ += keys.size(); },
                        .refused = {},
                        .ended = [this](std::span<const Entry> all) { ended_ += all.size(); },
                        .repaired = {},
                        .problem = {}});
    firewall_->start();
  }
  template <class Done>
  [[nodiscard]] bool wait(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      loop_.restart();
      loop_.run_one_for(5ms);
    }
    return true;
  }
  [[nodiscard]] std::string told() const {
    std::ifstream in(folder_ + "/told");
    return {std::istreambuf_iterator<char>(in), {}};
  }

  boost::asio::io_context loop_;
  std::string folder_;
  Instant now_ = kNow;
  std::unique_ptr<CommandBackend> firewall_;
  std::function<void()> on_connected_;
  int connected_ = 0;
  std::size_t in_force_ = 0, ended_ = 0;
  std::vector<std::string> lost_;
};

TEST_F(CommandBackendTest, GetsChangesAsJsonWithoutAShell) {
  on_connected_ = [this] { firewall_->block(std::array{FirewallBlock{{net("192.0.2.1"), 0, 0}, kNow + 2h, 0}}); };
  start("");
  ASSERT_TRUE(wait([this] { return in_force_ == 1; }));
  EXPECT_EQ(told(),
            "{\"action\":\"sync\"}\n"
            "{\"action\":\"block\",\"network\":\"192.0.2.1\",\"port\":null,\"until\":\"2026-11-25T10:00:00Z\","
            "\"until_unix\":1795600800}\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/shell"));
  std::filesystem::remove(folder_ + "/told");
  firewall_->block(std::array{FirewallBlock{{net("2001:db8::/64"), 6, 22}, kForever, 0}});
  firewall_->unblock(std::array{BlockKey{net("192.0.2.1"), 0, 0}});
  ASSERT_TRUE(wait([this] { return in_force_ == 2; }));
  EXPECT_EQ(
      told(),
      "{\"action\":\"block\",\"network\":\"2001:db8::/64\",\"port\":\"22/tcp\",\"until\":null,\"until_unix\":null}\n"
      "{\"action\":\"unblock\",\"network\":\"192.0.2.1\",\"port\":null}\n");
}

TEST_F(CommandBackendTest, IsToldTheEndOfABlock) {
  on_connected_ = [this] { firewall_->block(std::array{FirewallBlock{{net("192.0.2.1"), 0, 0}, kNow + 50ms, 0}}); };
  start("");
  ASSERT_TRUE(wait([this] { return in_force_ == 1; }));
  now_ = kNow + 1s;
  ASSERT_TRUE(wait([this] { return ended_ == 1; }));
  ASSERT_TRUE(
      wait([this] { return told().ends_with("{\"action\":\"unblock\",\"network\":\"192.0.2.1\",\"port\":null}\n"); }));
}

TEST_F(CommandBackendTest, AFailureIsSaidAndEverythingToldAgain) {
  on_connected_ = [this] { firewall_->block(std::array{FirewallBlock{{net("192.0.2.1"), 0, 0}, kForever, 0}}); };
  start("if [ ! -e \"$1/again\" ]; then touch \"$1/again\"; exit 3; fi");
  ASSERT_TRUE(wait([this] { return in_force_ == 1; }));
  EXPECT_EQ(connected_, 2);
  ASSERT_EQ(lost_.size(), 1U);
  EXPECT_EQ(lost_[0], "it ended with exit code 3");
}

TEST_F(CommandBackendTest, WhatDoesNotEndIsKilledWithWhatItStarted) {
  start("sleep 1000 & echo $! > \"$1/child\"; wait", 300ms);
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_NE(lost_[0].find("did not end"), std::string::npos) << lost_[0];
  int child = 0;
  std::ifstream(folder_ + "/child") >> child;
  if (child > 0) {  // it is dead, or waits for its new parent to say so
    EXPECT_TRUE(wait([child] {
      std::ifstream state("/proc/" + std::to_string(child) + "/stat");
      std::string word;
      state >> word >> word >> word;
      return !state || word == "Z" || word == "X";
    }));
  }
}

TEST_F(CommandBackendTest, WhatCannotBeStartedIsSaid) {
  CommandOptions options;
  options.command = {folder_ + "/none"};
  options.first_pause = 10ms;
  options.clock = [this] { return now_; };
  firewall_ = std::make_unique<CommandBackend>(
      loop_, std::move(options),
      BackendHandlers{.connected = {},
                      .lost = [this](const Error& error) { lost_.push_back(error.message()); },
                      .in_force = {},
                      .refused = {},
                      .ended = {},
                      .repaired = {},
                      .problem = {}});
  firewall_->start();
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_NE(lost_[0].find("none: it cannot be started"), std::string::npos) << lost_[0];
}

TEST_F(CommandBackendTest, ManyChangesComeInFewRuns) {
  on_connected_ = [this] {
    std::vector<FirewallBlock> blocks;
    for (std::uint32_t i = 0; i < 20'000; ++i) blocks.push_back({{IpNetwork(IpAddress::v4(i), 32), 0, 0}, kForever, 0});
    firewall_->block(blocks);
  };
  start("echo run >> \"$1/runs\"");
  ASSERT_TRUE(wait([this] { return in_force_ == 20'000; }));
  std::ifstream runs(folder_ + "/runs");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(runs), {}), "run\n");
}

}  // namespace
}  // namespace tipstaff
