// One connection to the enforcer's socket: who it is, packets in, packets out through a bounded queue. It never waits; what
// its other end does not fetch in time ends it. A list goes out piece by piece, as it was when it was asked for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "enforce/enforcer/block_table.h"
#include "enforce/message.h"

namespace tipstaff {

class SocketPeer {
 public:
  using Clock = std::chrono::steady_clock;
  using Snapshot = std::shared_ptr<const std::vector<BlockTable::Slot>>;
  /// Bytes that wait to be sent; beyond it the peer is too slow.
  static constexpr std::size_t kMostQueued = 4U << 20U;
  /// How long nothing may move, and until when a new connection must say hello.
  static constexpr std::chrono::seconds kPatience{10};

  /// Takes over the socket.
  SocketPeer(int file, uid_t user, Clock::time_point now);
  ~SocketPeer();
  SocketPeer(const SocketPeer&) = delete;
  SocketPeer& operator=(const SocketPeer&) = delete;

  [[nodiscard]] int file() const { return file_; }
  [[nodiscard]] bool is_root() const { return user_ == 0; }
  [[nodiscard]] uid_t user() const { return user_; }

  enum class Got : std::uint8_t { nothing, packet, end };
  /// Reads one packet. `packet` is valid until the next call.
  Got receive(std::string& packet);
  void send(const Message& message);
  /// Sends these blocks as `blocks`, then `done`.
  void send_list(Snapshot blocks, std::uint32_t sequence);
  /// Sends what the socket takes. False: the connection is over.
  bool flush(Clock::time_point now);
  [[nodiscard]] bool has_output() const { return !queue_.empty() || list_ != nullptr; }
  /// False: it did not say hello in time, does not read, or does not read fast enough.
  [[nodiscard]] bool is_in_time(Clock::time_point now) const;

  bool said_hello = false;
  bool wants_events = false;
  bool ends = false;  ///< after what is queued

 private:
  void fill_from_list();

  int file_;
  uid_t user_;
  Clock::time_point moved_;
  std::deque<std::string> queue_;
  std::size_t queued_ = 0;
  Snapshot list_;
  std::size_t list_at_ = 0;
  std::uint32_t list_sequence_ = 0;
};

}  // namespace tipstaff
