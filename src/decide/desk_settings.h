// Settings of tipstaff-desk beside mail: what the administrator hears of, when, and whom he holds for possible victims. They
// stand in the same files as the rules, so they are read and checked with them; what they mean is for the desk.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "decide/section_reader.h"

namespace tipstaff {

struct DeskSettings {
  enum class Blocks : std::uint8_t { digest, each, silent };
  enum class Word : std::uint8_t { daily, weekly, off };

  Blocks blocks = Blocks::digest;  ///< how plain blocks are told
  Word word = Word::daily;
  std::chrono::minutes word_at = std::chrono::hours(7);  ///< after midnight of `timezone`; weekly: on Mondays
  std::string timezone;                                  ///< of what is mailed; empty: this machine's
  std::vector<std::string> victim_words;
  std::vector<IpNetwork> victim_networks;
};

/// Reads [desk] over what earlier files said.
void read_desk_settings(SectionReader& reader, DeskSettings& settings);

}  // namespace tipstaff
