// Every getter asks the definition for what it may accept, so that list, reader and manual cannot drift apart. Names
// asked for by our own code must be in the list; a typo there is a bug and asserted.
#include "decide/section_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <limits>
#include <utility>

#include "base/text.h"
#include "base/time.h"

namespace tipstaff {

SectionReader::SectionReader(const TomlValue& table, std::string_view section, const std::string& file,
                             std::vector<Error>& errors)
    : table_(table), section_(section), file_(file), errors_(errors) {
  for (const TomlEntry& found : table.entries) {
    const KeyDefinition* key = find_key(section, found.key);
    if (key == nullptr) {
      const std::string place = section.empty() ? "at the top of the file" : fmt::format("in [{}]", section);
      report_at(found.line, fmt::format("unknown key \"{}\" {}{}; correct or remove it", found.key, place,
                                        did_you_mean_key(section, found.key)));
    } else if (found.key == key->alias && table.find(key->name) != nullptr) {
      report_at(found.line,
                fmt::format("{} and {} are two names of the same key; keep one of them", key->name, key->alias));
    }
  }
}

std::string SectionReader::at(unsigned line) const { return fmt::format("{}:{}", file_, std::max(line, 1U)); }

void SectionReader::report_at(unsigned line, std::string text) {
  errors_.push_back({ErrorKind::invalid, std::move(text), at(line)});
}

void SectionReader::report(std::string_view name, std::string text) {
  const KeyDefinition* key = find_key(section_, name);
  const TomlEntry* found = key == nullptr ? nullptr : entry(*key);
  report_at(found == nullptr ? table_.line : found->line, std::move(text));
}

const TomlEntry* SectionReader::entry(const KeyDefinition& key) const {
  const auto found = std::ranges::find_if(table_.entries, [&key](const TomlEntry& one) {
    return one.key == key.name || (!key.alias.empty() && one.key == key.alias);
  });
  return found == table_.entries.end() ? nullptr : &*found;
}

const TomlValue* SectionReader::value(std::string_view name) const {
  const KeyDefinition* key = find_key(section_, name);
  assert(key != nullptr);
  const TomlEntry* found = entry(*key);
  return found == nullptr ? nullptr : &found->value;
}

const TomlValue* SectionReader::of_kind(std::string_view name, TomlValue::Kind kind) {
  const TomlValue* found = value(name);
  if (found == nullptr || found->kind == kind) return found;
  report(name, fmt::format("{} is {} here; it must be: {}", name, to_text(found->kind),
                           type_text(*find_key(section_, name))));
  return nullptr;
}

std::optional<std::string> SectionReader::text(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::text);
  if (found == nullptr) return std::nullopt;
  if (found->text.empty()) {
    report(name, fmt::format("{} is empty; write a text", name));
    return std::nullopt;
  }
  return found->text;
}

std::optional<std::string> SectionReader::choice(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::text);
  if (found == nullptr) return std::nullopt;
  const KeyDefinition& key = *find_key(section_, name);
  std::vector<std::string_view> choices;
  for (std::string_view rest = key.choices; !rest.empty();) {
    const std::size_t bar = rest.find('|');
    choices.push_back(rest.substr(0, bar));
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
  }
  if (std::ranges::find(choices, std::string_view(found->text)) != choices.end()) return found->text;
  report(name, fmt::format("{} cannot be \"{}\"{}; it must be {}", name, found->text,
                           did_you_mean(found->text, choices), type_text(key)));
  return std::nullopt;
}

std::optional<std::vector<std::string>> SectionReader::texts(std::string_view name) {
  const TomlValue* found = value(name);
  if (found == nullptr) return std::nullopt;
  if (found->kind == TomlValue::Kind::text) return std::vector{found->text};
  found = of_kind(name, TomlValue::Kind::list);
  if (found == nullptr) return std::nullopt;
  std::vector<std::string> all;
  for (const TomlValue& item : found->items) {
    if (item.kind != TomlValue::Kind::text) {
      report_at(item.line, fmt::format("{} holds {}; each entry must be a text", name, to_text(item.kind)));
      return std::nullopt;
    }
    all.push_back(item.text);
  }
  if (!all.empty()) return all;
  report(name, fmt::format("{} is an empty list, which nothing would fit; name a value or remove the key", name));
  return std::nullopt;
}

std::optional<std::uint32_t> SectionReader::count(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::integer);
  if (found == nullptr) return std::nullopt;
  const KeyDefinition& key = *find_key(section_, name);
  if (found->integer >= key.least && found->integer <= key.most) return static_cast<std::uint32_t>(found->integer);
  report(name, fmt::format("{} is {}; it must be a {}", name, found->integer, type_text(key)));
  return std::nullopt;
}

std::optional<std::chrono::seconds> SectionReader::to_duration(const KeyDefinition& key, const TomlValue& value) {
  std::string text = value.text;
  if (value.kind == TomlValue::Kind::integer) {
    text = std::to_string(value.integer);
  } else if (value.kind != TomlValue::Kind::text) {
    report_at(value.line,
              fmt::format("{} is {} here; write a duration such as \"30m\"", key.name, to_text(value.kind)));
    return std::nullopt;
  }
  const auto length = parse_duration(text);
  if (!length) {
    report_at(value.line,
              fmt::format("{}: {}; write a duration such as \"30m\", \"2h\" or \"1d\"", key.name, length.error().text));
    return std::nullopt;
  }
  if (*length < std::chrono::seconds(key.least)) {
    report_at(value.line, key.least == 1
                              ? fmt::format("{} is \"{}\"; it must be longer than zero", key.name, text)
                              : fmt::format("{} is \"{}\"; it must be {} seconds or more", key.name, text, key.least));
    return std::nullopt;
  }
  return *length;
}

