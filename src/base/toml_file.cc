// The one file that includes toml++ for rules and settings; its exceptions end here. All of the library is compiled with
// it: Debian has it compiled as a shared library only, and every library that is loaded costs time and memory. Tables of toml++ are sorted by key; ours are put back into the order of the file, so that
// errors come in the order in which an administrator reads.
#include "base/toml_file.h"

#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::size_t kLargestFile = 4U << 20U;

unsigned line_of(const toml::source_region& region) { return static_cast<unsigned>(region.begin.line); }

// toml++ bounds the nesting itself (TOML_MAX_NESTED_VALUES), so this recursion is bounded too.
TomlValue convert(const toml::node& node) {
  TomlValue value;
  value.line = line_of(node.source());
  if (const auto* table = node.as_table()) {
    value.kind = TomlValue::Kind::table;
    for (const auto& [key, entry] : *table) {
      value.entries.push_back({std::string(key.str()), line_of(key.source()), convert(entry)});
    }
    std::ranges::stable_sort(value.entries, {}, &TomlEntry::line);
  } else if (const auto* list = node.as_array()) {
    value.kind = TomlValue::Kind::list;
    for (const auto& item : *list) value.items.push_back(convert(item));
  } else if (const auto* text = node.as_string()) {
    value.kind = TomlValue::Kind::text;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = TomlValue::Kind::integer;
    value.integer = integer->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.kind = TomlValue::Kind::flag;
    value.flag = flag->get();
  }
  return value;
}

}  // namespace

const TomlValue* TomlValue::find(std::string_view key) const {
  const auto found = std::ranges::find(entries, key, &TomlEntry::key);
  return found == entries.end() ? nullptr : &found->value;
}

std::string_view to_text(TomlValue::Kind kind) {
  switch (kind) {
    case TomlValue::Kind::text:
      return "text";
    case TomlValue::Kind::integer:
      return "a whole number";
    case TomlValue::Kind::flag:
      return "true or false";
    case TomlValue::Kind::list:
      return "a list";
    case TomlValue::Kind::table:
      return "a table";
    case TomlValue::Kind::other:
      return "a date, a time or a number with a fraction";
  }
  return "";
}

Result<TomlValue> parse_toml(std::string_view text, const std::string& file) {
  try {
    return convert(toml::parse(text, std::string_view(file)));
  } catch (const toml::parse_error& error) {
    return fail(ErrorKind::invalid, fmt::format("this is not TOML: {}", error.description()),
                fmt::format("{}:{}", file, line_of(error.source())));
  } catch (const std::exception& error) {
    return fail(ErrorKind::internal, fmt::format("the file cannot be taken in: {}", error.what()), file);
  }
}

Result<TomlValue> read_toml_file(const std::string& path) {
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  std::string text;
  std::array<char, 16384> piece{};
  while (stream && text.size() <= kLargestFile) {
    stream.read(piece.data(), piece.size());
    text.append(piece.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad() || (stream.fail() && !stream.eof())) {
    const int code = errno;
    return fail(code == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable,
                fmt::format("the file cannot be read: {}", code != 0 ? std::strerror(code) : "it is no regular file"),
                path);
  }
  if (text.size() > kLargestFile) return fail(ErrorKind::invalid, "the file is larger than 4 MiB; split it", path);
  return parse_toml(text, path);
}

}  // namespace tipstaff
