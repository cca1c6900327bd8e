// Looking for a byte in the next few: eight at a time and inlined, since most fields of a log line are shorter than a call
// of memchr() is worth, and their varying lengths cost a byte loop a misprediction each.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tipstaff {

static_assert(std::endian::native == std::endian::little, "the first byte in memory must be the lowest of a word");

/// The high bit of each byte of `word` that equals the byte repeated in `pattern`; exact up to the first such byte.
[[nodiscard]] constexpr std::uint64_t equal_marks(std::uint64_t word, std::uint64_t pattern) {
  const std::uint64_t difference = word ^ pattern;
  return (difference - 0x0101010101010101ULL) & ~difference & 0x8080808080808080ULL;
}

[[nodiscard]] constexpr std::uint64_t repeated(char c) { return 0x0101010101010101ULL * static_cast<unsigned char>(c); }

#if defined(__SSE2__)
/// Sixteen bytes at a time where the processor has words of that size; a bit of the result for each byte that is `a` or `b`.
[[nodiscard]] inline unsigned marks_of(const char* at, char a, char b) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i same = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(a)), _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b)));
  return static_cast<unsigned>(_mm_movemask_epi8(same));
}
#endif

/// The first `a` or `b` in [at, end); `end` where there is none.
[[nodiscard]] inline const char* find_either(const char* at, const char* end, char a, char b) {
#if defined(__SSE2__)
  for (; end - at >= 16; at += 16) {
    if (const unsigned marks = marks_of(at, a, b); marks != 0) return at + std::countr_zero(marks);
  }
#endif
  for (; end - at >= 8; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    const std::uint64_t marks = equal_marks(word, repeated(a)) | equal_marks(word, repeated(b));
    if (marks != 0) return at + std::countr_zero(marks) / 8;
  }
  while (at < end && *at != a && *at != b) ++at;
  return at;
}

/// The first `c` in [at, end); `end` where there is none.
[[nodiscard]] inline const char* find_byte(const char* at, const char* end, char c) {
  return find_either(at, end, c, c);
}

/// Behind the last `a` or `b` in [begin, at); `begin` where there is none.
[[nodiscard]] inline const char* find_last_either(const char* begin, const char* at, char a, char b) {
#if defined(__SSE2__)
  for (; at - begin >= 16; at -= 16) {
    if (const unsigned marks = marks_of(at - 16, a, b); marks != 0) return at - (std::countl_zero(marks) - 16);
  }
#endif
  const auto marks_in = [](std::uint64_t difference) {  // exact for every byte: no borrow runs from one into the next
    return ~(((difference & 0x7f7f7f7f7f7f7f7fULL) + 0x7f7f7f7f7f7f7f7fULL) | difference | 0x7f7f7f7f7f7f7f7fULL);
  };
  for (; at - begin >= 8; at -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at - 8, 8);
    const std::uint64_t marks = marks_in(word ^ repeated(a)) | marks_in(word ^ repeated(b));
    if (marks != 0) return at - std::countl_zero(marks) / 8;
  }
  while (at > begin && at[-1] != a && at[-1] != b) --at;
  return at;
}

/// The first place of `text`, which is not empty, in [at, end); null where it is not. For the lengths of log lines and
/// literals this is several times as fast as memmem(), which begins with a table; where many places look like the text
/// and are not, that takes over, so the time is linear in any case.
[[nodiscard]] inline const char* find_text(const char* at, const char* end, std::string_view text) {
  const std::size_t behind = text.size() - 1;
  if (static_cast<std::size_t>(end - at) < text.size()) return nullptr;
  const char* const stop = end - behind;  // no place begins here or later
  int wrong = 0;
  const auto is_here = [&](const char* place) {
    ++wrong;
    return std::memcmp(place, text.data(), text.size()) == 0;
  };
#if defined(__SSE2__)
  const __m128i first = _mm_set1_epi8(text.front());
  const __m128i last = _mm_set1_epi8(text.back());
  const auto places_at = [&](const char* from) {
    const __m128i head = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i tail = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + behind));
    return static_cast<unsigned>(
        _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(head, first), _mm_cmpeq_epi8(tail, last))));
  };
  const bool long_enough = stop - at >= 16;
  while (at < stop && long_enough && wrong < 64) {
    if (stop - at < 16) at = stop - 16;  // the last sixteen: some of them are looked at again
    for (unsigned places = places_at(at); places != 0; places &= places - 1) {
      const char* const place = at + std::countr_zero(places);
      if (is_here(place)) return place;
    }
    at += 16;
  }