std::optional<std::chrono::seconds> SectionReader::duration(std::string_view name) {
  const TomlValue* found = value(name);
  return found == nullptr ? std::nullopt : to_duration(*find_key(section_, name), *found);
}

std::optional<std::vector<std::chrono::seconds>> SectionReader::durations(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::list);
  if (found == nullptr) return std::nullopt;
  KeyDefinition key = *find_key(section_, name);
  key.least = 1;
  std::vector<std::chrono::seconds> all;
  for (const TomlValue& item : found->items) {
    const auto length = to_duration(key, item);
    if (!length) return std::nullopt;
    all.push_back(*length);
  }
  return all;
}

std::optional<bool> SectionReader::flag(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::flag);
  return found == nullptr ? std::nullopt : std::optional(found->flag);
}

std::optional<std::vector<Exemption>> SectionReader::networks(std::string_view name) {
  const TomlValue* found = of_kind(name, TomlValue::Kind::list);
  if (found == nullptr) return std::nullopt;
  std::vector<Exemption> all;
  for (const TomlValue& item : found->items) {
    const auto network = item.kind == TomlValue::Kind::text ? IpNetwork::parse(item.text) : std::nullopt;
    if (network) {
      all.push_back({*network, at(item.line)});
    } else {
      const std::string what =
          item.kind == TomlValue::Kind::text ? fmt::format("\"{}\"", item.text) : std::string(to_text(item.kind));
      report_at(item.line, fmt::format("{}: {} is neither an address nor a network; write it as \"192.0.2.7\", "
                                       "\"192.0.2.0/24\" or \"2001:db8::/32\" (DNS names go to names)",
                                       name, what));
    }
  }
  return all;
}

std::string SectionReader::where_of(std::string_view name, std::size_t index) const {
  const TomlValue* const found = value(name);
  const bool has_entry = found != nullptr && found->kind == TomlValue::Kind::list && index < found->items.size();
  return at(has_entry ? found->items[index].line : found != nullptr ? found->line : table_.line);
}

std::optional<std::vector<CountryCode>> SectionReader::countries(std::string_view name) {
  const auto all = texts(name);
  if (!all) return std::nullopt;
  std::vector<CountryCode> codes;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const auto code = CountryCode::parse((*all)[i]);
    if (code && is_country(*code)) {
      codes.push_back(*code);
      continue;
    }
    errors_.push_back({ErrorKind::invalid,
                       fmt::format("{}: \"{}\" is no code of a country; write two letters of ISO 3166 such as \"DE\"{}",
                                   name, printable((*all)[i]), code && code->to_string() == "UK" ? " (GB)" : ""),
                       where_of(name, i)});
  }
  return codes;
}

std::optional<std::vector<std::uint32_t>> SectionReader::as_numbers(std::string_view name) {
  const TomlValue* const found = value(name);
  if (found == nullptr) return std::nullopt;
  const bool is_list = found->kind == TomlValue::Kind::list;
  std::vector<std::uint32_t> numbers;
  for (std::size_t i = 0; i < (is_list ? found->items.size() : 1); ++i) {
    const TomlValue& one = is_list ? found->items[i] : *found;
    std::int64_t number = one.kind == TomlValue::Kind::integer ? one.integer : 0;
    if (one.kind == TomlValue::Kind::text && one.text.starts_with("AS") && one.text.size() <= 12) {
      const auto [end, error] = std::from_chars(one.text.data() + 2, one.text.data() + one.text.size(), number);
      if (error != std::errc() || end != one.text.data() + one.text.size()) number = 0;
    }
    if (number >= 1 && number <= std::numeric_limits<std::uint32_t>::max()) {
      numbers.push_back(static_cast<std::uint32_t>(number));
      continue;
    }
    errors_.push_back(
        {ErrorKind::invalid,
         fmt::format("{}: each entry must be the number of an autonomous system, as 64500 or \"AS64500\"", name),
         where_of(name, i)});
  }
  if (!numbers.empty() || !is_list || !found->items.empty()) return numbers;
  report(name, fmt::format("{} is an empty list, which nothing would fit; name a value or remove the key", name));
  return std::nullopt;
}

const TomlValue* SectionReader::table(std::string_view name) { return of_kind(name, TomlValue::Kind::table); }

std::vector<const TomlValue*> SectionReader::tables(std::string_view name) {
  std::vector<const TomlValue*> all;
  const TomlValue* found = value(name);
  if (found == nullptr) return all;
  const auto is_table = [](const TomlValue& item) { return item.kind == TomlValue::Kind::table; };
  if (found->kind != TomlValue::Kind::list || !std::ranges::all_of(found->items, is_table)) {
    report(name, fmt::format("{0} must be written as tables: [[{0}]] on a line of its own, its keys below", name));
    return all;
  }
  for (const TomlValue& item : found->items) all.push_back(&item);
  return all;
}

}  // namespace tipstaff
