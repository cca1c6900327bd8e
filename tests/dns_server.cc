#include "tests/dns_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <cstring>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "base/address.h"
#include "tests/run.h"

namespace tipstaff {
namespace {

constexpr std::uint16_t kCut = 0x0200;
constexpr std::uint16_t kAnswer = 0x8580;

std::string number(std::uint32_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)) & 0xffU);
  return out;
}

std::uint16_t type_of(std::string_view type) {
  static const std::map<std::string_view, std::uint16_t> kTypes = {{"A", 1},   {"NS", 2},   {"CNAME", 5}, {"PTR", 12},
                                                                   {"MX", 15}, {"TXT", 16}, {"AAAA", 28}};
  return kTypes.at(type);
}

std::string lower_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string out(name);
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return out;
}

// `\NNN` becomes a byte.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 3))));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string wire_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string wire;
  std::istringstream labels{std::string(name)};
  for (std::string label; std::getline(labels, label, '.');) {
    const std::string bytes = unescaped(label);
    wire += static_cast<char>(bytes.size());
    wire += bytes;
  }
  return wire + '\0';
}

std::string wire_data(std::string_view type, std::string_view data) {
  if (type == "A" || type == "AAAA") {
    const IpAddress address = *IpAddress::parse(data);
    const std::string low = number(static_cast<std::uint32_t>(address.low() >> 32U), 4) +
                            number(static_cast<std::uint32_t>(address.low()), 4);
    if (type == "A") return low.substr(4);
    return number(static_cast<std::uint32_t>(address.high() >> 32U), 4) +
           number(static_cast<std::uint32_t>(address.high()), 4) + low;
  }
  if (type == "MX") {
    const std::size_t space = data.find(' ');
    return number(static_cast<std::uint32_t>(std::stoul(std::string(data.substr(0, space)))), 2) +
           wire_name(data.substr(space + 1));
  }
  if (type != "TXT") return wire_name(data);
  std::string bytes = unescaped(data);
  std::string wire;
  do {
    const std::string piece = bytes.substr(0, 255);
    wire += static_cast<char>(piece.size()) + piece;
    bytes.erase(0, piece.size());
  } while (!bytes.empty());
  return wire;
}

struct DnsZoneRecord {
  std::uint16_t type;
  std::uint32_t ttl;
  std::string data;
};

}  // namespace

struct DnsServer::State {
  struct Connection {
    int fd;
    std::string bytes;
    bool drips = false;
  };
  struct Held {
    std::string reply;
    sockaddr_in to;
  };

  int udp = -1;
  int tcp = -1;
  int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::uint16_t port = 0;
  std::thread thread;
  std::atomic<bool> ending = false;
  mutable std::mutex mutex;  // of all below but the connections
  std::map<std::string, std::vector<DnsZoneRecord>> zone;
  std::map<std::string, Manner> manners;
  std::map<std::pair<std::string, std::uint16_t>, std::size_t> counts;
  std::size_t all = 0;
  std::vector<Held> held;
  bool released = false;
  std::vector<Connection> connections;

  bool open() {
    for (int i = 0; i < 50; ++i) {  // UDP and TCP on one port
      udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof at;
      auto* const raw = reinterpret_cast<sockaddr*>(&at);
      if (::bind(udp, raw, size) == 0 && ::getsockname(udp, raw, &size) == 0 && ::bind(tcp, raw, size) == 0 &&
          ::listen(tcp, 64) == 0) {
        port = ntohs(at.sin_port);
        return true;
      }
      ::close(udp);
      ::close(tcp);
    }
    return false;
  }

  Manner manner_of(const std::string& name) const {
    for (const std::string& key : {name, std::string("*")}) {
      if (const auto found = manners.find(key); found != manners.end()) return found->second;
    }
    return Manner::honest;
  }

