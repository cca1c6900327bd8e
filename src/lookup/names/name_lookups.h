// Asks DNS for the names of addresses, in the background and within bounds: nobody ever waits for an answer. Whoever wants
// to know of an address looks here first (known()), asks (ask()), and is told when there is more. One thread of its own
// drives c-ares; a bounded number of addresses is worked on at a time, a bounded number waits, and what is found is kept
// until it expires, a bounded number of addresses, the one that expires first going first.
//
// It sends questions about reverse names to the resolver of this machine, who passes them on to whoever runs them, that is,
// possibly to the attacker: therefore it is off until the administrator turns it on ([lookups] dns). Nothing is ever sent to
// the address itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "lookup/names/address_names.h"
#include "lookup/names/public_suffix.h"

namespace tipstaff {

struct NameLookupOptions {
  /// Resolvers, as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53"; empty: those of /etc/resolv.conf.
  std::vector<std::string> servers = {};
  std::chrono::milliseconds timeout{2'000};   ///< of the first try of a question; the next one waits twice as long
  unsigned tries = 2;                         ///< of each server
  std::chrono::milliseconds longest{15'000};  ///< of one address; what is unanswered then is a problem of its result
  std::size_t at_a_time = 32;                 ///< addresses that are worked on
  std::size_t most_waiting = 4'096;           ///< addresses that wait; further ones are refused and counted
  std::size_t most_kept = 20'000;             ///< addresses whose names are kept
  std::chrono::seconds least_kept{300};       ///< bounds of how long a result holds, whatever the TTLs say
  std::chrono::seconds longest_kept{86'400};
  std::chrono::seconds failure_kept{120};  ///< the same where something could not be found out
  std::function<Instant()> clock = {};     ///< of expiry and `asked`; empty: the system's
  /// Told of each result on the look-ups' own thread; must not wait. May be empty.
  std::function<void(const AddressNames& names)> answered = {};
};

class NameLookups {
 public:
  struct Counters {
    std::uint64_t questions = 0;  ///< sent to DNS (tries not counted)
    std::uint64_t failed = 0;     ///< of these: no answer that could be used
    std::uint64_t refused = 0;    ///< addresses that were not taken because too many waited
    std::uint64_t evicted = 0;    ///< results that went before they expired
    std::uint64_t dropped = 0;    ///< names and records that were not taken
    std::size_t waiting = 0;      ///< addresses now, those that are worked on among them
    std::size_t kept = 0;
  };

  /// Starts the thread. Errors: invalid (a server that is no address), unavailable.
  [[nodiscard]] static Result<std::unique_ptr<NameLookups>> start(NameLookupOptions options, PublicSuffixes suffixes);
  /// Ends the thread, whatever DNS does; answered() is not called any more.
  ~NameLookups();
  NameLookups(const NameLookups&) = delete;
  NameLookups& operator=(const NameLookups&) = delete;

  // All of these may be called from any thread and never wait for DNS.

  /// What is kept of the address and has not expired.
  [[nodiscard]] std::optional<AddressNames> known(IpAddress address) const;
  /// Has the address looked up; does nothing where it is known, or asked already. Addresses that no name server of the
  /// world knows (loopback, link-local, multicast) are known at once to have no name. False: too many wait; it was counted.
  bool ask(IpAddress address);
  /// All that is kept and has not expired, to be saved.
  [[nodiscard]] std::vector<AddressNames> kept() const;
  /// Takes up what was saved. What has expired or does not hold what a look-up would have given is passed over.
  void restore(const std::vector<AddressNames>& saved);
  [[nodiscard]] Counters counters() const;

 private:
  struct State;
  explicit NameLookups(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
