// See syslog_receiver.h. The listening socket is waited for by Asio and served by plain system calls: these tell of
// datagrams that were cut or dropped, which Asio's do not. A wake takes a bounded share, then other sources have theirs.
#include "sources/syslog_receiver.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "sources/listening_socket.h"
#include "sources/peer_rates.h"
#include "sources/syslog_connection.h"

namespace tipstaff {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kDatagramsOfWake = 64;
constexpr int kConnectionsOfWake = 16;
constexpr std::chrono::seconds kOutOfDescriptors{1};  // accepting rests for so long

// The guard keeps 44 bits of a place's offset, so a number of 64 bits is divided there.
constexpr unsigned kOffsetBits = 44;
constexpr std::uint64_t kOffsetMask = (1ULL << kOffsetBits) - 1;

Place to_place(std::uint64_t number) { return {number >> kOffsetBits, number & kOffsetMask}; }
std::uint64_t to_number(Place place) { return place.generation << kOffsetBits | (place.offset & kOffsetMask); }

std::uint64_t microseconds(Instant time) {
  return static_cast<std::uint64_t>(std::max<Instant::rep>(time.time_since_epoch().count(), 0));
}

Instant system_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

struct SyslogReceiver::Core final : SyslogHub {
  Core(SyslogOptions given, std::optional<SavedPlace> saved)
      : options(std::move(given)), name("syslog:" + options.to_string()), rates(options.udp_rate) {
    if (!options.now) options.now = system_now;
    if (!saved) return;
    // the saved place may lie before the last message; the text beside it tells the number after that
    std::from_chars(saved->checkpoint.data(), saved->checkpoint.data() + saved->checkpoint.size(), next);
    next = std::max(next, to_number(saved->place));
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core() override {
    for (const auto& [key, connection] : connections) connection->close();
    if (options.is_unix() && listener && listener->is_open()) ::unlink(options.path.c_str());
  }

  // --- opening ---

  void open() {
    const auto opened = try_to_open();
    fault = opened ? std::nullopt : std::optional(opened.error());
    if (opened) return wait_for_sender();
    later(options.retry, [this] { open(); });
  }

  Result<void> try_to_open() {
    if (options.transport == SyslogTransport::tls) {
      auto made = make_tls_context(options);
      if (!made) return std::unexpected(made.error());
      tls = std::move(*made);
    }
    auto made = open_listener(options);
    if (!made) return std::unexpected(made.error());
    error_code error;
    listener->assign(made->get(), error);
    if (error) return fail(ErrorKind::unavailable, fmt::format("the system cannot wait for it: {}", error.message()));
    (void)made->release();
    return {};
  }

  template <class Do>
  void later(std::chrono::milliseconds delay, Do act) {
    timer->expires_after(delay);
    timer->async_wait([act, alive = std::weak_ptr<int>(life)](error_code error) {
      if (!error && !alive.expired()) act();
    });
  }

  void wait_for_sender() {
    if (std::exchange(waiting, true)) return;
    const auto how = asio::posix::stream_descriptor::wait_read;
    listener->async_wait(how, [this, alive = std::weak_ptr<int>(life)](error_code error) {
      if (error || alive.expired()) return;
      waiting = false;
      serve();
    });
  }

  void serve() {
    if (!options.is_datagram()) return accept();
    for (int i = 0; i < kDatagramsOfWake && !is_paused; ++i) {
      if (!receive()) break;
    }
    if (!is_paused) wait_for_sender();
  }

  // --- datagrams ---

  // One datagram; false: there is none.
  bool receive() {
    sockaddr_storage from{};
    iovec part{block.data(), block.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint32_t))> control{};
    msghdr head{};
    head.msg_name = &from;
    head.msg_namelen = sizeof(from);
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    head.msg_control = control.data();
    head.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(listener->native_handle(), &head, MSG_DONTWAIT);
    if (size < 0) return errno == EINTR;
    note_drops(head);
    if (options.transport == SyslogTransport::udp && !may_send(from)) return true;
    const std::string_view line = to_line(block.data(), static_cast<std::size_t>(size));
    if (!line.empty()) take({line, (head.msg_flags & MSG_TRUNC) != 0});
    return true;
  }

