#include "detect/folder.h"

#include <algorithm>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "base/hash.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostServices = 256;

// The tries a failure line stands for: its own number times that of "message repeated N times".
std::uint32_t tries_of(const Finding& finding) {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::uint64_t{finding.fields.count} * finding.repeat, 1'000'000));
}

// Never 0, which stands for an account that no line has named.
std::uint64_t hash_of_name(std::string_view text) { return hash_of(text) | 1U; }

}  // namespace

Folder::Folder(Sink sink)
    : sink_(std::move(sink)),
      places_(kMostConnections / kWays),
      connections_(static_cast<Connection*>(std::calloc(kMostConnections, sizeof(Connection)))),
      ring_(kFewHeldBack) {
  static_assert(std::is_trivially_copyable_v<Connection>);
  if (connections_ == nullptr) throw std::bad_alloc();
}

Folder::Folder(LiveSink sink) : Folder(Sink()) { live_ = std::move(sink); }

std::uint64_t Folder::host_number(std::string_view host) {
  if (host != host_) {
    host_ = host;
    host_number_ = hash_of(host);
  }
  return host_number_;
}

std::string_view Folder::service_of(const Finding& finding) {
  if (!finding.detector->any_program || finding.fields.service.empty()) return finding.detector->service;
  std::string name(finding.fields.service);
  const auto known = services_.find(name);
  if (known != services_.end()) return *known;
  if (services_.size() >= kMostServices) return finding.detector->service;
  return *services_.insert(std::move(name)).first;
}

Folder::Connection* Folder::find_connection(const Header& header, const Finding& finding, Instant time,
                                            std::uint64_t line) {
  const Grouping grouping = finding.detector->grouping;
  const Fields& fields = finding.fields;
  if (grouping == Grouping::none) return nullptr;
  std::uint64_t key = host_number(header.host) ^ reinterpret_cast<std::uintptr_t>(finding.detector);
  if (grouping == Grouping::process && header.pid != 0) {
    key = mix(key) + header.pid;
  } else {
    if (!fields.has_address && !fields.has_account) return nullptr;
    key = mix(key ^ (fields.has_address ? hash_of(fields.address) : 0)) + hash_of_name(fields.account);
  }
  key = mix(key) | 1U;

  const std::size_t set = (key >> 8U) % places_.size();
  std::array<Place, kWays>& ways = places_[set].ways;
  std::size_t way = 0;
  for (std::size_t other = 0; other < kWays; ++other) {
    if (ways[other].key == key || ways[other].key == 0) {
      way = other;
      break;
    }
    if (ways[other].last < ways[way].last) way = other;
  }
  Place& place = ways[way];
  Connection& found = connections_[set * kWays + way];
  const bool other_address = fields.has_address && found.has_address && fields.address != found.address;
  const auto silent = time > place.last ? time - place.last : place.last - time;
  if (place.key != key || silent > kSilence || other_address || finding.kind == Kind::opens) {
    std::construct_at(&found);  // in its place: a copy of a new one costs more than the rest
    found.birth = ++births_;
    found.first_line = line;
    place.key = key;
  }
  place.last = time;
  return &found;
}

// An attempt that a line may still change.
Folder::Held* Folder::held(Ticket ticket) {
  return ticket >= first_ && ticket < next_ && !at(ticket).withdrawn ? &at(ticket) : nullptr;
}

// Address and port of a connection are true of all its attempts, earlier and later ones.
void Folder::learn(Connection& connection, const Finding& finding, std::uint64_t line) {
  const Fields& fields = finding.fields;
  const bool address_is_news = fields.has_address && !connection.has_address;
  const bool port_is_news = fields.port != 0 && connection.port == 0;
  if (address_is_news) {
    connection.address = fields.address;
    connection.has_address = true;
  }
  if (port_is_news) connection.port = fields.port;
  if (!connection.incomplete || (!address_is_news && !port_is_news)) return;
  connection.incomplete = !connection.has_address || connection.port == 0;
  for (Ticket ticket = std::max(connection.oldest, first_); ticket < next_; ++ticket) {
    Held& one = at(ticket);
    if (one.birth != connection.birth || one.withdrawn) continue;
    bool told = false;
    if (!one.attempt.address && connection.has_address) {
      one.attempt.address = connection.address;
      told = true;
    }
    if (one.attempt.port == 0 && connection.port != 0) {
      one.attempt.port = connection.port;
      told = true;
    }
    // a line that would be a probe by itself says nothing of the attempt but its address
    if (told && finding.kind != Kind::probe) one.attempt.lines.add(line);
    if (told) note_change(ticket);
  }
}

