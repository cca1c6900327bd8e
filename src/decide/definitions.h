// The one list of all settings: name, type, default, sentence. The reader of rules files checks against it, `tipstaff
// check --keys` prints it, and the tables in docs/formats/rules.md are it (a test compares them). A key that is not
// here does not exist.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tipstaff {

enum class KeyType : std::uint8_t {
  text,
  texts,
  count,
  duration,
  durations,
  flag,
  networks,
  choice,
  numbers,
  table,
  tables
};

/// One key. `section` is "" for the top of a file, else the table it stands in ("rule", "rule.match", "limits").
struct KeyDefinition {
  std::string_view section;
  std::string_view name;
  std::string_view alias;  ///< another name for the same key; may be empty
  KeyType type;
  std::string_view choices;   ///< of KeyType::choice, parted by '|'
  std::uint32_t least;        ///< of counts, and of durations in seconds
  std::uint32_t most;         ///< of counts
  std::string_view fallback;  ///< what holds where the key is missing, in words
  std::string_view sentence;  ///< what it means
};

[[nodiscard]] std::span<const KeyDefinition> key_definitions();
/// By name or alias; nullptr if the section has no such key.
[[nodiscard]] const KeyDefinition* find_key(std::string_view section, std::string_view name);
/// "duration", "whole number, 1 to 32", "`host` or `service`".
[[nodiscard]] std::string type_text(const KeyDefinition& key);
/// The section's keys as a Markdown table.
[[nodiscard]] std::string key_table(std::string_view section);
/// All keys for a terminal, one a line, by section.
[[nodiscard]] std::string list_keys();

/// ` (did you mean "x"?)` with the candidate nearest to `text`, or nothing if none is near.
[[nodiscard]] std::string did_you_mean(std::string_view text, std::span<const std::string_view> candidates);
/// The same with the keys of a section.
[[nodiscard]] std::string did_you_mean_key(std::string_view section, std::string_view name);

}  // namespace tipstaff
