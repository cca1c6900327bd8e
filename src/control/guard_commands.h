// Changes by hand in a running guard: checks what is asked, changes book and firewall, writes the ledger's row and journal
// entry, and has them written before the answer. Where the ledger cannot take them, the change holds nevertheless and the
// answer says so: support must be able to let a customer in while a disk is full.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/enforcement.h"
#include "control/guard_control.h"
#include "control/guard_core.h"

namespace tipstaff {

class GuardCommands final : public GuardControl {
 public:
  struct Surroundings {
    std::function<GuardCore&()> core;  ///< the one in force
    std::function<bool()> write_now;   ///< true: all rows are in the ledger
    std::function<Instant()> clock;
  };
  GuardCommands(std::shared_ptr<Enforcement> enforcement, LogSink log, Surroundings surroundings);

  Result<BlockAnswer> block(const BlockRequest& request) override;
  Result<UnblockAnswer> unblock(std::optional<IpNetwork> network, const std::string& why,
                                const std::string& by) override;
  std::size_t take_back_since(Instant begun, const std::string& why, const std::string& by) override;
  Result<ChangeAnswer> exempt(const TimedExemption& exemption) override;
  void each_block(const std::function<void(const StandingBlock&)>& use) const override;
  [[nodiscard]] std::vector<StandingBlock> blocks_of(IpAddress address) const override;
  [[nodiscard]] std::optional<StandingBlock> block_of(std::uint64_t id) const override;
  [[nodiscard]] std::vector<TimedExemption> exemptions() const override;

 private:
  [[nodiscard]] Result<void> may_block(const BlockRequest& request) const;
  [[nodiscard]] VerdictRow row_of(VerdictKind kind, const std::string& by, const std::string& why) const;
  void write(VerdictRow row, const std::string& sentence, ChangeAnswer& answer);

  std::shared_ptr<Enforcement> enforcement_;
  LogSink log_;
  Surroundings around_;
};

}  // namespace tipstaff