// The account that the line is about: the one it names, else the one named last, else the unnamed one; null: a new one.
Folder::Account* Folder::account_of(Connection& connection, const Finding& finding) {
  Account* const begin = connection.account.data();
  Account* const end = begin + connection.accounts;
  if (!finding.fields.has_account) return begin == end ? nullptr : end - 1;
  const std::uint64_t hash = hash_of_name(finding.fields.account);
  for (Account* account = begin; account != end; ++account) {
    if (account->hash == hash) return account;
  }
  for (Account* account = begin; account != end; ++account) {
    if (account->hash == 0) {  // a line without a name made it; this line names it
      account->hash = hash;
      if (Held* one = held(account->newest)) {
        one->attempt.account = finding.fields.account;
        one->attempt.has_account = true;
        note_change(account->newest);
      }
      return account;
    }
  }
  return nullptr;
}

Folder::Ticket Folder::make(Connection* connection, Outcome outcome, const Header& header, const Finding& finding,
                            std::optional<Instant> time, std::uint64_t line, std::uint32_t count) {
  const std::size_t waiting = next_ - first_;
  if (waiting >= kMostHeldBack) {
    ++given_up_;
    hand_out_first();
  } else if (waiting == ring_.size()) {
    std::vector<Held> larger(ring_.size() * 2);
    for (Ticket ticket = first_; ticket < next_; ++ticket)
      larger[(ticket - 1) & (larger.size() - 1)] = std::move(at(ticket));
    ring_ = std::move(larger);
  }
  const Ticket ticket = next_++;
  Held& one = at(ticket);
  Attempt& attempt = one.attempt;
  const Fields& fields = finding.fields;
  attempt.outcome = outcome;
  attempt.address.reset();
  if (fields.has_address) attempt.address = fields.address;
  attempt.port = fields.port;
  attempt.count = count;
  attempt.has_account = fields.has_account;
  attempt.account = fields.account;
  attempt.service = attempt.origin = service_of(finding);
  attempt.detector = finding.detector->name;
  attempt.extra = fields.extra;
  attempt.host = header.host;
  attempt.time = time;
  attempt.line = line;
  attempt.lines.clear();
  attempt.lines.add(line);
  one.birth = 0;
  one.withdrawn = one.changed = one.told = false;
  one.withdrawable = finding.pattern != nullptr && finding.pattern->withdrawn_by_success && outcome == Outcome::failure;
  note_change(ticket);
  if (connection == nullptr) return ticket;
  one.birth = connection->birth;
  one.connection = static_cast<std::uint32_t>(connection - connections_.get());
  if (!attempt.address && connection->has_address) attempt.address = connection->address;
  if (attempt.port == 0) attempt.port = connection->port;
  if (!attempt.address || attempt.port == 0) connection->incomplete = true;
  if (connection->oldest == 0) connection->oldest = ticket;
  if (outcome != Outcome::probe && connection->probe != 0) {  // more than a probe after all
    withdraw(connection->probe);
    connection->probe = 0;
  }
  return ticket;
}

// A further line that tells of an attempt: what it knows more is taken.
void Folder::complete(Ticket ticket, const Finding& finding, std::uint64_t line) {
  Held* one = held(ticket);
  if (one == nullptr) return;
  one->attempt.lines.add(line);
  if (one->attempt.extra.empty()) one->attempt.extra = finding.fields.extra;
  note_change(ticket);
}

void Folder::withdraw(Ticket ticket) {
  if (Held* one = held(ticket)) {
    one->withdrawn = true;
    note_change(ticket);
  }
}

Folder::Account& Folder::new_account(Connection& connection, const Finding& finding) {
  auto& all = connection.account;
  if (connection.accounts == all.size()) {
    std::rotate(all.begin(), all.begin() + 1, all.end());
  } else {
    ++connection.accounts;
  }
  Account& account = all[connection.accounts - 1U];
  account = Account();
  if (finding.fields.has_account) account.hash = hash_of_name(finding.fields.account);
  return account;
}

