// Folding: many lines tell of one try to log in. The folder keeps the open connections (host, service, process number)
// and makes attempts out of findings, as design.md section 1 defines it: nobody who types one wrong password is counted
// twice, nobody who tries one user name and leaves is missed.
//
// An attempt is held back while a later line of its connection may still complete or withdraw it: until the connection was
// silent for ten minutes, has logged in, or its number belongs to another one. A scan can wait: it gets attempts whole, in
// the order in which they were made. The guard cannot: it is told at once of what a line has made of the attempts held.
// Memory is bounded: so many connections, so many attempts held back; beyond that the oldest attempt is handed out as it
// is, and counted; a connection that has to make room is forgotten without being counted.
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "detect/attempt.h"
#include "detect/header.h"
#include "detect/recognizer.h"

namespace tipstaff {

/// What became of an attempt. One line may change several. `closed`: nothing will change it any more, nor is it named
/// again; a withdrawn one is not named again either.
enum class Change : std::uint8_t { made, amended, withdrawn, closed };

class Folder {
 public:
  static constexpr std::chrono::minutes kSilence{10};
  /// How far ahead of both neighbours a stamp may be before windows stop following it.
  static constexpr std::chrono::hours kAhead{1};
  static constexpr std::size_t kMostConnections = 2'048;
  static constexpr std::size_t kMostHeldBack = 8'192;

  using Sink = std::function<void(const Attempt&)>;
  /// Hands out attempts when they are complete, with their window time.
  explicit Folder(Sink sink);
  using LiveSink = std::function<void(Change, Attempt&)>;
  /// Tells of every change at the end of the `add` that made it, the oldest attempt first. A line makes one attempt at
  /// most, so its number (Attempt::line) names the attempt. The window time is for the receiver to set when it is made.
  explicit Folder(LiveSink sink);

  /// One understood line that is not harmless. `time`: its stamp, if it has one.
  void add(const Header& header, const Finding& finding, std::optional<Instant> time, std::uint64_t line);
  /// One such line of which it is not sure that the service wrote it. It touches no connection, and whatever tells of a
  /// try is a probe.
  void add_unsure(const Header& header, const Finding& finding, std::optional<Instant> time, std::uint64_t line);
  /// It is `now` by the stamps of these lines: what was silent for long enough is handed out without a further line.
  void pass(Instant now);
  /// No more lines: hands out everything.
  void finish();

  /// The number of the oldest line of all connections that may go on; none: there is no such connection. A new Folder
  /// that is given the lines from there on knows again all that is open.
  [[nodiscard]] std::optional<std::uint64_t> oldest_open_line() const;

  /// Attempts handed out before they were surely complete, because so many were held back.
  [[nodiscard]] std::uint64_t given_up() const { return given_up_; }

 private:
  using Ticket = std::uint64_t;  // number of an attempt, from 1; 0: none
  struct Account {
    std::uint64_t hash = 0;  // 0: no line has named it yet
    Ticket newest = 0;
    Ticket once = 0;                   // the attempt of the lines that tell of one together
    std::uint32_t open = 0;            // attempts made by lines that tell of one, which failure lines will use up
    const Pattern* told_by = nullptr;  // made the newest of them
  };
  // The place of a connection in the table, as far as looking for it needs; those it may lie in make one cache line.
  struct Place {
    std::uint64_t key = 0;  // 0: free
    Instant last{};         // when its last line was
  };
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kFewHeldBack = 16;  // room for so many is always kept
  struct alignas(kWays * sizeof(Place)) Set {
    std::array<Place, kWays> ways;
  };
  struct Connection {
    std::uint64_t birth = 0;  // number of this connection, from 1; 0: none
    std::uint64_t first_line = 0;
    IpAddress address;
    bool has_address = false;
    bool succeeded = false;
    bool incomplete = false;  // some attempt of it lacks address or port
    std::uint16_t port = 0;
    std::uint8_t accounts = 0;
    Ticket probe = 0;
    Ticket oldest = 0;
    std::array<Account, 3> account{};
  };
  struct Held {
    Attempt attempt;
    std::uint64_t birth = 0;       // of its connection; 0: belongs to none
    std::uint32_t connection = 0;  // its place in the table
    bool withdrawable = false;
    bool withdrawn = false;
    bool changed = false;  // stands in changed_
    bool told = false;     // the live sink knows it
  };

  Connection* find_connection(const Header& header, const Finding& finding, Instant time, std::uint64_t line);
  void learn(Connection& connection, const Finding& finding, std::uint64_t line);
  Account* account_of(Connection& connection, const Finding& finding);
  Account& new_account(Connection& connection, const Finding& finding);
  void add_failure(Connection& connection, const Header& header, const Finding& finding, std::optional<Instant> time,
                   std::uint64_t line);
  void add_told(Connection& connection, const Header& header, const Finding& finding, std::optional<Instant> time,
                std::uint64_t line);
  void add_success(Connection& connection, const Header& header, const Finding& finding, std::optional<Instant> time,
                   std::uint64_t line);
  Ticket make(Connection* connection, Outcome outcome, const Header& header, const Finding& finding,
              std::optional<Instant> time, std::uint64_t line, std::uint32_t count);
  void complete(Ticket ticket, const Finding& finding, std::uint64_t line);
  void withdraw(Ticket ticket);
  Held* held(Ticket ticket);
  Held& at(Ticket ticket) { return ring_[(ticket - 1) & (ring_.size() - 1)]; }
  [[nodiscard]] bool is_complete(const Held& one) const;
  [[nodiscard]] bool was_silent(std::size_t connection) const;
  void forget_all();
  void hand_out(bool all);
  void hand_out_first();
  void note_window_time(Attempt& attempt);
  void note_change(Ticket ticket);
  void tell_changes();
  void tell_change(Held& one);
  std::string_view service_of(const Finding& finding);
  std::uint64_t host_number(std::string_view host);

  Sink sink_;
  LiveSink live_;                // instead of sink_
  std::vector<Ticket> changed_;  // by the line in hand; live only
  std::vector<Set> places_;      // of the connections: looked through before any of them is touched
  // Zeroed by the system when it is touched: most sources never have so many connections.
  struct Free {
    void operator()(Connection* all) const { std::free(all); }
  };
  std::unique_ptr<Connection[], Free> connections_;
  std::vector<Held> ring_;
  Ticket first_ = 1;  // oldest one held back
  Ticket next_ = 1;
  std::uint64_t births_ = 0;
  std::uint64_t given_up_ = 0;
  Instant now_{};
  std::optional<Instant> window_time_;
  std::unordered_set<std::string> services_;
  std::string host_;  // the host named last, and its number
  std::uint64_t host_number_ = 0;
};

}  // namespace tipstaff
