#include "decide/desk_settings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"

namespace tipstaff {
namespace {

constexpr std::size_t kMostWords = 256;

// "07:00"
std::optional<std::chrono::minutes> parse_clock(std::string_view text) {
  const auto digit = [&text](std::size_t at) { return text[at] >= '0' && text[at] <= '9' ? text[at] - '0' : 100; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const int hour = digit(0) * 10 + digit(1);
  const int minute = digit(3) * 10 + digit(4);
  if (hour > 23 || minute > 59) return std::nullopt;
  return std::chrono::hours(hour) + std::chrono::minutes(minute);
}

}  // namespace

void read_desk_settings(SectionReader& reader, DeskSettings& settings) {
  if (const auto blocks = reader.choice("alerts")) {
    settings.blocks = *blocks == "each"     ? DeskSettings::Blocks::each
                      : *blocks == "silent" ? DeskSettings::Blocks::silent
                                            : DeskSettings::Blocks::digest;
  }
  if (const auto word = reader.choice("word")) {
    settings.word = *word == "weekly" ? DeskSettings::Word::weekly
                    : *word == "off"  ? DeskSettings::Word::off
                                      : DeskSettings::Word::daily;
  }
  if (const auto at = reader.text("word_at")) {
    if (const auto clock = parse_clock(*at)) {
      settings.word_at = *clock;
    } else {
      reader.report("word_at", fmt::format("word_at: \"{}\" is no time of day; write it as \"07:00\"", *at));
    }
  }
  if (auto zone = reader.text("timezone")) {
    if (const auto known = TimeZone::find(*zone); !known) {
      reader.report("timezone", known.error().text);
    } else {
      settings.timezone = std::move(*zone);
    }
  }
  for (std::string& word : reader.texts("victim_words").value_or(std::vector<std::string>())) {
    const bool plain = !word.empty() && word.size() <= 63 && word.find_first_of(". \t") == std::string::npos;
    if (!plain) {
      reader.report("victim_words", fmt::format("victim_words: \"{}\" is no single word of a host name", word));
    } else if (settings.victim_words.size() >= kMostWords) {
      reader.report("victim_words", fmt::format("victim_words: more than {} words", kMostWords));
      break;
    } else {
      settings.victim_words.push_back(std::move(word));
    }
  }
  for (const Exemption& one : reader.networks("victim_networks").value_or(std::vector<Exemption>()))
    settings.victim_networks.push_back(one.network);
}

}  // namespace tipstaff