void Folder::add_failure(Connection& connection, const Header& header, const Finding& finding,
                         std::optional<Instant> time, std::uint64_t line) {
  const bool once = finding.pattern != nullptr && finding.pattern->once;
  std::uint32_t count = once ? 1 : tries_of(finding);
  Account* known = account_of(connection, finding);
  // a failure that names nobody is not the failure of whoever was named before
  if (known != nullptr && !finding.fields.has_account && known->hash != 0) known = nullptr;
  Account& account = known != nullptr ? *known : new_account(connection, finding);
  if (once && account.once != 0) {
    complete(account.once, finding, line);
    return;
  }
  if (account.open > 0) {  // lines that came before have made the attempt already
    complete(account.newest, finding, line);
    if (Held* one = held(account.newest)) {
      one->withdrawable = false;
      one->attempt.detector = finding.detector->name;
    }
    if (once) account.once = account.newest;
    count -= std::min(count, account.open);
    account.open = 0;
    if (count == 0) return;
  }
  account.newest = make(&connection, Outcome::failure, header, finding, time, line, count);
  if (once) account.once = account.newest;
}

void Folder::add_told(Connection& connection, const Header& header, const Finding& finding, std::optional<Instant> time,
                      std::uint64_t line) {
  if (connection.succeeded) return;
  Account* account = account_of(connection, finding);
  if (account != nullptr) {
    // Where lines carry no process number, or nothing but PAM tells of the service, the same line again is another try.
    const bool by_process = finding.detector->grouping == Grouping::process && header.pid != 0;
    const bool again = (account->told_by == finding.pattern || account->told_by == nullptr) &&
                       (!by_process || finding.detector->any_program);
    if (!again) {
      complete(account->newest, finding, line);
      return;
    }
  } else {
    account = &new_account(connection, finding);
  }
  account->newest = make(&connection, Outcome::failure, header, finding, time, line, 1);
  account->told_by = finding.pattern;
  ++account->open;
}

void Folder::add_success(Connection& connection, const Header& header, const Finding& finding,
                         std::optional<Instant> time, std::uint64_t line) {
  if (finding.fields.has_account) {
    const std::uint64_t hash = hash_of_name(finding.fields.account);
    for (std::size_t i = 0; i < connection.accounts; ++i) {
      Account& account = connection.account[i];
      if (account.hash != hash || account.open == 0) continue;
      const Held* one = held(account.newest);
      if (one == nullptr || !one->withdrawable) continue;
      withdraw(account.newest);
      account.open = 0;  // a failure line behind the login is a try of its own
    }
  }
  connection.succeeded = true;
  make(&connection, Outcome::success, header, finding, time, line, 1);
}

void Folder::add(const Header& header, const Finding& finding, std::optional<Instant> time, std::uint64_t line) {
  now_ = time.value_or(now_);
  const Ticket before = next_;
  Connection* const connection = find_connection(header, finding, now_, line);
  if (connection != nullptr) learn(*connection, finding, line);
  switch (finding.kind) {
    case Kind::failure:
      if (connection != nullptr) {
        add_failure(*connection, header, finding, time, line);
      } else {
        make(nullptr, Outcome::failure, header, finding, time, line, tries_of(finding));
      }
      break;
    case Kind::tells:
      if (connection != nullptr) {
        add_told(*connection, header, finding, time, line);
      } else {
        make(nullptr, Outcome::failure, header, finding, time, line, 1);
      }
      break;
    case Kind::success:
      if (connection != nullptr) {
        add_success(*connection, header, finding, time, line);
      } else {
        make(nullptr, Outcome::success, header, finding, time, line, 1);
      }
      break;
    case Kind::probe:
      if (connection == nullptr) {
        make(nullptr, Outcome::probe, header, finding, time, line, 1);
      } else if (connection->probe == 0 && connection->accounts == 0 && !connection->succeeded) {
        connection->probe = make(connection, Outcome::probe, header, finding, time, line, 1);
      }
      break;
    case Kind::opens:
    case Kind::completes:
    case Kind::harmless:
      break;
  }
  if (live_) tell_changes();
  if (next_ != before) hand_out(false);
}

