// Bytes of the ledger's own making: numbers of variable length, canonical bytes of rows (what a row's digest covers), and
// blocks of raw lines. Canonical bytes hold what a row means, texts instead of ids, so that a changed text is a changed
// row. Every reader here takes any bytes: a bad length is an error, never a read beyond the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ledger/rows.h"

namespace tipstaff {

/// LEB128, least significant group first.
void put_number(std::string& out, std::uint64_t value);
/// Zigzag: small negative numbers are short too.
void put_signed(std::string& out, std::int64_t value);
/// Length, then bytes.
void put_text(std::string& out, std::string_view text);

/// Reads what put_* wrote. After an error all values are 0 or empty, and ok() is false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] std::uint64_t number();
  [[nodiscard]] std::int64_t signed_number();
  [[nodiscard]] std::string_view text();
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

/// 16 bytes, most significant first.
[[nodiscard]] std::string to_bytes(IpAddress address);
/// The address, then one byte of prefix length in the 128-bit form.
[[nodiscard]] std::string to_bytes(const IpNetwork& network);
[[nodiscard]] std::optional<IpAddress> address_of(std::string_view bytes);
[[nodiscard]] std::optional<IpNetwork> network_of(std::string_view bytes);

[[nodiscard]] std::int64_t to_micros(Instant time);
[[nodiscard]] Instant from_micros(std::int64_t micros);

/// What the digest of a row covers. `account` is the stored form (store.h), `recorded` the batch's.
void put_canonical(std::string& out, const AttemptRow& row, std::string_view account);
void put_canonical(std::string& out, const VerdictRow& row, std::string_view account);
void put_canonical(std::string& out, const EventRow& row, std::string_view detail);

/// Keys of a verdict's attempts.
[[nodiscard]] std::string pack_keys(const std::vector<AttemptKey>& keys);
[[nodiscard]] std::vector<AttemptKey> unpack_keys(std::string_view bytes);

/// Ascending numbers as differences.
[[nodiscard]] std::string pack_ids(const std::vector<std::uint64_t>& ids);
[[nodiscard]] std::vector<std::uint64_t> unpack_ids(std::string_view bytes);

/// Raw lines of one batch, one element for each attempt, as one zstd frame.
using RawLines = std::vector<std::vector<std::string>>;
[[nodiscard]] std::string pack_lines(const RawLines& lines);
/// Errors: corrupt. A block of more than 256 MiB unpacked is refused.
[[nodiscard]] Result<RawLines> unpack_lines(std::string_view block);
/// Those of the attempts at these places alone, ascending, one element for each.
[[nodiscard]] Result<RawLines> unpack_lines(std::string_view block, const std::vector<std::uint64_t>& places);

}  // namespace tipstaff
