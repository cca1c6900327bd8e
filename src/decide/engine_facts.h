// What the engine knows of the attempt in hand, each thing worked out when it is first asked for: its keys in the tables, its
// place. For the files of the engine alone.
#pragma once

#include <optional>

#include "decide/engine.h"

namespace tipstaff {

// A success after so many failures at its place, each within kGuessing of the one before, may have been guessed.
inline constexpr std::uint32_t kGuesses = 5;
inline constexpr std::chrono::hours kGuessing{1};

struct RuleEngine::Facts {
  explicit Facts(const Attempt& of) : attempt(of), now(of.window_time), host(hash_of(of.host, kHostSeed)) {}

  std::uint64_t account() {
    if (!account_) account_ = hash_of(attempt.account, kAccountSeed);
    return *account_;
  }
  std::uint64_t host_and_service() {
    if (!scope_) scope_ = mix(host ^ hash_of(attempt.service, kServiceSeed));
    return *scope_;
  }

  TableKey place() { return key(kPlace); }
  TableKey place_and_account() {
    const TableKey place = this->place();
    return {place.a ^ account(), place.b ^ mix(account())};
  }

  std::uint64_t scope(Rule::Scope of) { return of == Rule::Scope::service ? host_and_service() : host; }

  // What tries of this attempt's address are counted by and blocked by. The prefix length enters, so that a network and
  // its first address are two things. Rules mostly share one shape, so the last key is kept.
  TableKey key(const Shape& shape) {
    if (has_key_ && shape == shape_) return key_;
    const IpAddress address = *attempt.address;
    const unsigned bits = address.is_v4() ? shape.ipv4_prefix : shape.ipv6_prefix;
    key_ = TableKey::of(cut(address, shape.ipv4_prefix, shape.ipv6_prefix), scope(shape.scope) + bits);
    shape_ = shape;
    has_key_ = true;
    return key_;
  }

  TableKey account_key(Rule::Scope of) {
    return {account() ^ scope(of), mix(scope(of)) ^ hash_of(attempt.account, kAccountSeed2)};
  }

  TableKey origin_key(const Rule& rule, const NetworkOrigin& origin) {
    const std::uint64_t value =
        mix(origin.country.is_known() ? kCountrySeed + origin.country.value() : kAsSeed + origin.as_number);
    return {value ^ scope(rule.scope), mix(scope(rule.scope)) + value};
  }

  const Attempt& attempt;
  Instant now;
  std::uint64_t host;
  std::optional<bool> forgiven;
  std::optional<bool> stale;
  bool at_logins = false;                             // a failure at a place where somebody logged in
  std::uint32_t place_at = KeyedTable<Place>::kNone;  // its entry, once it was looked for
  bool place_sought = false;

 private:
  static constexpr std::uint64_t kHostSeed = 0x7469707374616666ULL;
  static constexpr std::uint64_t kServiceSeed = 0x8b72e2d1c4f05a93ULL;
  static constexpr std::uint64_t kAccountSeed = 0x3c6ef372fe94f82bULL;
  static constexpr std::uint64_t kCountrySeed = 0x510e527fade682d1ULL;
  static constexpr std::uint64_t kAsSeed = 0x9b05688c2b3e6c1fULL;
  static constexpr std::uint64_t kAccountSeed2 = 0xa54ff53a5f1d36f1ULL;

  static constexpr std::uint64_t high_mask(unsigned bits) {
    return bits == 0 ? 0 : bits >= 64 ? ~0ULL : ~0ULL << (64 - bits);
  }

  // IpNetwork's masking without a call, for the hot path.
  static constexpr IpAddress cut(IpAddress address, unsigned v4_bits, unsigned v6_bits) {
    const unsigned bits = address.is_v4() ? v4_bits + 96 : v6_bits;
    return {address.high() & high_mask(bits), bits <= 64 ? 0 : address.low() & high_mask(bits - 64)};
  }

  Shape shape_;
  TableKey key_;
  bool has_key_ = false;
  std::optional<std::uint64_t> account_;
  std::optional<std::uint64_t> scope_;
};

}  // namespace tipstaff
