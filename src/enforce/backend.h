// What shuts and opens, as the guard sees it: the enforcer behind its socket, or a command of the administrator's. The
// guard never waits for either. What is asked while nobody is there is dropped, since after each connection the guard
// compares what should stand with what stands (`connected`). Tests put a firewall of their own here.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforce/block.h"
#include "enforce/message.h"

namespace tipstaff {

/// What a firewall tells. All are called on the loop, never from within a call of BlockBackend.
struct BackendHandlers {
  /// It is there; `standing`: all that it has.
  std::function<void(std::vector<FirewallBlock> standing)> connected;
  /// It is lost or could not be reached (told once until it is there again).
  std::function<void(const Error& error)> lost;
  /// These were asked for and are in force.
  std::function<void(std::span<const BlockKey> keys)> in_force;
  /// Entries of a block that were not taken, with why.
  std::function<void(std::span<const Entry> entries)> refused;
  /// Blocks that are over, by their time or by unblock(), with their last counter.
  std::function<void(std::span<const Entry> entries)> ended;
  /// Somebody had changed the firewall's table, and it was put right.
  std::function<void(const std::string& what)> repaired;
  /// Something else that the administrator should know.
  std::function<void(const Error& error)> problem;
};

class BlockBackend {
 public:
  virtual ~BlockBackend() = default;
  virtual void start() = 0;
  [[nodiscard]] virtual bool is_connected() const = 0;
  /// Sets blocks, or gives them a new end; their counters go on.
  virtual void block(std::span<const FirewallBlock> blocks) = 0;
  virtual void unblock(std::span<const BlockKey> keys) = 0;
  /// Takes the place of what was allowed before.
  virtual void allow(std::span<const IpNetwork> networks) = 0;
  /// All that stands, with counters; not called where the connection is lost before.
  virtual void list(std::function<void(std::vector<FirewallBlock>)> answer) = 0;
};

}  // namespace tipstaff
