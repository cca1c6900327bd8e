// For the tests of the syslog receiver: one on a real loop that collects what it is given, and senders with real sockets
// on this machine. Nothing sleeps: the loop runs until what is waited for has happened.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sources/listening_socket.h"
#include "sources/syslog_receiver.h"

namespace tipstaff {

inline constexpr Instant kSyslogStart{std::chrono::seconds(1'800'000'000)};

struct Received {
  std::string line;
  bool cut;
  bool untrusted;
  Place place;
  Place next;

  bool operator==(const Received&) const = default;
};

class TestReceiver {
 public:
  explicit TestReceiver(SyslogOptions options, std::optional<SavedPlace> saved = std::nullopt) {
    options.now = [this] { return now; };
    receiver_ = std::make_unique<SyslogReceiver>(std::move(options), std::move(saved));
  }
  explicit TestReceiver(const std::string& listener, std::optional<SavedPlace> saved = std::nullopt)
      : TestReceiver(*parse_syslog_listener(listener), std::move(saved)) {}

  /// Begins; what it said against it is in health().
  SyslogReceiver& start() {
    const auto started = receiver_->start(loop, [this](const Record& record) {
      got.push_back({std::string(record.line), record.cut, record.untrusted, record.place, record.next});
      if (pause_after_each) receiver_->pause(true);
    });
    EXPECT_TRUE(started);
    return *receiver_;
  }
  SyslogReceiver& operator*() { return *receiver_; }
  SyslogReceiver* operator->() { return receiver_.get(); }
  /// The receiver ends; the loop stays.
  void end() { receiver_.reset(); }

  /// Runs the loop until it is so. False: it was not within 20 s.
  [[nodiscard]] bool until(const std::function<bool()>& so) {
    const auto late = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!so()) {
      loop.restart();
      loop.run_one_until(late);
      if (std::chrono::steady_clock::now() >= late) return so();
    }
    return true;
  }
  [[nodiscard]] bool until_got(std::size_t count) {
    return until([&] { return got.size() >= count; });
  }
  /// All that is due now.
  void run_due() {
    loop.restart();
    loop.poll();
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> all;
    for (const Received& one : got) all.push_back(one.line + (one.cut ? "~" : ""));
    return all;
  }

  boost::asio::io_context loop{1};
  Instant now = kSyslogStart;
  std::vector<Received> got;
  bool pause_after_each = false;

 private:
  std::unique_ptr<SyslogReceiver> receiver_;
};

/// A sender to a port or a Unix socket of this machine.
class TestSender {
 public:
  /// `from`: the address it sends from, of 127.0.0.0/8 or ::1.
  static TestSender network(int type, std::uint16_t port, const char* from = "127.0.0.1") {
    sockaddr_storage own{};
    sockaddr_storage to{};
    socklen_t size = 0;
    const bool v4 = ::inet_pton(AF_INET, from, &reinterpret_cast<sockaddr_in&>(own).sin_addr) == 1;
    own.ss_family = to.ss_family = v4 ? AF_INET : AF_INET6;
    if (v4) {
      auto& address = reinterpret_cast<sockaddr_in&>(to);
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof(sockaddr_in);
    } else {
      auto& address = reinterpret_cast<sockaddr_in6&>(to);
      address.sin6_port = htons(port);
      address.sin6_addr = reinterpret_cast<sockaddr_in6&>(own).sin6_addr = in6addr_loopback;
      size = sizeof(sockaddr_in6);
    }
    TestSender made(::socket(to.ss_family, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(made.get(), reinterpret_cast<sockaddr*>(&own), size), 0);
    EXPECT_EQ(::connect(made.get(), reinterpret_cast<sockaddr*>(&to), size), 0) << errno;
    return made;
  }
  static TestSender tcp(std::uint16_t port) { return network(SOCK_STREAM, port); }
  static TestSender unix_socket(int type, const std::string& path) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof(to.sun_path) - 1);
    TestSender made(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(made.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0) << errno;
    return made;
  }

  [[nodiscard]] int get() const { return socket_.get(); }
  void send(const std::string& bytes) const {
    EXPECT_EQ(::send(get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// It sends nothing more.
  void finish() const { ::shutdown(get(), SHUT_WR); }
  /// The receiver has ended the connection.
  [[nodiscard]] bool is_closed() const {
    char byte = 0;
    const ssize_t size = ::recv(get(), &byte, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }

 private:
  explicit TestSender(int descriptor) : socket_(descriptor) {}

  OwnedDescriptor socket_;
};

}  // namespace tipstaff