  // The reply, or nothing. `manner` tells what else is to be done.
  std::string reply_to(std::string_view message, bool by_tcp, Manner& manner) {
    if (message.size() < 17) return {};
    std::string name;
    std::size_t at = 12;
    while (at < message.size() && message[at] != '\0') {
      const auto length = static_cast<std::size_t>(static_cast<unsigned char>(message[at]));
      if (at + length + 1 >= message.size()) return {};
      if (!name.empty()) name += '.';
      name += message.substr(at + 1, length);
      at += length + 1;
    }
    if (at + 5 > message.size()) return {};
    const std::string question(message.substr(12, at + 5 - 12));
    const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(message[at + 1]) << 8U |
                                                 static_cast<unsigned char>(message[at + 2]));
    name = lower_name(name);
    const std::scoped_lock lock(mutex);
    ++counts[{name, type}];
    ++all;
    manner = manner_of(name);
    return make(std::string(message.substr(0, 2)), question, name, type, by_tcp, manner);
  }

  std::string make(std::string id, const std::string& question, const std::string& name, std::uint16_t type,
                   bool by_tcp, Manner manner) const {
    const auto message = [&id](unsigned flags, unsigned answers, const std::string& asked, const std::string& records) {
      return id + number(flags, 2) + number(1, 2) + number(answers, 2) + number(0, 4) + asked + records;
    };
    const auto record = [](const std::string& owner, std::uint16_t kind, std::uint32_t ttl, const std::string& data) {
      return owner + number(kind, 2) + number(1, 2) + number(ttl, 4) +
             number(static_cast<std::uint32_t>(data.size()), 2) + data;
    };
    const std::string here("\xc0\x0c", 2);
    if (manner == Manner::silent) return {};
    if (manner == Manner::refuse) return message(kAnswer | 5U, 0, question, "");
    if (manner == Manner::garbage) return id + std::string(40, '\xee');
    if (manner == Manner::wrong_id) id[0] = static_cast<char>(id[0] ^ 1);
    if (manner == Manner::wrong_question) {
      std::string other = question;
      other[1] = other[1] == 'z' ? 'y' : 'z';
      return message(kAnswer, 0, other, "");
    }
    if (manner == Manner::alias_loop) {
      const std::string other = wire_name("loop." + name);
      return message(kAnswer, 2, question,
                     record(here, 5, 60, other) + record(other, 5, 60, question.substr(0, question.size() - 4)));
    }
    if (manner == Manner::pointer_loop) {
      const std::size_t data = 12 + question.size() + 12;  // where the first record's data stand
      return message(kAnswer, 1, question, record(here, type, 60, number(0xc000U | static_cast<unsigned>(data), 2)));
    }
    const bool cuts = manner == Manner::cut || manner == Manner::cut_then_hang || manner == Manner::cut_then_drip ||
                      manner == Manner::huge;
    if (cuts && !by_tcp) return message(kAnswer | kCut, 0, question, "");
    if (manner == Manner::cut_then_hang) return {};
    std::string records;
    unsigned count = 0;
    const auto found = zone.find(name);
    for (const DnsZoneRecord& one : found == zone.end() ? std::vector<DnsZoneRecord>() : found->second) {
      if (one.type != type && one.type != 5) continue;
      records += record(here, one.type, one.ttl, one.data);
      ++count;
    }
    for (unsigned i = 0; manner == Manner::huge && records.size() < 65'000; ++i, ++count) {
      const std::string many = "n" + std::to_string(i) + ".example";
      records += record(here, type, 60,
                        type == 1    ? number(0xc6330000U + i, 4)
                        : type == 15 ? number(1, 2) + wire_name(many)
                        : type == 16 ? wire_data("TXT", many)
                                     : wire_name(many));
    }
    if (manner == Manner::lie_about_count) count += 1000;
    if (!by_tcp && records.size() > 1100) return message(kAnswer | kCut, 0, question, "");
    return message(found == zone.end() && count == 0 ? kAnswer | 3U : kAnswer, count, question, records);
  }

  void take_udp() {
    std::array<char, 4096> room{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(udp, room.data(), room.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got <= 0) return;
    Manner manner{};
    std::string reply = reply_to({room.data(), static_cast<std::size_t>(got)}, false, manner);
    if (manner == Manner::held) {
      const std::scoped_lock lock(mutex);
      if (!released) {
        held.push_back({std::move(reply), from});
        return;
      }
    }
    if (!reply.empty())
      ::sendto(udp, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&from), sizeof from);
  }

  void send_held() {
    std::uint64_t ignored = 0;
    std::ignore = ::read(wake, &ignored, sizeof ignored);
    const std::scoped_lock lock(mutex);
    if (!released) return;
    for (const Held& one : std::exchange(held, {}))
      ::sendto(udp, one.reply.data(), one.reply.size(), 0, reinterpret_cast<const sockaddr*>(&one.to), sizeof one.to);
  }

  // False: the connection is over.
  bool take_tcp(Connection& connection) {
    std::array<char, 4096> room{};
    const ssize_t got = ::recv(connection.fd, room.data(), room.size(), 0);
    if (got <= 0) return false;
    connection.bytes.append(room.data(), static_cast<std::size_t>(got));
    while (connection.bytes.size() >= 2) {
      const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(connection.bytes[i]); };
      const std::size_t length = static_cast<std::size_t>(byte(0)) << 8U | byte(1);
      if (connection.bytes.size() < length + 2) break;
      Manner manner{};
      std::string reply = reply_to(std::string_view(connection.bytes).substr(2, length), true, manner);
      connection.bytes.erase(0, length + 2);
      if (manner == Manner::cut_then_drip) {
        connection.drips = true;
        reply.clear();
        ::send(connection.fd, "\xff\xff", 2, MSG_NOSIGNAL);
      }
      if (reply.empty()) continue;
      reply = number(static_cast<std::uint32_t>(reply.size()), 2) + reply;
      ::send(connection.fd, reply.data(), reply.size(), MSG_NOSIGNAL);
    }
    return true;
  }

  void run() {
    while (!ending) {
      std::vector<pollfd> polled{{udp, POLLIN, 0}, {tcp, POLLIN, 0}, {wake, POLLIN, 0}};
      bool drips = false;
      for (const Connection& one : connections) {
        polled.push_back({one.fd, POLLIN, 0});
        drips = drips || one.drips;
      }
      ::poll(polled.data(), polled.size(), drips ? 10 : -1);
      if (polled[2].revents != 0) send_held();
      if (polled[0].revents != 0) take_udp();
      for (std::size_t i = connections.size(); i > 0; --i) {
        Connection& one = connections[i - 1];
        const bool good = polled[i + 2].revents == 0 || take_tcp(one);
        if (good && (!one.drips || ::send(one.fd, "x", 1, MSG_NOSIGNAL) == 1)) continue;
        ::close(one.fd);
        connections.erase(connections.begin() + static_cast<std::ptrdiff_t>(i - 1));
      }
      if (polled[1].revents != 0) {
        const int fd = ::accept4(tcp, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) connections.push_back({fd, {}, false});
      }
    }
  }

  void wake_up() const {
    const std::uint64_t one = 1;
    std::ignore = ::write(wake, &one, sizeof one);
  }
};

