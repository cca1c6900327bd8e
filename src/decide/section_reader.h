// Reads one table of a rules file against the list of definitions: unknown keys, two names of one key and wrong types
// become errors with file and line, the rest arrives typed. It goes on after an error, so that an administrator sees
// all of them at once. What values mean together is for the caller to check.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/toml_file.h"
#include "decide/definitions.h"
#include "decide/exemptions.h"
#include "lookup/network_facts.h"

namespace tipstaff {

/// One table. Getters give nothing where the key is missing or wrong; wrong ones have been reported.
class SectionReader {
 public:
  /// Table, file name and list of errors must outlive the reader. Reports unknown and doubled keys at once.
  SectionReader(const TomlValue& table, std::string_view section, const std::string& file, std::vector<Error>& errors);

  [[nodiscard]] bool has(std::string_view name) const { return value(name) != nullptr; }
  std::optional<std::string> text(std::string_view name);
  std::optional<std::string> choice(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::optional<std::uint32_t> count(std::string_view name);
  std::optional<std::chrono::seconds> duration(std::string_view name);
  std::optional<std::vector<std::chrono::seconds>> durations(std::string_view name);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::vector<Exemption>> networks(std::string_view name);
  /// Texts that are codes of countries.
  std::optional<std::vector<CountryCode>> countries(std::string_view name);
  /// Numbers of autonomous systems, each as 64500 or "AS64500".
  std::optional<std::vector<std::uint32_t>> as_numbers(std::string_view name);
  /// "file:line" of the entry of a list, or of the key where it is no list or has fewer.
  [[nodiscard]] std::string where_of(std::string_view name, std::size_t index) const;
  /// nullptr where the key is missing or no table.
  const TomlValue* table(std::string_view name);
  /// Tables written [[name]].
  std::vector<const TomlValue*> tables(std::string_view name);

  /// Reports an error at the key, or at the table where the key is missing.
  void report(std::string_view name, std::string text);
  /// "file:line" of the table.
  [[nodiscard]] std::string where() const { return at(table_.line); }

 private:
  [[nodiscard]] const TomlEntry* entry(const KeyDefinition& key) const;
  [[nodiscard]] const TomlValue* value(std::string_view name) const;
  [[nodiscard]] const TomlValue* of_kind(std::string_view name, TomlValue::Kind kind);
  [[nodiscard]] std::string at(unsigned line) const;
  std::optional<std::chrono::seconds> to_duration(const KeyDefinition& key, const TomlValue& value);
  void report_at(unsigned line, std::string text);

  const TomlValue& table_;
  std::string_view section_;
  const std::string& file_;
  std::vector<Error>& errors_;
};

}  // namespace tipstaff
