// The control socket: questions are answered, strangers cannot hold it up, dead sockets are replaced, living ones are not.
// Who the askers are is made up: the n-th connection has the n-th of the peers given, the last of them for all others.
#include "control/control_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/run.h"

namespace tipstaff {
namespace {

const Peer kRoot{0, {}, "root", Role::admin};
const Peer kViewer{1'001, {}, "victor", Role::view};
const Peer kStranger{1'002, {}, "nobody", Role::none};

// A loop with a control socket, running on a thread of its own.
class Served {
 public:
  explicit Served(const std::string& path, std::vector<Peer> peers = {kRoot}, std::size_t long_answer = 0) {
    auto opened = ControlSocket::open(
        loop_, path,
        [peers, next = std::size_t{0}](int) mutable -> Result<Peer> {
          return peers[std::min(next++, peers.size() - 1)];
        },
        [long_answer](const Peer& peer, std::string_view line) {
          if (long_answer > 0) return std::string(long_answer, 'x');
          return peer.name + " said " + std::string(line);
        });
    EXPECT_TRUE(opened.has_value()) << (opened ? std::string() : opened.error().message());
    if (opened) socket_ = std::move(*opened);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Served() {
    loop_.stop();
    thread_.join();
  }

 private:
  boost::asio::io_context loop_{1};
  std::unique_ptr<ControlSocket> socket_;
  std::thread thread_;
};

int connect_to(const std::string& path) {
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  EXPECT_EQ(::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return file;
}

TEST(ControlSocket, AnswersALine) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "run/control.sock").string();
  const Served served(path);
  for (int i = 0; i < 50; ++i) {
    const auto answer = ask_guard(path, "hello");
    ASSERT_TRUE(answer.has_value()) << answer.error().message();
    EXPECT_EQ(*answer, "root said hello");
  }
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0666U);
}

TEST(ControlSocket, ALongQuestionIsCutOff) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  const Served served(path);
  const auto answer = ask_guard(path, std::string(2 * ControlSocket::kLongestAsk, 'x'));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ErrorKind::unavailable);
  EXPECT_TRUE(ask_guard(path, "still there?").has_value());
}

// What comes until the connection ends.
std::string rest_of(int file) {
  std::string all;
  char buffer[512];
  for (ssize_t size = 0; (size = ::recv(file, buffer, sizeof buffer, 0)) > 0;)
    all.append(buffer, static_cast<std::size_t>(size));
  return all;
}

constexpr const char* kTurnedAway =
    "{\"ok\":false,\"error\":{\"kind\":\"unavailable\",\"message\":\"too many ask at this moment; try again\"}}\n";

// So many connections of the peer that say nothing; then one of `next`, and what it is told.
std::string after_silent(const std::string& path, std::size_t count) {
  std::vector<int> silent;
  for (std::size_t i = 0; i < count; ++i) silent.push_back(connect_to(path));
  const int more = connect_to(path);
  EXPECT_EQ(::send(more, "hello\n", 6, MSG_NOSIGNAL), 6);
  const std::string told = rest_of(more);
  ::close(more);
  for (const int file : silent) ::close(file);
  return told;
}

TEST(ControlSocket, AskersWhoSayNothingDoNotAddUp) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  const Served served(path);
  EXPECT_EQ(after_silent(path, ControlSocket::kMostAskers), kTurnedAway);
}

TEST(ControlSocket, OneUserCannotTakeAllPlaces) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  {
    const Served served(path, {kViewer});
    EXPECT_EQ(after_silent(path, ControlSocket::kMostOfUser), kTurnedAway);
  }
  std::vector<Peer> peers(ControlSocket::kMostOfUser + 40, kViewer);
  peers.push_back(kRoot);
  const Served served(path, peers);
  EXPECT_EQ(after_silent(path, peers.size() - 1), "root said hello\n");
}

TEST(ControlSocket, StrangersHaveFewPlacesTogether) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  std::vector<Peer> peers;
  for (std::size_t i = 0; i < ControlSocket::kMostStrangers; ++i) {
    peers.push_back(kStranger);
    peers.back().user += static_cast<uid_t>(i);
  }
  {
    std::vector<Peer> all = peers;
    all.push_back({2'000, {}, "another", Role::none});
    const Served served(path, all);
    EXPECT_EQ(after_silent(path, peers.size()), kTurnedAway);
  }
  std::vector<Peer> all = peers;
  all.push_back(kViewer);
  const Served served(path, all);
  EXPECT_EQ(after_silent(path, peers.size()), "victor said hello\n");
}

TEST(ControlSocket, AnswersThatNobodyTakesAreBounded) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  const Served served(path, {kRoot}, ControlSocket::kMostWaiting / 2 - 2);
  const auto whole = ask_guard(path, "hello");
  ASSERT_TRUE(whole.has_value()) << whole.error().message();
  EXPECT_EQ(whole->size(), ControlSocket::kMostWaiting / 2 - 2);
  std::vector<int> slow;
  for (int i = 0; i < 2; ++i) {
    slow.push_back(connect_to(path));
    EXPECT_EQ(::send(slow.back(), "hello\n", 6, MSG_NOSIGNAL), 6);
    char byte = 0;
    EXPECT_EQ(::recv(slow.back(), &byte, 1, 0), 1) << "its answer is under way";
  }
  const auto third = ask_guard(path, "hello");
  ASSERT_TRUE(third.has_value()) << third.error().message();
  EXPECT_EQ(*third + "\n", kTurnedAway);
  for (const int file : slow) ::close(file);
}

TEST(ControlSocket, ADeadSocketIsReplacedALivingOneIsNot) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  {
    const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(dead);
  }
  const Served served(path);
  boost::asio::io_context loop;
  const auto second = ControlSocket::open(
      loop, path, [](int) -> Result<Peer> { return kRoot; },
      [](const Peer&, std::string_view) { return std::string(); });
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_TRUE(ask_guard(path, "hello").has_value()) << "the first one answers as before";
}

TEST(ControlSocket, NobodyThere) {
  const TemporaryFolder folder;
  const auto answer = ask_guard((folder.path() / "control.sock").string(), "hello");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace tipstaff
