// The guard's side of the enforcer's socket: connects, comes back after it was lost, sends, and hands on what the enforcer
// says. It never blocks the guard and never waits for an answer; what is sent while nobody is there is dropped, since
// after each connection the guard compares what should stand with what stands (`connected`).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforce/message.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

class EnforcerClient {
 public:
  /// All are called on the loop, never from within a call of this class.
  struct Handlers {
    /// A connection stands; `standing`: all that the enforcer has.
    std::function<void(std::vector<FirewallBlock> standing)> connected;
    /// It is lost or could not be made (told once until it stands again).
    std::function<void(const Error& error)> lost;
    /// Entries of a block that were not taken, with why.
    std::function<void(std::span<const Entry> entries)> refused;
    /// Blocks that are over, by their time or by unblock(), with their last counter.
    std::function<void(std::span<const Entry> entries)> ended;
    /// Somebody had changed the firewall's table, and the enforcer put it right.
    std::function<void(const std::string& what)> repaired;
  };

  EnforcerClient(boost::asio::io_context& loop, std::string path, Handlers handlers);
  ~EnforcerClient();
  EnforcerClient(const EnforcerClient&) = delete;
  EnforcerClient& operator=(const EnforcerClient&) = delete;

  /// Begins to connect; tries again with growing pauses, at most one second.
  void start();
  [[nodiscard]] bool is_connected() const;

  void block(std::span<const FirewallBlock> blocks);
  void unblock(std::span<const BlockKey> keys);
  void allow(std::span<const IpNetwork> networks);
  /// All that stands, with counters; not called where the connection is lost before.
  void list(std::function<void(std::vector<FirewallBlock>)> answer);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tipstaff
