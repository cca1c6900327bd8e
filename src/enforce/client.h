// The guard's side of the enforcer's socket: connects, comes back after it was lost, sends, and hands on what the enforcer
// says. It never blocks the guard and never waits for an answer: what the socket does not take at once waits in a bounded
// queue, and an enforcer that does not read or answer for too long counts as lost.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "enforce/backend.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

class EnforcerClient final : public BlockBackend {
 public:
  using Handlers = BackendHandlers;

  EnforcerClient(boost::asio::io_context& loop, std::string path, Handlers handlers);
  ~EnforcerClient() override;
  EnforcerClient(const EnforcerClient&) = delete;
  EnforcerClient& operator=(const EnforcerClient&) = delete;

  /// Begins to connect; tries again with growing pauses, at most one second.
  void start() override;
  [[nodiscard]] bool is_connected() const override;
  void block(std::span<const FirewallBlock> blocks) override;
  void unblock(std::span<const BlockKey> keys) override;
  void allow(std::span<const IpNetwork> networks) override;
  void list(std::function<void(std::vector<FirewallBlock>)> answer) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tipstaff
