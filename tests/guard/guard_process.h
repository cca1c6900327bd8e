// A guard as a process of its own, that can be killed. It has a ledger, a configuration and a log in one folder; and the
// ear of its service manager.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace tipstaff {

/// Hears what guards tell their service manager.
class ServiceManager {
 public:
  explicit ServiceManager(std::string path) : path_(std::move(path)) {
    ::unlink(path_.c_str());
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ~ServiceManager() { ::close(socket_); }
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// The next message; empty if none comes for 30 s.
  [[nodiscard]] std::string told() const {
    pollfd ready{socket_, POLLIN, 0};
    char buffer[1024];
    if (::poll(&ready, 1, 30'000) <= 0) return {};
    const ssize_t size = ::recv(socket_, buffer, sizeof buffer, 0);
    return size < 0 ? std::string() : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  std::string path_;
  int socket_ = -1;
};

class GuardProcess {
 public:
  /// Starts `binary guard --config CONFIG`; what it says is added to the file `log`. `failpoint` and `notify`, the path
  /// of its service manager's socket, may be empty.
  GuardProcess(const std::string& binary, const std::string& config, const std::string& log,
               const std::string& failpoint = {}, const std::string& notify = {})
      : GuardProcess(std::vector<std::string>{binary, "guard", "--config", config}, log, failpoint, notify) {}
  /// Another program in the background.
  GuardProcess(std::vector<std::string> arguments, const std::string& log, const std::string& failpoint = {},
               const std::string& notify = {}) {
    const std::string binary = arguments.front();
    std::vector<std::string> variables = {"TZ=UTC"};
    if (!notify.empty()) variables.push_back("NOTIFY_SOCKET=" + notify);
    if (!failpoint.empty()) variables.push_back("TIPSTAFF_FAILPOINT=" + failpoint);
    const auto pointers = [](std::vector<std::string>& texts) {
      std::vector<char*> all;
      for (auto& text : texts) all.push_back(text.data());
      all.push_back(nullptr);
      return all;
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    const int failed =
        posix_spawn(&child_, binary.c_str(), &actions, nullptr, pointers(arguments).data(), pointers(variables).data());
    posix_spawn_file_actions_destroy(&actions);
    EXPECT_EQ(failed, 0) << binary << " cannot be started";
    if (failed != 0) child_ = -1;
  }
  ~GuardProcess() {
    if (child_ > 0) end(SIGKILL);
  }
  GuardProcess(const GuardProcess&) = delete;
  GuardProcess& operator=(const GuardProcess&) = delete;

  [[nodiscard]] pid_t number() const { return child_; }

  /// Its wait status if it has ended, or ends within `limit`.
  [[nodiscard]] std::optional<int> ended(std::chrono::milliseconds limit = {}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (child_ > 0) {
      if (waitpid(child_, &status_, WNOHANG) == child_) child_ = -1;
      if (child_ < 0 || std::chrono::steady_clock::now() >= until) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (child_ > 0) return std::nullopt;
    return status_;
  }

  /// Sends the signal and waits, 30 s at most. Gives the wait status.
  int end(int signal) {
    if (child_ > 0) kill(child_, signal);
    if (ended(std::chrono::seconds(30))) return status_;
    ADD_FAILURE() << "the guard does not end after signal " << signal;
    kill(child_, SIGKILL);
    waitpid(std::exchange(child_, -1), &status_, 0);
    return status_;
  }

 private:
  pid_t child_ = -1;
  int status_ = 0;
};

}  // namespace tipstaff
