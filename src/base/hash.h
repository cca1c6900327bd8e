// Hashes for tables in memory. Fast and well spread, but not keyed: whoever chooses the keys can make them collide, so
// every table that uses them is bounded.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace tipstaff {

/// Spreads the bits of one word (the finaliser of splitmix64).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

/// Up to eight bytes as one word; the order of the bytes is the machine's.
[[nodiscard]] inline std::uint64_t word_of(const char* bytes, std::size_t size) {
  std::uint64_t word = 0;
  if (size >= 4) {
    std::uint32_t head = 0;
    std::uint32_t tail = 0;
    std::memcpy(&head, bytes, 4);
    std::memcpy(&tail, bytes + size - 4, 4);
    word = head | std::uint64_t{tail} << ((size - 4) * 8);
  } else if (size > 0) {
    word = static_cast<unsigned char>(bytes[0]) | std::uint64_t{static_cast<unsigned char>(bytes[size / 2])} << 8U |
           std::uint64_t{static_cast<unsigned char>(bytes[size - 1])} << 16U;
  }
  return word;
}

/// 64 bits of a text; different seeds give independent values.
[[nodiscard]] inline std::uint64_t hash_of(std::string_view text, std::uint64_t seed = 0) {
  std::uint64_t hash = seed ^ (text.size() * 0x9e3779b97f4a7c15ULL);
  const char* at = text.data();
  std::size_t left = text.size();
  while (left > 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9ULL;
    hash ^= hash >> 29U;
    at += 8;
    left -= 8;
  }
  return mix(hash ^ word_of(at, left));
}

}  // namespace tipstaff
