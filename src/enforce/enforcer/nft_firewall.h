// The kernel's nf_tables, through netlink; no program nft, no shell. It owns the table `inet tipstaff` and touches nothing
// else. Each change is one transaction, however large. It also hears of changes by others.
#pragma once

#include <memory>

#include "enforce/enforcer/firewall.h"

namespace tipstaff {

class NftFirewall final : public Firewall {
 public:
  struct Options {
    bool keep_established = false;  ///< connections of a blocked host that stand already may go on
  };
  /// Errors: denied (no CAP_NET_ADMIN), unavailable (a kernel without nf_tables).
  [[nodiscard]] static Result<std::unique_ptr<NftFirewall>> open(Options options);
  ~NftFirewall() override;

  Result<void> read_blocks(Instant now, const OnBlock& each) override;
  Result<void> read_counts(const OnCount& each) override;
  Result<void> adopt(const NetworkSet& exempt) override;
  Result<void> rebuild(const BlockTable& blocks, const NetworkSet& exempt, Instant now) override;
  Result<void> set(std::span<const BlockChange> changes, Instant now) override;
  Result<void> remove(std::span<const BlockKey> keys) override;
  Result<std::vector<DropCount>> take_counts(std::span<const BlockKey> keys) override;
  Result<void> set_exempt(const NetworkSet& exempt) override;
  Result<bool> is_whole() override;
  Result<void> clear() override;

  /// Readable when somebody changed something.
  [[nodiscard]] int event_file() const;
  enum class Others : std::uint8_t { quiet, changed, unsure };
  /// Reads all events that wait. changed: another program touched this table; unsure: events were lost.
  Others read_events();

 private:
  struct State;
  explicit NftFirewall(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tipstaff
