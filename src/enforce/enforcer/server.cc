#include "enforce/enforcer/server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "enforce/enforcer/allowlist.h"

namespace tipstaff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kCheckEvery{10};
constexpr seconds kCheckBroken{1};
constexpr seconds kAuditEvery{60};
constexpr int kAuditShare = 100;  // an audit takes at most one part in so many of the time
constexpr seconds kOwnEvery{60};
constexpr seconds kCountsFresh{1};
constexpr milliseconds kRepairPause{50};
constexpr int kRepairShare = 3;
// However long nothing is due: the clock on the wall may be set meanwhile.
constexpr milliseconds kLongestWait{2'000};

const char* const kByOthers = "another program changed it";

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

}  // namespace

EnforcerServer::EnforcerServer(Options options, std::unique_ptr<NftFirewall> firewall, OwnAddresses addresses,
                               int listener, int signals, EnforcerLog log)
    : options_(std::move(options)),
      firewall_(std::move(firewall)),
      addresses_(std::move(addresses)),
      listener_(listener),
      signals_(signals),
      log_(std::move(log)),
      enforcer_(
          *firewall_,
          {.ended = [this](std::vector<Entry> ended) { tell(std::move(ended), nullptr); },
           .repaired = [this](const std::string& what) { tell_all({.type = MessageType::repaired, .text = what}); }},
          log_),
      notify_(ServiceNotify::from_environment()),
      watchdog_(ServiceNotify::watchdog_interval()) {}

EnforcerServer::~EnforcerServer() {
  ::close(listener_);
  ::close(signals_);
}

Instant EnforcerServer::now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

Result<void> EnforcerServer::start(std::vector<IpNetwork> allowlist) {
  allowlist_ = std::move(allowlist);
  auto own = addresses_.read();
  if (!own) return std::unexpected(own.error());
  own_ = std::move(*own);
  std::vector<IpNetwork> all = allowlist_;
  all.insert(all.end(), own_.begin(), own_.end());
  started_ = now();
  auto started = enforcer_.start(std::move(all), started_);
  if (!started) return started;
  const Clock::time_point at = Clock::now();
  next_check_ = at + kCheckEvery;
  next_audit_ = at + kAuditEvery;
  next_own_ = at + kOwnEvery;
  next_watchdog_ = at;
  return {};
}

void EnforcerServer::run() {
  notify_.ready(fmt::format("{} blocks", enforcer_.blocks().size()));
  for (;;) {
    std::vector<pollfd> waiting{{listener_, POLLIN, 0},
                                {signals_, POLLIN, 0},
                                {firewall_->event_file(), POLLIN, 0},
                                {addresses_.event_file(), POLLIN, 0}};
    const std::size_t fixed = waiting.size();
    for (const auto& peer : peers_) {
      waiting.push_back({peer->file(), static_cast<short>(peer->has_output() ? POLLOUT : POLLIN), 0});
    }
    const milliseconds wait = until_next(Clock::now());
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(wait.count())) < 0 && errno != EINTR) {
      log_(true, fmt::format("poll: {}", std::strerror(errno)));
      return;
    }
    if (waiting[1].revents != 0 && !read_signals()) break;
    if (waiting[2].revents != 0) firewall_events();
    if (waiting[3].revents != 0 && addresses_.read_events()) next_own_ = Clock::now();
    do_timed(Clock::now());
    for (std::size_t i = 0; i + fixed < waiting.size(); ++i) {
      SocketPeer& peer = *peers_[i];
      bool good = true;
      if ((waiting[i + fixed].revents & (POLLERR | POLLNVAL)) != 0) good = false;
      if (good && !peer.has_output() && waiting[i + fixed].revents != 0) good = serve(peer);
      // what it asked for last is answered before it goes
      good = peer.flush(Clock::now()) && good && peer.is_in_time(Clock::now());
      if (!good) peers_[i].reset();
    }
    std::erase(peers_, nullptr);
    if (waiting[0].revents != 0) add_peer();
  }
  notify_.stopping();
  log_(false, fmt::format("stopped; {} blocks stay in the firewall, each until its time", enforcer_.blocks().size()));
}

// --- peers -------------------------------------------------------------------------------------------------------------

