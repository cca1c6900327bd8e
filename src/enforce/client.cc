#include "enforce/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace tipstaff {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstPause{20};
constexpr milliseconds kLongestPause{1'000};
constexpr milliseconds kLook{2'000};         // how often it is looked whether answers come
constexpr milliseconds kPatience{15'000};    // an answer may take so long
constexpr std::size_t kMostWaiting = 2'048;  // packets: two million entries
constexpr std::size_t kReadsAtOnce = 64;     // before other work of the loop has its turn

}  // namespace

struct EnforcerClient::State : std::enable_shared_from_this<State> {
  State(asio::io_context& loop, std::string path_, Handlers handlers_)
      : socket(loop), retry(loop), look(loop), path(std::move(path_)), handlers(std::move(handlers_)) {}

  // What an answer is awaited for.
  struct Asked {
    MessageType type;
    std::vector<BlockKey> keys;           // of block
    std::vector<FirewallBlock> standing;  // of list, so far
    std::function<void(std::vector<FirewallBlock>)> answer;
    Clock::time_point at;
  };

  // --- connecting ---

  void connect() {
    if (ended) return;
    const int file = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0) return failed(ErrorKind::unavailable, fmt::format("no socket can be made: {}", std::strerror(errno)));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    if (::connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      const int why = errno;
      ::close(file);
      if (why == ENOENT || why == ECONNREFUSED)
        return failed(ErrorKind::not_found, "the enforcer is not there; is tipstaff-enforcer running?");
      return failed(why == EACCES || why == EPERM ? ErrorKind::denied : ErrorKind::unavailable,
                    fmt::format("the enforcer cannot be reached: {}", std::strerror(why)));
    }
    socket.assign(file);
    open = true;
    wait_for_packets();
    look_at_answers();
    Message hello;
    hello.type = MessageType::hello;
    hello.events = true;
    ask(std::move(hello), {});
    ask_list([this](std::vector<FirewallBlock> standing) {
      connected = true;
      pause = kFirstPause;
      told_lost = false;
      if (handlers.connected) handlers.connected(std::move(standing));
    });
  }

  void failed(ErrorKind kind, std::string why) {
    if (!std::exchange(told_lost, true) && handlers.lost) handlers.lost({kind, std::move(why), path});
    retry.expires_after(pause);
    pause = std::min(pause * 2, kLongestPause);
    retry.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->connect();
    });
  }

  // From anywhere; `lost` is told from the loop.
  void lose(ErrorKind kind, std::string why) {
    if (!open) return;
    boost::system::error_code ignored;
    socket.close(ignored);
    look.cancel();
    open = connected = writing = false;
    waiting.clear();
    asked.clear();
    failure = Error{kind, std::move(why), path};
    retry.expires_after(milliseconds(0));
    retry.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || !self->failure) return;
      const Error what = *std::exchange(self->failure, std::nullopt);
      self->failed(what.kind, what.text);
    });
  }

  void look_at_answers() {
    look.expires_after(kLook);
    look.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || !self->open) return;
      if (!self->asked.empty() && Clock::now() - self->asked.begin()->second.at > kPatience)
        return self->lose(ErrorKind::unavailable, "the enforcer does not answer");
      self->look_at_answers();
    });
  }

  // --- sending ---

  void ask(Message message, Asked about) {
    if (!open) return;
    message.sequence = ++sequence;
    about.type = message.type;
    about.at = Clock::now();
    asked.emplace(sequence, std::move(about));
    waiting.push_back(encode(message));
    if (waiting.size() > kMostWaiting)
      return lose(ErrorKind::unavailable, "the enforcer does not read what it is sent");
    if (!writing) write();
  }

  void ask_list(std::function<void(std::vector<FirewallBlock>)> answer) {
    Message message;
    message.type = MessageType::list;
    Asked about{};
    about.answer = std::move(answer);
    ask(std::move(message), std::move(about));
  }

  void write() {
    while (!waiting.empty()) {
      const std::string& next = waiting.front();
      const ssize_t sent = ::send(socket.native_handle(), next.data(), next.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent >= 0) {
        waiting.pop_front();
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != ENOBUFS)
        return lose(ErrorKind::unavailable, fmt::format("the enforcer went away: {}", std::strerror(errno)));
      writing = true;
      socket.async_wait(asio::posix::stream_descriptor::wait_write,
                        [weak = weak_from_this()](const boost::system::error_code& error) {
                          const auto self = weak.lock();
                          if (!self || error || !self->open) return;
                          self->writing = false;
                          self->write();
                        });
      return;
    }
  }

  // --- receiving ---

  void wait_for_packets() {
    socket.async_wait(asio::posix::stream_descriptor::wait_read,
                      [weak = weak_from_this()](const boost::system::error_code& error) {
                        const auto self = weak.lock();
                        if (!self || error || !self->open) return;
                        self->read();
                      });
  }

  void read() {
    for (std::size_t i = 0; i < kReadsAtOnce; ++i) {
      const ssize_t got = ::recv(socket.native_handle(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) {
        return lose(ErrorKind::unavailable, got == 0 ? std::string("the enforcer closed the connection")
                                                     : fmt::format("the enforcer went away: {}", std::strerror(errno)));
      }
      if (static_cast<std::size_t>(got) > packet.size())
        return lose(ErrorKind::invalid, "the enforcer sent a packet that is too long");
      auto message = decode({packet.data(), static_cast<std::size_t>(got)});
      if (!message) return lose(ErrorKind::invalid, "the enforcer cannot be understood: " + message.error().text);
      take(std::move(*message));
      if (!open) return;
    }
    wait_for_packets();
  }

  void take(Message message) {
    switch (message.type) {
      case MessageType::ended:
        if (handlers.ended) handlers.ended(message.entries);
        return;
      case MessageType::repaired:
        if (handlers.repaired) handlers.repaired(message.text);
        return;
      case MessageType::blocks: {
        const auto about = asked.find(message.sequence);
        if (about == asked.end() || about->second.type != MessageType::list) return;
        about->second.at = Clock::now();
        for (const Entry& entry : message.entries)
          about->second.standing.push_back({entry.key, entry.until, entry.dropped});
        return;
      }
      case MessageType::denied:
      case MessageType::done:
        return answered(std::move(message));
      default:
        return lose(ErrorKind::invalid, "the enforcer asks instead of answering");
    }
  }

  void answered(Message message) {
    auto found = asked.extract(message.sequence);
    if (found.empty()) {
      if (message.type == MessageType::denied && handlers.problem)
        handlers.problem({ErrorKind::denied, "the enforcer refuses: " + message.text, path});
      return;
    }
    Asked& about = found.mapped();
    if (message.type == MessageType::denied) {
      if (about.type == MessageType::hello || about.type == MessageType::list)
        return lose(ErrorKind::denied, "the enforcer refuses: " + message.text);
      if (handlers.problem) handlers.problem({ErrorKind::denied, "the enforcer refuses: " + message.text, path});
      return;
    }
    if (about.type == MessageType::list) {
      about.answer(std::move(about.standing));
    } else if (about.type == MessageType::block) {
      for (const Entry& entry : message.entries) std::erase(about.keys, entry.key);
      if (!about.keys.empty() && handlers.in_force) handlers.in_force(about.keys);
      if (!message.entries.empty() && handlers.refused) handlers.refused(message.entries);
    } else if (about.type == MessageType::unblock) {
      std::erase_if(message.entries, [](const Entry& entry) { return entry.result != EntryResult::good; });
      if (!message.entries.empty() && handlers.ended) handlers.ended(message.entries);
    } else if (about.type == MessageType::allow && !message.entries.empty() && handlers.problem) {
      handlers.problem({ErrorKind::unavailable,
                        fmt::format("the enforcer did not take {} exempt networks, the first is {}",
                                    message.entries.size(), message.entries.front().key.network.to_string()),
                        path});
    }
  }

  asio::posix::stream_descriptor socket;
  asio::steady_timer retry;
  asio::steady_timer look;
  std::string path;
  Handlers handlers;
  bool ended = false;
  bool open = false;       // there is a connection
  bool connected = false;  // and it has said what stands
  bool writing = false;    // waits until the socket takes more
  bool told_lost = false;
  milliseconds pause = kFirstPause;
  std::optional<Error> failure;  // to be told
  std::uint32_t sequence = 0;
  std::map<std::uint32_t, Asked> asked;
  std::deque<std::string> waiting;
  std::array<char, kMostPacket> packet{};
};

