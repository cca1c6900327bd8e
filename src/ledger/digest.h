// The ledger's cryptography: SHA-256, a Merkle tree of row digests, the chain's links, and the Ed25519 key that signs the
// head. Leaves and nodes are hashed with different first bytes (as in RFC 6962 2.1), so that no node passes for a row.
// No other file includes OpenSSL.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tipstaff {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] inline std::string_view bytes_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}
/// None where `bytes` is not 32 bytes long.
[[nodiscard]] std::optional<Digest> digest_of(std::string_view bytes);

[[nodiscard]] std::string to_hex(std::string_view bytes);
/// None where a character is no hexadecimal digit, or one is missing.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);

/// Hashes many short texts without allocating for each.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  /// Of the parts joined.
  [[nodiscard]] Digest hash(std::string_view first, std::string_view second = {}, std::string_view third = {});

  /// Of a row: its salt and its canonical bytes.
  [[nodiscard]] Digest leaf(std::string_view salt, std::string_view row) {
    return hash(std::string_view("\0", 1), salt, row);
  }
  /// Root of the tree over `leaves` (digests of 32 bytes each, joined); an odd one out goes up as it is.
  [[nodiscard]] Digest root(std::string_view leaves);
  /// The next link of the chain. `facts` are the batch's own: number, first row, rows, time.
  [[nodiscard]] Digest link(const Digest& before, std::span<const std::uint64_t> facts, const Digest& root);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// HMAC-SHA-256 (RFC 2104).
[[nodiscard]] Digest keyed_digest(std::string_view key, std::string_view text);

/// Fills with the system's random bytes. A machine without them cannot go on: the program ends.
void fill_random(std::span<char> bytes);
/// A random uuid, RFC 9562 version 4.
[[nodiscard]] std::string random_uuid();

/// The key that signs heads: a seed of 32 bytes in a file of its own.
class SigningKey {
 public:
  /// Reads it, or makes it (0600). `made` tells which. Errors: denied, unavailable, corrupt (not 32 bytes).
  [[nodiscard]] static Result<SigningKey> open(const std::string& path, bool& made);
  /// 32 bytes.
  [[nodiscard]] const std::string& public_key() const { return public_; }
  /// 64 bytes. Errors: internal.
  [[nodiscard]] Result<std::string> sign(std::string_view text) const;
  /// A secret for another purpose, derived from the seed.
  [[nodiscard]] std::string derive(std::string_view purpose) const {
    return std::string(bytes_of(keyed_digest(seed_, purpose)));
  }

 private:
  std::string seed_, public_;
};

[[nodiscard]] bool signature_is_good(std::string_view public_key, std::string_view text, std::string_view signature);

}  // namespace tipstaff