#endif
  for (; at < stop && wrong < 64; ++at) {
    if (*at == text.front() && is_here(at)) return at;
  }
  if (at >= stop) return nullptr;
  return static_cast<const char*>(memmem(at, static_cast<std::size_t>(end - at), text.data(), text.size()));
}

/// Whether two runs of `size` bytes are equal; faster than memcmp for the short ones that literals are.
[[nodiscard]] inline bool equal_bytes(const char* a, const char* b, std::size_t size) {
  const auto differ = [&]<class Word>(Word) {
    Word a_head, b_head, a_tail, b_tail;
    std::memcpy(&a_head, a, sizeof(Word));
    std::memcpy(&b_head, b, sizeof(Word));
    std::memcpy(&a_tail, a + size - sizeof(Word), sizeof(Word));
    std::memcpy(&b_tail, b + size - sizeof(Word), sizeof(Word));
    return ((a_head ^ b_head) | (a_tail ^ b_tail)) != 0;
  };
  while (size > 16) {
    std::uint64_t a_word, b_word;
    std::memcpy(&a_word, a, 8);
    std::memcpy(&b_word, b, 8);
    if (a_word != b_word) return false;
    a += 8, b += 8, size -= 8;
  }
  if (size >= 8) return !differ(std::uint64_t{});
  if (size >= 4) return !differ(std::uint32_t{});
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

/// Marks the bytes of `word` that are no decimal digits, after each was xor-ed with '0'.
[[nodiscard]] constexpr std::uint64_t other_than_digits(std::uint64_t word) {
  return (((word & 0x7f7f7f7f7f7f7f7fULL) + 0x7676767676767676ULL) | word) & 0x8080808080808080ULL;
}

/// The number that eight bytes write, each a digit's value, the highest digit in the lowest byte.
[[nodiscard]] constexpr std::uint32_t eight_digits(std::uint64_t word) {
  word = word * 10 + (word >> 8U);  // pairs of digits, then fours, then all eight
  return static_cast<std::uint32_t>((((word & 0x000000ff000000ffULL) * 0x000f424000000064ULL) +
                                     (((word >> 16U) & 0x000000ff000000ffULL) * 0x0000271000000001ULL)) >>
                                    32U);
}

/// The number that the decimal digits before `at` write, and how many they are, if they are 1 to 7 and eight bytes of
/// [begin, at) can be read; else 0.
[[nodiscard]] inline std::size_t digits_before(const char* begin, const char* at, std::uint32_t& value) {
  if (at - begin < 8) return 0;
  std::uint64_t word = 0;
  std::memcpy(&word, at - 8, 8);
  word ^= repeated('0');
  const std::uint64_t others = other_than_digits(word);
  const std::size_t count = others == 0 ? 0 : static_cast<std::size_t>(std::countl_zero(others)) / 8;
  if (count != 0) value = eight_digits(word & (~0ULL << (8 * (8 - count))));
  return count;
}

/// The same for the digits from `at` on; eight bytes must be readable there.
[[nodiscard]] inline std::size_t digits_behind(const char* at, std::uint32_t& value) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, 8);
  word ^= repeated('0');
  const std::uint64_t others = other_than_digits(word);
  const std::size_t count = others == 0 ? 0 : static_cast<std::size_t>(std::countr_zero(others)) / 8;
  if (count != 0) value = eight_digits(word << (8 * (8 - count)));
  return count;
}

}  // namespace tipstaff