DnsServer::DnsServer() : state_(std::make_unique<State>()) {
  if (!state_->open()) ADD_FAILURE() << "no port for the DNS server: " << std::strerror(errno);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

DnsServer::~DnsServer() {
  state_->ending = true;
  state_->wake_up();
  state_->thread.join();
  for (const auto& one : state_->connections) ::close(one.fd);
  for (const int fd : {state_->udp, state_->tcp, state_->wake}) ::close(fd);
}

std::string DnsServer::address() const { return "127.0.0.1:" + std::to_string(state_->port); }

void DnsServer::add(std::string_view name, std::string_view type, std::string_view data, std::uint32_t ttl) {
  const std::scoped_lock lock(state_->mutex);
  state_->zone[lower_name(name)].push_back({type_of(type), ttl, wire_data(type, data)});
}

void DnsServer::load(const std::string& path) {
  const boost::json::value file = boost::json::parse(read_file(path));
  for (const auto& one : file.at("records").as_array()) {
    add(one.at("name").as_string(), one.at("type").as_string(), one.at("data").as_string(),
        one.at("ttl").to_number<std::uint32_t>());
  }
}

void DnsServer::set_manner(std::string_view name, Manner manner) {
  const std::scoped_lock lock(state_->mutex);
  state_->manners[lower_name(name)] = manner;
}

void DnsServer::release() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->released = true;
  }
  state_->wake_up();
}

std::size_t DnsServer::asked(std::string_view name, std::string_view type) const {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->counts.find({lower_name(name), type_of(type)});
  return found == state_->counts.end() ? 0 : found->second;
}

std::size_t DnsServer::asked() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->all;
}

}  // namespace tipstaff