void EnforcerServer::add_peer() {
  const int file = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (file < 0) return;
  ucred who{};
  socklen_t size = sizeof who;
  const bool known = ::getsockopt(file, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
  auto peer = std::make_unique<SocketPeer>(file, who.uid, Clock::now());
  std::string why;
  if (!known || (who.uid != 0 && who.uid != options_.user)) {
    why = fmt::format("user {} may not speak to the enforcer", who.uid);
    log_(true, "refused: " + why);
  } else if (peers_.size() >= kMostPeers) {
    why = fmt::format("{} connections stand already", kMostPeers);
  }
  if (why.empty()) {
    peers_.push_back(std::move(peer));
    return;
  }
  peer->send({.type = MessageType::denied, .text = why});
  std::ignore = peer->flush(Clock::now());
}

bool EnforcerServer::serve(SocketPeer& peer) {
  std::string packet;
  switch (peer.receive(packet)) {
    case SocketPeer::Got::nothing:
      return true;
    case SocketPeer::Got::end:
      return false;
    case SocketPeer::Got::packet:
      break;
  }
  const auto message = decode(packet);
  if (!message) {
    log_(true, fmt::format("user {} sent a {}; the connection ends", peer.user(), message.error().text));
    peer.send({.type = MessageType::denied, .text = message.error().text});
    peer.ends = true;
    return true;
  }
  return answer(peer, *message);
}

bool EnforcerServer::answer(SocketPeer& peer, const Message& message) {
  Message reply{.type = MessageType::done, .sequence = message.sequence};
  const auto deny = [&](std::string why, bool ends) {
    peer.send({.type = MessageType::denied, .sequence = message.sequence, .text = std::move(why)});
    peer.ends = ends;
    return true;
  };
  if (!peer.said_hello && message.type != MessageType::hello) return deny("hello comes first", true);
  const Instant at = now();
  switch (message.type) {
    case MessageType::hello:
      if (peer.said_hello) return deny("hello was said already", false);
      peer.said_hello = true;
      peer.wants_events = message.events;
      peer.send(reply);
      if (peer.wants_events) tell_untold(peer);
      return true;
    case MessageType::block:
      reply.entries = enforcer_.block(message.entries, at);
      break;
    case MessageType::unblock: {
      reply.entries = enforcer_.unblock(message.entries, at);
      std::vector<Entry> ended;
      std::ranges::copy_if(reply.entries, std::back_inserter(ended),
                           [](const Entry& entry) { return entry.result == EntryResult::good; });
      tell(std::move(ended), &peer);
      break;
    }
    case MessageType::allow:
      reply.entries = enforcer_.allow(message.entries, message.first, at);
      break;
    case MessageType::list:
      peer.send_list(snapshot(), message.sequence);
      return true;
    case MessageType::status:
      reply.text = status();
      break;
    case MessageType::clear:
      if (!peer.is_root()) return deny("clear is for root alone", false);
      if (const auto cleared = enforcer_.clear(); !cleared) return deny(cleared.error().message(), false);
      break;
    default:
      return deny("that is for the enforcer to say", true);
  }
  peer.send(reply);
  return true;
}

// --- events ------------------------------------------------------------------------------------------------------------

void EnforcerServer::tell_all(const Message& message) {
  for (const auto& peer : peers_) {
    if (peer != nullptr && peer->wants_events) peer->send(message);
  }
}

// `except` has them in its answer. Where nobody listens they wait for the next who does.
void EnforcerServer::tell(std::vector<Entry> ended, const SocketPeer* except) {
  bool told = except != nullptr && except->wants_events;
  for (std::size_t at = 0; at < ended.size(); at += Message::kMostEntries) {
    Message part{.type = MessageType::ended};
    const std::size_t count = std::min(Message::kMostEntries, ended.size() - at);
    part.entries.assign(ended.begin() + static_cast<std::ptrdiff_t>(at),
                        ended.begin() + static_cast<std::ptrdiff_t>(at + count));
    for (const auto& peer : peers_) {
      if (peer == nullptr || peer.get() == except || !peer->wants_events) continue;
      peer->send(part);
      told = true;
    }
  }
  if (told) return;
  for (const Entry& entry : ended) {
    if (untold_.size() == kMostUntold) {
      untold_.pop_front();
      ++untold_lost_;
    }
    untold_.push_back(entry);
  }
}

void EnforcerServer::tell_untold(SocketPeer& peer) {
  while (!untold_.empty()) {
    Message part{.type = MessageType::ended};
    while (!untold_.empty() && part.entries.size() < Message::kMostEntries) {
      part.entries.push_back(untold_.front());
      untold_.pop_front();
    }
    peer.send(part);
  }
  untold_.shrink_to_fit();
}

SocketPeer::Snapshot EnforcerServer::snapshot() {
  const bool fresh = Clock::now() - counts_read_ < kCountsFresh;
  auto held = snapshot_.lock();
  if (held != nullptr && fresh && snapshot_version_ == enforcer_.version()) return held;
  if (!fresh) {
    const Clock::time_point began = Clock::now();
    if (const auto read = enforcer_.refresh_counts(); !read) {
      log_(true, read.error().message());
    } else {
      counts_read_ = began;
    }
  }
  const auto slots = enforcer_.blocks().slots();
  auto made = std::make_shared<const std::vector<BlockTable::Slot>>(slots.begin(), slots.end());
  snapshot_ = made;
  snapshot_version_ = enforcer_.version();
  return made;
}

std::string EnforcerServer::status() const {
  const Enforcer::Figures& figures = enforcer_.figures();
  const auto stamp = [](std::optional<Instant> at) { return at ? quoted(to_rfc3339(*at)) : std::string("null"); };
  std::string sets;
  for (const auto& [shape, count] : enforcer_.blocks().shapes()) {
    if (sets.size() > 2'000) break;
    sets += fmt::format("{}\"{}{}/{}\": {}", sets.empty() ? "" : ", ", shape.v6 ? "ipv6" : "ipv4",
                        shape.service ? " service" : "", shape.bits, count);
  }
  return fmt::format(
      "{{\"since\": {}, \"blocks\": {}, \"sets\": {{{}}}, \"effective\": {}, \"exempt\": {}, \"allowed\": {}, "
      "\"allowlist\": {}, \"allowlist_problem\": {}, \"keep_established\": {}, \"set\": {}, \"ended\": {}, "
      "\"refused\": {}, "
      "\"failed\": {}, \"repaired\": {}, \"last_repair\": {}, \"peers\": {}, \"untold\": {}, \"untold_lost\": {}, "
      "\"memory_of_blocks\": {}}}",
      stamp(started_), enforcer_.blocks().size(), sets, !figures.broken, enforcer_.own_count(),
      enforcer_.allowed_count(), quoted(options_.allowlist),
      allowlist_problem_.empty() ? "null" : quoted(allowlist_problem_.substr(0, 500)), options_.keep_established,
      figures.set, figures.ended, figures.refused, figures.failed, figures.repaired, stamp(figures.last_repair),
      peers_.size(), untold_.size(), untold_lost_, enforcer_.blocks().memory());
}

// --- signals, events of the kernel, times ------------------------------------------------------------------------------

bool EnforcerServer::read_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_, &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo != SIGHUP) return false;
    reload_allowlist();
  }
  return true;
}

