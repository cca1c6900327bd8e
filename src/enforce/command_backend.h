// A program of the administrator's in the place of the enforcer: a provider's API, a router, a set of another firewall. It
// is started without a shell and gets the changes as lines of JSON on standard input (docs/formats/enforce.md); one run at
// a time, what comes meanwhile waits for the next. It cannot be asked what stands, so it is told everything when the guard
// begins and after each run that failed, and the end of each block when it has come. It counts nothing.
#pragma once

#include <chrono>
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

struct CommandOptions {
  std::vector<std::string> command;              ///< absolute path and arguments
  std::chrono::milliseconds timeout{30'000};     ///< of one run; then it is killed
  std::chrono::milliseconds first_pause{1'000};  ///< after a run that failed; doubled each time, up to a minute
  std::function<Instant()> clock;
};

class CommandBackend final : public BlockBackend {
 public:
  CommandBackend(boost::asio::io_context& loop, CommandOptions options, BackendHandlers handlers);
  /// Kills what runs.
  ~CommandBackend() override;
  CommandBackend(const CommandBackend&) = delete;
  CommandBackend& operator=(const CommandBackend&) = delete;

  void start() override;
  [[nodiscard]] bool is_connected() const override;
  void block(std::span<const FirewallBlock> blocks) override;
  void unblock(std::span<const BlockKey> keys) override;
  void allow(std::span<const IpNetwork> networks) override;
  /// Does not answer: nothing is counted.
  void list(std::function<void(std::vector<FirewallBlock>)> answer) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tipstaff
