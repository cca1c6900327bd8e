// The daily (or weekly) word: what happened on this machine, told also when it was nothing, so that silence is noticed. As
// plain text with lines short enough for a phone, and as HTML with small charts made of nothing but boxes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace tipstaff {

/// Figures of a span of time.
struct WordCounts {
  std::int64_t failures = 0;
  std::int64_t successes = 0;
  std::int64_t probes = 0;
  std::uint64_t addresses = 0;
  std::uint64_t blocks = 0;
  std::uint64_t alerts = 0;
  bool cut = false;  ///< of the busiest addresses only
};

struct WordAttacker {
  std::string address;
  std::int64_t failures = 0;
  std::string name;     ///< by DNS; may be empty
  std::string country;  ///< may be empty
};

struct WordSource {
  std::string name;
  std::string state;  ///< "understood 1204 of 1210 lines, last one 07:00:12", "BLIND: ..."
  bool well = true;
};

struct WordFacts {
  std::string host;
  Instant from{}, to{};
  bool watch_only = false;
  bool guarded = true;     ///< the guard answered
  WordCounts now, before;  ///< of this span, and of the one a week earlier
  std::uint64_t blocked_then_logged_in = 0;
  std::vector<WordAttacker> top;
  std::vector<WordSource> sources;
  std::vector<std::string> unusual;        ///< sentences
  std::vector<std::int64_t> days;          ///< failures of the last days, oldest first
  std::optional<std::uint64_t> disk_free;  ///< bytes
  std::optional<std::int64_t> disk_days;   ///< until it is full, at the speed of the last week
  std::uint64_t waiting = 0;               ///< messages that could not be sent yet
  std::string chain_head;
};

[[nodiscard]] std::string word_subject(const WordFacts& facts, const TimeZone& zone);
[[nodiscard]] std::string word_text(const WordFacts& facts, const TimeZone& zone);
[[nodiscard]] std::string word_html(const WordFacts& facts, const TimeZone& zone);
[[nodiscard]] std::string word_json(const WordFacts& facts);

}  // namespace tipstaff
