// The blocks and exemptions that stand, told from the ledger alone: for commands where no guard runs. What the firewall
// really has is not known here.
#pragma once

#include <vector>

#include "base/result.h"
#include "control/block_book.h"
#include "ledger/reader.h"

namespace tipstaff {

struct LedgerBlocks {
  std::vector<StandingBlock> blocks;  ///< oldest first, numbered in that order
  std::vector<TimedExemption> exemptions;
};

[[nodiscard]] Result<LedgerBlocks> blocks_of_ledger(LedgerReader& ledger, Instant now);

}  // namespace tipstaff
