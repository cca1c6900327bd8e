// The control socket: questions are answered, strangers cannot hold it up, dead sockets are replaced, living ones are not.
#include "control/control_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <thread>

#include "tests/run.h"

namespace tipstaff {
namespace {

// A loop with a control socket, running on a thread of its own.
class Served {
 public:
  explicit Served(const std::string& path) {
    auto opened =
        ControlSocket::open(loop_, path, [](std::string_view line) { return "you said " + std::string(line); });
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
    EXPECT_EQ(*answer, "you said hello");
  }
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0660U);
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

TEST(ControlSocket, AskersWhoSayNothingDoNotAddUp) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "control.sock").string();
  const Served served(path);
  std::vector<int> silent;
  for (std::size_t i = 0; i < ControlSocket::kMostAskers; ++i) silent.push_back(connect_to(path));
  // one more is closed at once, without an answer
  const int more = connect_to(path);
  char byte = 0;
  EXPECT_EQ(::recv(more, &byte, 1, 0), 0);
  ::close(more);
  for (const int file : silent) ::close(file);
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
  const auto second = ControlSocket::open(loop, path, [](std::string_view) { return std::string(); });
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