void EnforcerServer::reload_allowlist() {
  notify_.reloading();
  auto read = read_allowlist(options_.allowlist);
  if (read) {
    allowlist_problem_.clear();
    allowlist_ = std::move(*read);
    log_(false, fmt::format("{}: {} networks", options_.allowlist, allowlist_.size()));
    refresh_own();
  } else {
    allowlist_problem_ = read.error().message();
    log_(true, fmt::format("THE ALLOWLIST WAS NOT TAKEN, the one before stays in force: {}", allowlist_problem_));
  }
  notify_.ready(fmt::format("{} blocks", enforcer_.blocks().size()));
}

void EnforcerServer::refresh_own() {
  if (auto own = addresses_.read()) {
    own_ = std::move(*own);
  } else {
    log_(true, own.error().message());
  }
  std::vector<IpNetwork> all = allowlist_;
  all.insert(all.end(), own_.begin(), own_.end());
  enforcer_.set_own(std::move(all), now());
  next_own_ = Clock::now() + kOwnEvery;
}

void EnforcerServer::firewall_events() {
  switch (firewall_->read_events()) {
    case NftFirewall::Others::quiet:
      return;
    case NftFirewall::Others::changed:
      wants_repair_ = true;
      return;
    case NftFirewall::Others::unsure:
      wants_audit_ = true;
      return;
  }
}

// Whoever changes the table all the time shall not keep the enforcer busy with it all the time.
void EnforcerServer::do_repair() {
  wants_repair_ = false;
  const Clock::time_point began = Clock::now();
  enforcer_.repair(now(), kByOthers);
  const Clock::time_point ended = Clock::now();
  repair_not_before_ = ended + std::max<Clock::duration>(kRepairPause, (ended - began) * kRepairShare);
}

void EnforcerServer::do_timed(Clock::time_point at) {
  if (watchdog_ && at >= next_watchdog_) {
    notify_.alive();
    next_watchdog_ = at + *watchdog_;
  }
  if (const auto end = enforcer_.next_end(); end && *end <= now()) enforcer_.end_due(now());
  enforcer_.apply_exemptions(now());
  if (wants_repair_ && at >= repair_not_before_) do_repair();
  if (at >= next_own_) refresh_own();
  if (at >= next_audit_ || (wants_audit_ && at >= repair_not_before_)) {
    wants_audit_ = false;
    enforcer_.audit(now(), "it was not as it should be");
    const Clock::time_point ended = Clock::now();
    next_audit_ = ended + std::max<Clock::duration>(kAuditEvery, (ended - at) * kAuditShare);
    repair_not_before_ = std::max(repair_not_before_, ended + (ended - at) * kRepairShare);
    counts_read_ = at;
  }
  if (at >= next_check_) {
    enforcer_.check(now(), "it was not as it should be");
    next_check_ = Clock::now() + (enforcer_.figures().broken ? kCheckBroken : kCheckEvery);
  }
}

milliseconds EnforcerServer::until_next(Clock::time_point at) const {
  Clock::duration wait = kLongestWait;
  const auto due = [&](Clock::time_point when) { wait = std::min(wait, std::max(when - at, Clock::duration(0))); };
  due(next_check_);
  due(next_audit_);
  due(next_own_);
  if (watchdog_) due(next_watchdog_);
  if (wants_repair_ || wants_audit_) due(repair_not_before_);
  if (enforcer_.figures().broken) due(std::min(next_check_, at + kCheckBroken));
  milliseconds rounded = std::chrono::ceil<milliseconds>(wait);
  if (const auto end = enforcer_.next_end()) {
    rounded = std::min(rounded, std::max(std::chrono::ceil<milliseconds>(*end - now()), milliseconds(0)));
  }
  return rounded;
}

}  // namespace tipstaff
