// The guard's list of blocks as lines for people. There may be 100,000, so the answer is not made into values: it is read
// once from its beginning to its end, and what many lines have in common is worded once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// One block of an answer; members that it leaves out are as here.
struct ListedBlock {
  std::uint64_t id = 0;
  std::uint64_t dropped = 0;
  std::string network, service, until, rule, by, why;
  bool enforced = false, exempt = false, effective = true;
};

/// Cuts blocks into columns.
class BlockRows {
 public:
  /// Of an answer to `blocks` (docs/formats/control.md). Time that is left counts from its "now", else from `now`.
  /// Errors: invalid (it is no such answer).
  [[nodiscard]] static Result<BlockRows> read(std::string_view answer, Instant now);

  explicit BlockRows(Instant now) : now_(now) {}
  void set_now(Instant now) { now_ = now; }
  void add(const ListedBlock& block);
  [[nodiscard]] bool empty() const { return ends_.empty(); }
  /// A line for each, with its line feed.
  [[nodiscard]] std::string text() const;

 private:
  static constexpr std::size_t kColumns = 6;
  [[nodiscard]] const std::string& left(const std::string& until);
  [[nodiscard]] const std::string& cause(const ListedBlock& block);
  void cell(std::size_t column, std::string_view text);

  Instant now_;
  std::string cells_;                                      // one behind the other
  std::vector<std::array<std::uint32_t, kColumns>> ends_;  // of each row's cells, in cells_
  std::array<std::size_t, kColumns - 1> widths_{};
  std::string until_, left_;             // of the last row
  std::string rule_, by_, why_, cause_;  // likewise
};

}  // namespace tipstaff