void Folder::add_unsure(const Header& header, const Finding& finding, std::optional<Instant> time, std::uint64_t line) {
  now_ = time.value_or(now_);
  if (finding.kind == Kind::opens || finding.kind == Kind::completes || finding.kind == Kind::harmless) return;
  make(nullptr, Outcome::probe, header, finding, time, line, 1);
  if (live_) tell_changes();
  hand_out(false);
}

bool Folder::is_complete(const Held& one) const {
  if (one.withdrawn || one.birth == 0) return true;
  const Connection& connection = connections_[one.connection];
  if (connection.birth != one.birth || connection.succeeded) return true;
  return was_silent(one.connection);
}

bool Folder::was_silent(std::size_t connection) const {
  const Instant last = places_[connection / kWays].ways[connection % kWays].last;
  return (now_ > last ? now_ - last : last - now_) > kSilence;
}

void Folder::hand_out_first() {
  Held& one = at(first_);
  ++first_;
  if (live_ && one.changed) tell_change(one);
  if (one.withdrawn) return;
  if (live_) {
    live_(Change::closed, one.attempt);
  } else {
    note_window_time(one.attempt);
    sink_(one.attempt);
  }
}

// Windows follow the stamps but never back, and not one that is far ahead of the attempts on both sides of it.
void Folder::note_window_time(Attempt& attempt) {
  if (attempt.time) {
    const Instant time = *attempt.time;
    std::optional<Instant> behind;
    for (Ticket ticket = first_; ticket < next_ && !behind; ++ticket) {
      if (!at(ticket).withdrawn) behind = at(ticket).attempt.time;
    }
    const bool ahead_of_next = behind && time > *behind + kAhead;
    if (!window_time_) {
      window_time_ = ahead_of_next ? *behind : time;
    } else if (!(ahead_of_next && time > *window_time_ + kAhead)) {
      window_time_ = std::max(*window_time_, time);
    }
  }
  attempt.window_time = window_time_.value_or(Instant{});
}

void Folder::note_change(Ticket ticket) {
  if (!live_) return;
  Held& one = at(ticket);
  if (one.changed) return;
  one.changed = true;
  changed_.push_back(ticket);
}

void Folder::tell_changes() {
  std::ranges::sort(changed_);
  for (const Ticket ticket : changed_) {
    if (ticket >= first_) tell_change(at(ticket));
  }
  changed_.clear();
}

void Folder::tell_change(Held& one) {
  one.changed = false;
  const bool known = std::exchange(one.told, true);
  live_(one.withdrawn ? Change::withdrawn : known ? Change::amended : Change::made, one.attempt);
}

void Folder::hand_out(bool all) {
  while (first_ < next_) {
    const Held& one = at(first_);
    if (!all) {
      if (!is_complete(one)) return;
      // a stamp that runs ahead is judged when the next attempt is there to compare it with
      const bool far =
          !one.withdrawn && one.attempt.time && (!window_time_ || *one.attempt.time > *window_time_ + kAhead);
      if (far && !live_ && first_ + 1 == next_) return;
    }
    hand_out_first();
  }
}

void Folder::pass(Instant now) {
  now_ = now;
  hand_out(false);
  if (ring_.size() > kFewHeldBack && first_ == next_ && !oldest_open_line()) forget_all();
}

// A connection that was silent for so long would be a new one with its next line anyway: the memory that a busy hour
// took goes back.
void Folder::forget_all() {
  ring_ = std::vector<Held>(kFewHeldBack);
  auto* const empty = static_cast<Connection*>(std::calloc(kMostConnections, sizeof(Connection)));
  if (empty == nullptr) return;
  connections_.reset(empty);
  std::ranges::fill(places_, Set{});
}

void Folder::finish() { hand_out(true); }

std::optional<std::uint64_t> Folder::oldest_open_line() const {
  std::optional<std::uint64_t> oldest;
  for (std::size_t i = 0; i < kMostConnections; ++i) {
    const Connection& one = connections_[i];
    if (one.birth != 0 && !was_silent(i)) oldest = std::min(one.first_line, oldest.value_or(one.first_line));
  }
  return oldest;
}

}  // namespace tipstaff
