// The enforcer's loop: peers on the socket, events of the kernel, signals and times, each served in turn and none for long.
// One thread; whatever a peer sends, the firewall's events and the blocks' ends come between two of its packets.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/service_notify.h"
#include "enforce/enforcer/enforcer.h"
#include "enforce/enforcer/nft_firewall.h"
#include "enforce/enforcer/own_addresses.h"
#include "enforce/enforcer/peer.h"

namespace tipstaff {

class EnforcerServer {
 public:
  struct Options {
    std::string allowlist;
    std::optional<uid_t> user = std::nullopt;  ///< the guard's; beside root
    bool keep_established = false;             ///< as the firewall was opened, for the status
  };
  static constexpr std::size_t kMostPeers = 16;
  /// Ended blocks that wait for somebody to be told.
  static constexpr std::size_t kMostUntold = 50'000;

  /// `listener`: a listening SOCK_SEQPACKET socket; `signals`: a signalfd for SIGHUP, SIGTERM and SIGINT. Both are taken over.
  EnforcerServer(Options options, std::unique_ptr<NftFirewall> firewall, OwnAddresses addresses, int listener,
                 int signals, EnforcerLog log);
  ~EnforcerServer();
  EnforcerServer(const EnforcerServer&) = delete;
  EnforcerServer& operator=(const EnforcerServer&) = delete;

  /// Takes over the firewall's table. `allowlist`: as read at the start.
  Result<void> start(std::vector<IpNetwork> allowlist);
  /// Serves until SIGTERM or SIGINT. Blocks stay when it ends.
  void run();

 private:
  using Clock = SocketPeer::Clock;
  static Instant now();

  void add_peer();
  /// False: the connection is to end.
  bool serve(SocketPeer& peer);
  bool answer(SocketPeer& peer, const Message& message);
  void tell_untold(SocketPeer& peer);
  void tell(std::vector<Entry> ended, const SocketPeer* except);
  void tell_all(const Message& message);
  SocketPeer::Snapshot snapshot();
  [[nodiscard]] std::string status() const;
  bool read_signals();
  void reload_allowlist();
  void refresh_own();
  void firewall_events();
  void do_repair();
  void do_timed(Clock::time_point at);
  [[nodiscard]] std::chrono::milliseconds until_next(Clock::time_point at) const;

  Options options_;
  std::unique_ptr<NftFirewall> firewall_;
  OwnAddresses addresses_;
  int listener_;
  int signals_;
  EnforcerLog log_;
  Enforcer enforcer_;
  ServiceNotify notify_;
  std::vector<std::unique_ptr<SocketPeer>> peers_;
  std::vector<IpNetwork> allowlist_;
  std::vector<IpNetwork> own_;
  std::string allowlist_problem_;
  std::deque<Entry> untold_;
  std::uint64_t untold_lost_ = 0;
  std::weak_ptr<const std::vector<BlockTable::Slot>> snapshot_;
  std::uint64_t snapshot_version_ = 0;
  Instant started_{};

  std::optional<std::chrono::microseconds> watchdog_;
  bool wants_repair_ = false;
  bool wants_audit_ = false;
  Clock::time_point repair_not_before_{};
  Clock::time_point next_check_{};
  Clock::time_point next_audit_{};
  Clock::time_point next_own_{};
  Clock::time_point next_watchdog_{};
  Clock::time_point counts_read_{};
};

}  // namespace tipstaff
