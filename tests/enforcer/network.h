// Networks of a test's own: namespaces, joined by veth pairs, and TCP and UDP between them. Nothing leaves them. A namespace
// that cannot be made fails the test. Needs root.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/run.h"

namespace tipstaff {

/// How long a loaded machine may take for what should happen at once.
inline constexpr std::chrono::seconds kPatience{30};

/// Asks again and again until it holds; false: it never did.
template <class Condition>
bool comes_true(const Condition& condition, std::chrono::milliseconds patience = kPatience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

/// A network namespace; it goes with the object, and with the sockets in it.
class Network {
 public:
  Network() {
    const int back = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (::unshare(CLONE_NEWNET) != 0) ADD_FAILURE() << "no network namespace: " << std::strerror(errno);
    file_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (back < 0 || ::setns(back, CLONE_NEWNET) != 0) ADD_FAILURE() << "no way back: " << std::strerror(errno);
    ::close(back);
    ip("link set lo up");
  }
  ~Network() { ::close(file_); }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// What this thread does and starts while it lives, it does there.
  class Inside {
   public:
    explicit Inside(const Network& network) : back_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
      if (::setns(network.file_, CLONE_NEWNET) != 0) ADD_FAILURE() << "no way in: " << std::strerror(errno);
    }
    ~Inside() {
      if (::setns(back_, CLONE_NEWNET) != 0) std::abort();
      ::close(back_);
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    int back_;
  };

  /// Runs a program there, its arguments divided by spaces; it must succeed. Gives what it printed.
  std::string command(const std::string& line) const {
    std::vector<std::string> words;
    for (std::size_t at = 0; at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      words.push_back(line.substr(at, end - at));
      at = end + 1;
    }
    const Inside inside(*this);
    const Said said = run(words);
    EXPECT_EQ(said.code, 0) << line << ": " << said.err;
    return said.out;
  }
  void ip(const std::string& arguments) const { command("ip " + arguments); }
  /// Gives nft(8) a script.
  void nft(const std::string& script) const {
    const Inside inside(*this);
    const Said said = run({"nft", "-f", "-"}, {.input = script});
    EXPECT_EQ(said.code, 0) << said.err;
  }
  void forwards() const {
    const Inside inside(*this);
    write_file("/proc/sys/net/ipv4/ip_forward", "1");
    write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  }
  /// A path that ip(8) takes for this namespace.
  [[nodiscard]] std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_);
  }

 private:
  int file_ = -1;
};

/// A cable between two networks; the addresses with their prefix length, any number on each end.
inline void join(const Network& a, const std::string& name_a, const std::vector<std::string>& addresses_a,
                 const Network& b, const std::string& name_b, const std::vector<std::string>& addresses_b) {
  a.ip("link add " + name_a + " type veth peer name " + name_b + " netns " + b.path());
  const auto set_up = [](const Network& network, const std::string& name, const std::vector<std::string>& addresses) {
    network.ip("link set " + name + " up");
    for (const std::string& address : addresses)
      network.ip("address add " + address + " dev " + name + (address.contains(':') ? " nodad" : ""));
  };
  set_up(a, name_a, addresses_a);
  set_up(b, name_b, addresses_b);
}

/// A socket that is closed with the object.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int file) : file_(file) {}
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~Socket() {
    if (file_ >= 0) ::close(file_);
  }
  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] bool waits(short events, std::chrono::milliseconds time) const {
    pollfd waiting{file_, events, 0};
    return ::poll(&waiting, 1, static_cast<int>(time.count())) == 1;
  }

 private:
  int file_ = -1;
};

namespace detail {
inline std::pair<sockaddr_storage, socklen_t> socket_address(const std::string& text, std::uint16_t port) {
  sockaddr_storage storage{};
  auto* const four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, text.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    return {storage, sizeof *four};
  }
  if (::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr) != 1) ADD_FAILURE() << "no address: " << text;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  return {storage, sizeof *six};
}
}  // namespace detail

/// A bound socket: a TCP listener, whose connections the kernel takes by itself, or UDP.
inline Socket listen_at(const Network& network, const std::string& address, std::uint16_t port,
                        int type = SOCK_STREAM) {
  const Network::Inside inside(network);
  const auto [where, size] = detail::socket_address(address, port);
  Socket made(::socket(where.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(made.file(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  EXPECT_EQ(::bind(made.file(), reinterpret_cast<const sockaddr*>(&where), size), 0) << address << std::strerror(errno);
  if (type == SOCK_STREAM) {
    EXPECT_EQ(::listen(made.file(), 64), 0);
  }
  return made;
}

/// Begins a TCP connection from one of the network's addresses.
inline Socket begin_connection(const Network& network, const std::string& from, const std::string& to,
                               std::uint16_t port) {
  const Network::Inside inside(network);
  const auto [own, own_size] = detail::socket_address(from, 0);
  Socket made(::socket(own.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  EXPECT_EQ(::bind(made.file(), reinterpret_cast<const sockaddr*>(&own), own_size), 0) << from << std::strerror(errno);
  const auto [where, size] = detail::socket_address(to, port);
  const int done = ::connect(made.file(), reinterpret_cast<const sockaddr*>(&where), size);
  EXPECT_TRUE(done == 0 || errno == EINPROGRESS) << to << ": " << std::strerror(errno);
  return made;
}

inline bool is_connected(const Socket& socket, std::chrono::milliseconds patience) {
  if (!socket.waits(POLLOUT, patience)) return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.file(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0;
}

/// Whether a TCP connection comes to stand; a SYN that was lost is sent again after a second.
inline bool connects(const Network& network, const std::string& from, const std::string& to, std::uint16_t port,
                     std::chrono::milliseconds patience = kPatience) {
  return is_connected(begin_connection(network, from, to, port), patience);
}

/// attacker -- host -- server: the host forwards, and on each port host and server listen. The attacker has the addresses
/// 198.51.100.2 to .11 and 2001:db8:1::2 and ::3; the host 198.51.100.1 and 2001:db8:1::1; the server 192.0.2.2 and
/// 2001:db8:2::2.
class AttackedNetworks {
 public:
  Network attacker;
  Network host;
  Network server;

  explicit AttackedNetworks(const std::vector<std::uint16_t>& ports) {
    std::vector<std::string> attackers{"2001:db8:1::2/64", "2001:db8:1::3/64"};
    for (int i = 2; i < 12; ++i) attackers.push_back("198.51.100." + std::to_string(i) + "/24");
    join(attacker, "a0", attackers, host, "h0", {"198.51.100.1/24", "2001:db8:1::1/64"});
    join(host, "h1", {"192.0.2.1/24", "2001:db8:2::1/64"}, server, "s0", {"192.0.2.2/24", "2001:db8:2::2/64"});
    host.forwards();
    attacker.ip("route add default via 198.51.100.1");
    attacker.ip("-6 route add default via 2001:db8:1::1");
    server.ip("route add default via 192.0.2.1");
    server.ip("-6 route add default via 2001:db8:2::1");
    for (const std::uint16_t port : ports) {
      listeners_.push_back(listen_at(host, "0.0.0.0", port));
      listeners_.push_back(listen_at(server, "0.0.0.0", port));
      listeners_.push_back(listen_at(host, "2001:db8:1::1", port));
      listeners_.push_back(listen_at(server, "2001:db8:2::2", port));
    }
  }

  bool passes(const std::string& from, const std::string& to, std::uint16_t port) const {
    return connects(attacker, from, to, port);
  }

 private:
  std::vector<Socket> listeners_;
};

}  // namespace tipstaff
