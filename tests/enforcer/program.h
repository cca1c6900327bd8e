// tipstaff-enforcer as it is run, and a guard's end of its socket that can also say what no guard would.
#pragma once

#include <sys/prctl.h>
#include <sys/un.h>

#include <csignal>
#include <deque>
#include <optional>

#include "enforce/message.h"
#include "tests/enforcer/network.h"

namespace tipstaff {

class EnforcerPeer {
 public:
  /// Connects; as another user where one is given. Without hello nothing but that is said.
  explicit EnforcerPeer(const std::string& path, bool wants_events = true, bool hello = true,
                        std::optional<uid_t> user = std::nullopt)
      : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
    if (user && ::seteuid(*user) != 0) ADD_FAILURE() << "seteuid: " << std::strerror(errno);
    connected_ = ::connect(socket_.file(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (user && ::seteuid(0) != 0) std::abort();
    if (connected_ && hello) {
      EXPECT_EQ(ask({.type = MessageType::hello, .events = wants_events}).type, MessageType::done);
    }
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int file() const { return socket_.file(); }

  bool send_bytes(std::string_view bytes) {
    return ::send(socket_.file(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
  }
  bool send(const Message& message) { return send_bytes(encode(message)); }

  /// The next message; none: the connection is over, or nothing came.
  std::optional<Message> receive(std::chrono::milliseconds patience = kPatience) {
    if (!socket_.waits(POLLIN, patience)) return std::nullopt;
    std::string packet(kMostPacket, '\0');
    const ssize_t size = ::recv(socket_.file(), packet.data(), packet.size(), 0);
    if (size <= 0) return std::nullopt;
    packet.resize(static_cast<std::size_t>(size));
    auto message = decode(packet);
    EXPECT_TRUE(message) << message.error().message();
    if (!message) return std::nullopt;
    return std::move(*message);
  }
  /// Sends it and waits for its answer; events that come meanwhile are kept.
  Message ask(Message message) {
    message.sequence = ++sequence_;
    EXPECT_TRUE(send(message)) << std::strerror(errno);
    while (const auto got = receive()) {
      if (got->type == MessageType::ended || got->type == MessageType::repaired) {
        events.push_back(*got);
      } else if (got->type == MessageType::blocks) {
        listed_.insert(listed_.end(), got->entries.begin(), got->entries.end());
      } else {
        EXPECT_EQ(got->sequence, sequence_);
        return *got;
      }
    }
    ADD_FAILURE() << "no answer";
    return {};
  }
  std::vector<Entry> list() {
    listed_.clear();
    EXPECT_EQ(ask({.type = MessageType::list}).type, MessageType::done);
    return std::move(listed_);
  }
  /// The block as it stands; none: it does not.
  std::optional<Entry> find(const BlockKey& key) {
    for (const Entry& entry : list()) {
      if (entry.key == key) return entry;
    }
    return std::nullopt;
  }
  std::uint64_t dropped(const BlockKey& key) {
    const auto found = find(key);
    return found ? found->dropped : 0;
  }
  /// Waits for an event of this type.
  std::optional<Message> event(MessageType type) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      for (auto at = events.begin(); at != events.end(); ++at) {
        if (at->type != type) continue;
        const Message found = *at;
        events.erase(at);
        return found;
      }
      const auto got = receive();
      if (!got || std::chrono::steady_clock::now() > end) return std::nullopt;
      events.push_back(*got);
    }
  }

  std::deque<Message> events;

 private:
  Socket socket_;
  bool connected_ = false;
  std::uint32_t sequence_ = 0;
  std::vector<Entry> listed_;
};

class EnforcerProgram {
 public:
  /// Starts it there and waits until it listens.
  explicit EnforcerProgram(const Network& network, std::vector<std::string> options = {}) : network_(network) {
    allowlist_ = folder_.path() / "allowlist";
    options_ = std::move(options);
    start();
  }
  ~EnforcerProgram() {
    if (process_ > 0) end(SIGTERM);
    if (testing::Test::HasFailure()) ADD_FAILURE() << "the enforcer said:\n" << said();
  }
  EnforcerProgram(const EnforcerProgram&) = delete;
  EnforcerProgram& operator=(const EnforcerProgram&) = delete;

  void start() {
    const Network::Inside inside(network_);
    std::vector<std::string> words{
        TIPSTAFF_ENFORCER_BINARY, "--socket", socket(), "--allowlist", allowlist_, "--user", "65534"};
    words.insert(words.end(), options_.begin(), options_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string err = folder_.path() / "err";
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const int file = ::open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(file, STDERR_FILENO);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    // it takes over before it serves, so an answer means that it is ready
    ASSERT_TRUE(comes_true([&] {
      int status = 0;
      if (::waitpid(process_, &status, WNOHANG) == process_) process_ = -1;
      return process_ < 0 || EnforcerPeer(socket(), false, false).connected();
    }));
    ASSERT_GT(process_, 0) << "it ended: " << said();
    EXPECT_TRUE(EnforcerPeer(socket(), false).connected());
  }
  /// Gives its exit code, or minus the signal that ended it.
  int end(int signal) {
    ::kill(process_, signal);
    int status = 0;
    EXPECT_EQ(::waitpid(process_, &status, 0), process_);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  [[nodiscard]] bool is_running() const { return ::waitpid(process_, nullptr, WNOHANG) == 0; }
  void signal(int number) const { ::kill(process_, number); }
  [[nodiscard]] std::string socket() const { return folder_.path() / "socket"; }
  [[nodiscard]] const std::string& allowlist() const { return allowlist_; }
  [[nodiscard]] std::string said() const { return read_file(folder_.path() / "err"); }
  [[nodiscard]] pid_t process() const { return process_; }
  /// Kilobytes of memory, as /proc has it under this name ("VmRSS").
  [[nodiscard]] long memory(const std::string& name) const {
    const std::string status = read_file("/proc/" + std::to_string(process_) + "/status");
    const std::size_t at = status.find(name + ":");
    return at == std::string::npos ? -1 : std::stol(status.substr(at + name.size() + 1));
  }

 private:
  const Network& network_;
  TemporaryFolder folder_;
  std::string allowlist_;
  std::vector<std::string> options_;
  pid_t process_ = -1;
};

// --- words for messages ------------------------------------------------------------------------------------------------

[[nodiscard]] inline BlockKey key_of(const std::string& network, std::uint8_t protocol = 0, std::uint16_t port = 0) {
  return {IpNetwork::parse(network).value(), protocol, port};
}
[[nodiscard]] inline Instant from_now(std::chrono::milliseconds time) {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) + time;
}
[[nodiscard]] inline Message block_message(const std::vector<BlockKey>& keys, Instant until = kForever) {
  Message message{.type = MessageType::block};
  for (const BlockKey& key : keys) message.entries.push_back({.key = key, .until = until});
  return message;
}
[[nodiscard]] inline Message unblock_message(const std::vector<BlockKey>& keys) {
  Message message = block_message(keys);
  message.type = MessageType::unblock;
  return message;
}
/// Hosts of 10.0.0.0/8, which no test's machine has.
[[nodiscard]] inline std::vector<BlockKey> many_hosts(unsigned from, unsigned count) {
  std::vector<BlockKey> keys;
  for (unsigned i = 0; i < count; ++i) keys.push_back({IpNetwork(IpAddress::v4(0x0a00'0000 + from + i), 32)});
  return keys;
}
/// Sets so many blocks; gives how long it took.
inline std::chrono::milliseconds block_many(EnforcerPeer& peer, unsigned count, Instant until = kForever) {
  const auto began = std::chrono::steady_clock::now();
  for (unsigned at = 0; at < count; at += Message::kMostEntries) {
    const auto part = std::min<unsigned>(Message::kMostEntries, count - at);
    EXPECT_TRUE(peer.ask(block_message(many_hosts(at, part), until)).entries.empty());
  }
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
}

}  // namespace tipstaff
