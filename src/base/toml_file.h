// TOML as plain values with the line each stands on. The library is seen by toml_file.cc alone: its header costs
// seconds of compile time and it throws; here a broken file is an error with file and line. No schema is checked here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tipstaff {

struct TomlEntry;

/// One value of a TOML file. Which members count follows from `kind`.
struct TomlValue {
  /// `other`: dates, times, floating point; no setting of ours uses them.
  enum class Kind : std::uint8_t { text, integer, flag, list, table, other };

  Kind kind = Kind::other;
  std::string text;
  std::int64_t integer = 0;
  bool flag = false;
  std::vector<TomlValue> items;    ///< of a list
  std::vector<TomlEntry> entries;  ///< of a table, in the order of the file
  unsigned line = 0;               ///< 1-based

  /// The value of a table's key; nullptr where the table has none.
  [[nodiscard]] const TomlValue* find(std::string_view key) const;
};

/// A key and its value.
struct TomlEntry {
  std::string key;
  unsigned line = 0;
  TomlValue value;
};

/// What a kind of value is called in messages: "text", "whole number".
[[nodiscard]] std::string_view to_text(TomlValue::Kind kind);

/// `file` names the text in errors. Errors: invalid, with file and line.
[[nodiscard]] Result<TomlValue> parse_toml(std::string_view text, const std::string& file);

/// Errors: not_found, unavailable (cannot be read), invalid. A file of more than 4 MiB is refused.
[[nodiscard]] Result<TomlValue> read_toml_file(const std::string& path);

}  // namespace tipstaff