  // The kernel tells with each datagram how many it has dropped so far (SO_RXQ_OVFL), as 32 bits.
  void note_drops(msghdr& head) {
    for (cmsghdr* one = CMSG_FIRSTHDR(&head); one != nullptr; one = CMSG_NXTHDR(&head, one)) {
      if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SO_RXQ_OVFL) continue;
      std::uint32_t total = 0;
      std::memcpy(&total, CMSG_DATA(one), sizeof(total));
      counters.kernel_dropped += total - std::exchange(drops_seen, total);
    }
  }

  bool is_allowed(const std::optional<IpAddress>& peer) const {
    if (!peer) return false;
    for (const IpNetwork& network : options.allow) {
      if (network.contains(*peer)) return true;
    }
    return false;
  }

  bool may_send(const sockaddr_storage& from) {
    const auto peer = address_of(from);
    if (!is_allowed(peer)) {
      note_not_allowed(peer);
      return false;
    }
    if (rates.admit(*peer, options.now())) return true;
    ++counters.over_rate;
    return false;
  }

  void note_not_allowed(const std::optional<IpAddress>& peer) {
    ++counters.not_allowed;
    last_not_allowed = peer ? peer->to_string() : "an unknown address";
  }

  // --- connections ---

  void accept() {
    for (int i = 0; i < kConnectionsOfWake; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof(from);
      OwnedDescriptor got(::accept4(listener->native_handle(), reinterpret_cast<sockaddr*>(&from), &size,
                                    SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (got.get() >= 0) {
        admit(std::move(got), from);
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        ++counters.refused;
        return later(kOutOfDescriptors, [this] { wait_for_sender(); });
      }
      if (errno == EAGAIN) break;  // other errors are of the one connection (accept(2))
    }
    wait_for_sender();
  }

  void admit(OwnedDescriptor got, const sockaddr_storage& from) {
    if (!options.is_unix()) {
      const auto peer = address_of(from);
      if (!is_allowed(peer)) return note_not_allowed(peer);
      keep_alive(got.get());
    }
    if (connections.size() >= options.most_connections) {
      ++counters.refused;
      return;
    }
    SyslogConnection::Socket socket(*loop);
    error_code error;
    socket.assign(asio::generic::stream_protocol(from.ss_family, 0), got.get(), error);
    if (error) {
      ++counters.refused;
      return;
    }
    (void)got.release();
    const auto made = std::make_shared<SyslogConnection>(std::move(socket), tls.get(), options, *this);
    connections.emplace(made.get(), made);
    made->start();
  }

  // A sender that was switched off is found out within minutes, though it sends nothing.
  static void keep_alive(int descriptor) {
    const auto set = [&](int level, int option, int value) {
      ::setsockopt(descriptor, level, option, &value, sizeof(value));
    };
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 120);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 30);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  }

  [[nodiscard]] bool paused() const override { return is_paused; }

  void ended(SyslogConnection& connection, SyslogEnd why, const std::string& detail) override {
    switch (why) {
      case SyslogEnd::closed:
        break;
      case SyslogEnd::framing:
        ++counters.broken;
        break;
      case SyslogEnd::idle:
        ++counters.idle;
        break;
      case SyslogEnd::handshake_late:
        ++counters.handshake_late;
        break;
      case SyslogEnd::handshake_failed:
        ++counters.handshake_failed;
        last_handshake = detail;
        break;
    }
    connections.erase(&connection);
  }

  // --- records ---

  void take(const SyslogMessage& message) override {
    Record record;
    record.line = message.text;
    record.cut = message.cut;
    record.arrival = options.now();
    record.untrusted = options.transport == SyslogTransport::udp;
    const std::uint64_t number = std::max(next, microseconds(record.arrival));
    next = number + 1;
    record.place = to_place(number);
    record.next = to_place(next);
    ++records;
    cut += record.cut ? 1 : 0;
    last = record.arrival;
    sink(record);
  }

  void pause(bool on) {
    if (std::exchange(is_paused, on) == on || on || loop == nullptr) return;
    asio::post(*loop, [this, alive = std::weak_ptr<int>(life)] {
      if (alive.expired() || is_paused) return;
      std::vector<std::shared_ptr<SyslogConnection>> all;  // going on may end one
      for (const auto& [key, connection] : connections) all.push_back(connection);
      for (const auto& connection : all) {
        if (!is_paused) connection->go_on();
      }
      if (options.is_datagram() && listener->is_open() && !waiting) serve();
    });
  }