EnforcerClient::EnforcerClient(asio::io_context& loop, std::string path, Handlers handlers)
    : state_(std::make_shared<State>(loop, std::move(path), std::move(handlers))) {}

EnforcerClient::~EnforcerClient() {
  state_->ended = true;
  state_->open = false;
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  state_->retry.cancel();
  state_->look.cancel();
}

void EnforcerClient::start() {
  state_->retry.expires_after(milliseconds(0));
  state_->retry.async_wait([weak = std::weak_ptr(state_)](const boost::system::error_code& error) {
    if (const auto self = weak.lock(); self && !error) self->connect();
  });
}

bool EnforcerClient::is_connected() const { return state_->connected; }

void EnforcerClient::block(std::span<const FirewallBlock> blocks) {
  if (!state_->connected) return;
  for (; !blocks.empty(); blocks = blocks.subspan(std::min(blocks.size(), Message::kMostEntries))) {
    Message message;
    message.type = MessageType::block;
    State::Asked about{};
    for (const FirewallBlock& block : blocks.first(std::min(blocks.size(), Message::kMostEntries))) {
      message.entries.push_back({block.key, block.until, 0, EntryResult::good});
      about.keys.push_back(block.key);
    }
    state_->ask(std::move(message), std::move(about));
  }
}

void EnforcerClient::unblock(std::span<const BlockKey> keys) {
  if (!state_->connected) return;
  for (; !keys.empty(); keys = keys.subspan(std::min(keys.size(), Message::kMostEntries))) {
    Message message;
    message.type = MessageType::unblock;
    for (const BlockKey& key : keys.first(std::min(keys.size(), Message::kMostEntries)))
      message.entries.push_back({key, {}, 0, EntryResult::good});
    state_->ask(std::move(message), {});
  }
}

void EnforcerClient::allow(std::span<const IpNetwork> networks) {
  if (!state_->connected) return;
  bool first = true;
  while (first || !networks.empty()) {
    Message message;
    message.type = MessageType::allow;
    message.first = std::exchange(first, false);
    const std::size_t count = std::min(networks.size(), Message::kMostEntries);
    for (const IpNetwork& network : networks.first(count))
      message.entries.push_back({{network, 0, 0}, {}, 0, EntryResult::good});
    networks = networks.subspan(count);
    state_->ask(std::move(message), {});
  }
}

void EnforcerClient::list(std::function<void(std::vector<FirewallBlock>)> answer) {
  if (state_->connected) state_->ask_list(std::move(answer));
}

}  // namespace tipstaff
