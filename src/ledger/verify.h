// Was anything changed? Reads every row of every month, computes its digest, the Merkle root of its batch and the link of
// the chain, and compares; then compares the chain with the heads that were signed, and with copies of heads that were
// kept elsewhere. Only these convict somebody who can write the files and the key: he can make a whole new chain, but not
// one that runs through a head he does not have. Writes nothing, and works while the guard runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ledger/writer.h"

namespace tipstaff {

/// The first thing that is not as it was written.
struct Breakage {
  std::string file;
  std::uint64_t batch = 0;  ///< 0: not in a batch
  std::uint64_t row = 0;    ///< 0: no row
  std::string text;         ///< a sentence
};

struct VerifyResult {
  std::uint64_t files = 0, batches = 0, rows = 0, erased = 0;
  std::uint64_t heads = 0;  ///< signed heads the chain runs through
  std::optional<Breakage> broken;
  std::vector<std::string> notes;  ///< files that were put aside or removed, heads that could not be compared
};

/// `copies`: heads kept outside the ledger. Errors: not_found, denied, unavailable; damage is no error but `broken`.
[[nodiscard]] Result<VerifyResult> verify_ledger(const std::string& folder, const std::vector<SignedHead>& copies);

}  // namespace tipstaff