  // --- health ---

  [[nodiscard]] std::string limits_met() const {
    std::string text;
    const auto add = [&](std::uint64_t count, const std::string& sentence) {
      if (count == 0) return;
      if (!text.empty()) text += "; ";
      text += fmt::format("{} {}", count, sentence);
    };
    const bool datagrams = options.is_datagram();
    add(counters.not_allowed,
        fmt::format("{} of senders that are not allowed (last: {}): add the senders that should be to syslog_allow",
                    datagrams ? "messages" : "connections", last_not_allowed));
    add(counters.over_rate, fmt::format("messages dropped above {} a second from one sender", options.udp_rate));
    add(counters.kernel_dropped, "messages dropped by the system, since they came faster than they were read");
    add(counters.refused, fmt::format("connections refused: {} at once are the most, or file descriptors ran out",
                                      options.most_connections));
    add(counters.idle, "connections closed after long silence");
    add(counters.broken, "connections closed, since what they sent is no syslog");
    add(counters.handshake_late, "TLS handshakes not over in time");
    add(counters.handshake_failed, fmt::format("TLS handshakes failed (last: {})", last_handshake));
    return text;
  }

  [[nodiscard]] SourceHealth health() const {
    using enum SourceHealth::State;
    SourceHealth health;
    health.records = records;
    health.cut = cut;
    health.last = last;
    health.dropped = counters.over_rate + counters.kernel_dropped;
    if (fault) {
      health.state = fault->kind == ErrorKind::denied ? denied : unreadable;
      health.sentence = fault->text;
    } else if (listener) {
      health.state = following;
      health.sentence = limits_met();
    }
    return health;
  }

  SyslogOptions options;
  std::string name;
  PeerRates rates;
  std::uint64_t next = 0;  // number of the next message at least
  asio::io_context* loop = nullptr;
  RecordSink sink;
  std::unique_ptr<asio::ssl::context> tls;
  std::optional<asio::posix::stream_descriptor> listener;
  std::optional<asio::steady_timer> timer;
  std::map<SyslogConnection*, std::shared_ptr<SyslogConnection>> connections;
  std::optional<Error> fault;
  bool waiting = false;
  bool is_paused = false;
  std::vector<char> block;  // a datagram
  std::uint32_t drops_seen = 0;
  SyslogCounters counters;
  std::string last_not_allowed;
  std::string last_handshake;
  std::uint64_t records = 0;
  std::uint64_t cut = 0;
  std::optional<Instant> last;
  std::shared_ptr<int> life = std::make_shared<int>();  // what waits on the loop sees by it that this has ended
};

SyslogReceiver::SyslogReceiver(SyslogOptions options, std::optional<SavedPlace> saved)
    : core_(std::make_unique<Core>(std::move(options), std::move(saved))) {}

SyslogReceiver::~SyslogReceiver() = default;

const std::string& SyslogReceiver::name() const { return core_->name; }

Result<void> SyslogReceiver::start(asio::io_context& loop, RecordSink sink) {
  const SyslogOptions& options = core_->options;
  if (options.transport == SyslogTransport::tls && (options.certificate.empty() || options.key.empty())) {
    return fail(ErrorKind::invalid,
                "a tls: listener needs a certificate and its key; set syslog_certificate and syslog_key to PEM files");
  }
  core_->loop = &loop;
  core_->sink = std::move(sink);
  core_->listener.emplace(loop);
  core_->timer.emplace(loop);
  if (options.is_datagram()) core_->block.resize(kMaxLine);
  core_->next = std::max(core_->next, microseconds(options.now()));
  core_->open();
  return {};
}

Place SyslogReceiver::position() const { return to_place(core_->next); }

std::string SyslogReceiver::checkpoint(Place /*place*/) const { return std::to_string(core_->next); }

void SyslogReceiver::pause(bool on) { core_->pause(on); }

SourceHealth SyslogReceiver::health() const { return core_->health(); }

const SyslogCounters& SyslogReceiver::counters() const { return core_->counters; }

std::size_t SyslogReceiver::connections() const { return core_->connections.size(); }

std::uint16_t SyslogReceiver::port() const {
  return core_->listener && core_->listener->is_open() ? port_of(core_->listener->native_handle()) : std::uint16_t{0};
}

}  // namespace tipstaff
