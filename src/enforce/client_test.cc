// The guard's side against an enforcer of the test's own: what is sent, what is heard, and that it comes back.
#include "enforce/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

namespace tipstaff {
namespace {

using namespace std::chrono_literals;

IpNetwork net(const char* text) { return *IpNetwork::parse(text); }

constexpr Instant kUntil = std::chrono::sys_days(std::chrono::year(2026) / 11 / 25) + 10h;

class EnforcerClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "tipstaff-client-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/e.sock";
  }
  void TearDown() override {
    client_.reset();
    hang_up();
    if (listening_ >= 0) ::close(listening_);
    std::filesystem::remove_all(folder_);
  }

  void listen() {
    if (listening_ >= 0) ::close(listening_);
    ::unlink(path_.c_str());
    listening_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listening_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening_, 4), 0);
  }
  void hang_up() {
    if (peer_ >= 0) ::close(peer_);
    peer_ = -1;
  }

  void start() {
    client_ = std::make_unique<EnforcerClient>(
        loop_, path_,
        BackendHandlers{
            .connected = [this](std::vector<FirewallBlock> all) { standing_ = std::move(all), ++connected_; },
            .lost = [this](const Error& error) { lost_.push_back(error.text); },
            .in_force =
                [this](std::span<const BlockKey> keys) { in_force_.insert(in_force_.end(), keys.begin(), keys.end()); },
            .refused = [this](std::span<const Entry> all) { refused_.insert(refused_.end(), all.begin(), all.end()); },
            .ended = [this](std::span<const Entry> all) { ended_.insert(ended_.end(), all.begin(), all.end()); },
            .repaired = [this](const std::string& what) { repaired_ = what; },
            .problem = [this](const Error& error) { problems_.push_back(error.text); }});
    client_->start();
  }

  // Runs the loop until it is so; ten seconds at most.
  template <class Done>
  [[nodiscard]] bool wait(Done&& done) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      loop_.restart();
      loop_.run_one_for(5ms);
    }
    return true;
  }
  [[nodiscard]] bool accept() {
    return wait(
        [this] { return (peer_ = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0; });
  }
  // The next packet of the client; none within ten seconds fails the test.
  Message next() {
    std::vector<char> packet(kMostPacket);
    ssize_t got = -1;
    EXPECT_TRUE(wait([&] { return (got = ::recv(peer_, packet.data(), packet.size(), 0)) > 0; }));
    auto message = decode({packet.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))});
    EXPECT_TRUE(message) << message.error().text;
    return message ? *message : Message();
  }
  void say(const Message& message) {
    const std::string packet = encode(message);
    ASSERT_EQ(::send(peer_, packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
  }
  void done(const Message& asked, std::vector<Entry> entries = {}) {
    say({.type = MessageType::done, .sequence = asked.sequence, .entries = std::move(entries)});
  }
  void greet(std::vector<Entry> standing = {}) {
    ASSERT_TRUE(accept());
    const Message hello = next();
    ASSERT_EQ(hello.type, MessageType::hello);
    EXPECT_TRUE(hello.events);
    done(hello);
    const Message list = next();
    ASSERT_EQ(list.type, MessageType::list);
    const int before = connected_;
    if (!standing.empty())
      say({.type = MessageType::blocks, .sequence = list.sequence, .entries = std::move(standing)});
    done(list);
    ASSERT_TRUE(wait([&] { return connected_ > before; }));
  }

  boost::asio::io_context loop_;
  std::string folder_, path_;
  int listening_ = -1, peer_ = -1;
  std::unique_ptr<EnforcerClient> client_;
  int connected_ = 0;
  std::vector<FirewallBlock> standing_;
  std::vector<std::string> lost_, problems_;
  std::vector<BlockKey> in_force_;
  std::vector<Entry> refused_, ended_;
  std::string repaired_;
};

TEST_F(EnforcerClientTest, ConnectsWhenTheEnforcerComesAndSaysOnceThatItIsNotThere) {
  start();
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_FALSE(client_->is_connected());
  listen();
  greet({{{net("192.0.2.1"), 0, 0}, kUntil, 7, EntryResult::good}});
  EXPECT_TRUE(client_->is_connected());
  EXPECT_EQ(lost_.size(), 1U);
  EXPECT_NE(lost_[0].find("is tipstaff-enforcer running"), std::string::npos);
  ASSERT_EQ(standing_.size(), 1U);
  EXPECT_EQ(standing_[0].dropped, 7U);
}

TEST_F(EnforcerClientTest, SendsBlocksAndHearsWhatBecameOfThem) {
  listen();
  start();
  greet();
  const std::array<FirewallBlock, 2> blocks{
      {{{net("192.0.2.1"), 0, 0}, kUntil, 0}, {{net("2001:db8::/64"), 6, 22}, kForever, 0}}};
  client_->block(blocks);
  const Message asked = next();
  EXPECT_EQ(asked.type, MessageType::block);
  ASSERT_EQ(asked.entries.size(), 2U);
  EXPECT_EQ(asked.entries[1].until, kForever);
  done(asked, {{blocks[1].key, kForever, 0, EntryResult::exempt}});
  ASSERT_TRUE(wait([this] { return !refused_.empty(); }));
  EXPECT_EQ(in_force_, std::vector{blocks[0].key});
  EXPECT_EQ(refused_[0].result, EntryResult::exempt);

  client_->unblock(std::array{blocks[0].key, blocks[1].key});
  const Message open = next();
  EXPECT_EQ(open.type, MessageType::unblock);
  done(open, {{blocks[0].key, kUntil, 9, EntryResult::good}, {blocks[1].key, {}, 0, EntryResult::unknown}});
  ASSERT_TRUE(wait([this] { return !ended_.empty(); }));
  ASSERT_EQ(ended_.size(), 1U) << "what was not there has not ended";
  EXPECT_EQ(ended_[0].dropped, 9U);

  say({.type = MessageType::ended, .entries = {{blocks[1].key, kUntil, 3, EntryResult::good}}});
  say({.type = MessageType::repaired, .text = "the table was gone"});
  ASSERT_TRUE(wait([this] { return !repaired_.empty(); }));
  EXPECT_EQ(ended_.size(), 2U);
}

TEST_F(EnforcerClientTest, LargeListsGoInSeveralMessages) {
  listen();
  start();
  greet();
  std::vector<FirewallBlock> blocks;
  std::vector<IpNetwork> networks;
  for (std::uint32_t i = 0; i < 2'500; ++i) {
    blocks.push_back({{IpNetwork(IpAddress::v4(i), 32), 0, 0}, kUntil, 0});
    networks.push_back(blocks.back().key.network);
  }
  client_->block(blocks);
  for (const std::size_t count : {1'000U, 1'000U, 500U}) EXPECT_EQ(next().entries.size(), count);
  client_->allow(networks);
  EXPECT_TRUE(next().first);
  EXPECT_FALSE(next().first);
  EXPECT_FALSE(next().first);
  client_->allow({});
  const Message none = next();
  EXPECT_TRUE(none.first);
  EXPECT_TRUE(none.entries.empty());
  std::optional<std::size_t> listed;
  client_->list([&](const std::vector<FirewallBlock>& all) { listed = all.size(); });
  const Message list = next();
  for (int i = 0; i < 3; ++i)
    say({.type = MessageType::blocks,
         .sequence = list.sequence,
         .entries = {{blocks[0].key, kUntil, 1, EntryResult::good}}});
  done(list);
  ASSERT_TRUE(wait([&] { return listed.has_value(); }));
  EXPECT_EQ(*listed, 3U);
}

TEST_F(EnforcerClientTest, ComesBackAfterTheConnectionWasLost) {
  listen();
  start();
  greet();
  client_->block(std::array{FirewallBlock{{net("192.0.2.1"), 0, 0}, kUntil, 0}});
  hang_up();
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_FALSE(client_->is_connected());
  client_->block(std::array{FirewallBlock{{net("192.0.2.2"), 0, 0}, kUntil, 0}});  // dropped
  greet();
  EXPECT_EQ(connected_, 2);
  EXPECT_EQ(lost_.size(), 1U);
  client_->block(std::array{FirewallBlock{{net("192.0.2.3"), 0, 0}, kUntil, 0}});
  EXPECT_EQ(next().entries.at(0).key.network, net("192.0.2.3"));
}

TEST_F(EnforcerClientTest, NonsenseEndsTheConnection) {
  listen();
  start();
  greet();
  ASSERT_EQ(::send(peer_, "nonsense", 8, MSG_NOSIGNAL), 8);
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_NE(lost_[0].find("cannot be understood"), std::string::npos) << lost_[0];
  hang_up();
  greet();
  say({.type = MessageType::block, .entries = {{{net("192.0.2.1"), 0, 0}, kUntil, 0, EntryResult::good}}});
  ASSERT_TRUE(wait([this] { return lost_.size() == 2; }));
}

TEST_F(EnforcerClientTest, ARefusalIsTold) {
  listen();
  start();
  ASSERT_TRUE(accept());
  const Message hello = next();
  say({.type = MessageType::denied, .sequence = hello.sequence, .text = "you are not the guard"});
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_NE(lost_[0].find("you are not the guard"), std::string::npos);
  EXPECT_EQ(connected_, 0);
}

TEST_F(EnforcerClientTest, AnEnforcerThatDoesNotReadIsLost) {
  listen();
  start();
  greet();
  std::vector<FirewallBlock> blocks(Message::kMostEntries, {{net("192.0.2.1"), 0, 0}, kUntil, 0});
  for (int i = 0; i < 4'000; ++i) client_->block(blocks);
  ASSERT_TRUE(wait([this] { return !lost_.empty(); }));
  EXPECT_NE(lost_[0].find("does not read"), std::string::npos) << lost_[0];
}

TEST_F(EnforcerClientTest, CanBeDestroyedAtAnyTime) {
  start();
  client_.reset();
  loop_.restart();
  loop_.run_for(50ms);
  listen();
  start();
  greet();
  client_->block(std::array{FirewallBlock{{net("192.0.2.1"), 0, 0}, kUntil, 0}});
  client_.reset();
  loop_.restart();
  loop_.run_for(50ms);
  EXPECT_TRUE(in_force_.empty());
}

}  // namespace
}  // namespace tipstaff
