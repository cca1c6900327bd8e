// See rotated_names.h. Where all names of a directory carry numbers, or all carry dates, these order the files; else
// the times of the last writes do, since nothing else is known.
#include "sources/rotated_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>

namespace tipstaff {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

constexpr std::array kPacked = {".gz"sv, ".xz"sv, ".zst"sv, ".bz2"sv, ".lz4"sv, ".Z"sv};
constexpr std::size_t kFewestDateDigits = 6;  // 202601
constexpr std::size_t kMostNumberDigits = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view without_packing(std::string_view name) {
  for (const std::string_view end : kPacked) {
    if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
  }
  return name;
}

/// ".1", "-20260107", ".2026-01-07_12:00", ".old".
std::optional<RotationMark> read_mark(std::string_view text) {
  if (text == ".old") return RotationMark{};
  if (text.size() < 2 || "-._"sv.find(text[0]) == std::string_view::npos || !is_digit(text[1])) return std::nullopt;
  std::string digits;
  for (const char c : text.substr(1)) {
    if (is_digit(c)) {
      digits += c;
    } else if ("-._:T"sv.find(c) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  if (digits.size() >= kFewestDateDigits) return RotationMark{std::nullopt, digits};
  if (text[0] != '.' || digits.size() != text.size() - 1 || digits.size() > kMostNumberDigits) return std::nullopt;
  unsigned number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return RotationMark{number, {}};
}

/// Where the date before the extension begins and ends: app|-20260107|.log.
std::optional<std::pair<std::size_t, std::size_t>> find_date(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  std::size_t begin = dot;
  while (begin > 0 && (is_digit(name[begin - 1]) || "-._:T"sv.find(name[begin - 1]) != std::string_view::npos)) --begin;
  const auto mark = read_mark(name.substr(begin, dot - begin));
  if (begin == 0 || !mark || mark->date.empty()) return std::nullopt;
  return std::pair(begin, dot);
}

/// Every run of digits as one '#'.
std::string shape_of(std::string_view name) {
  std::string shape;
  for (const char c : name) {
    if (!is_digit(c)) {
      shape += c;
    } else if (!shape.ends_with('#')) {
      shape += '#';
    }
  }
  return shape;
}

struct Found {
  std::string path;
  RotationMark mark;
  fs::file_time_type written;
};

void add(const fs::directory_entry& entry, RotationMark mark, std::vector<Found>& found) {
  std::error_code error;
  if (entry.symlink_status(error).type() != fs::file_type::regular || error) return;  // a link may lead anywhere
  const auto written = entry.last_write_time(error);
  if (!error) found.push_back({entry.path().string(), std::move(mark), written});
}

/// Calls f for each entry of the directory; one that cannot be read has none.
template <class F>
void for_each_entry(const fs::path& directory, F&& f) {
  std::error_code error;
  fs::directory_iterator at(directory, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) f(*at);
}

void sort_by_age(std::vector<Found>& found) {
  const bool numbers = std::ranges::all_of(found, [](const Found& f) { return f.mark.number.has_value(); });
  const bool dates = std::ranges::all_of(found, [](const Found& f) { return !f.mark.date.empty(); });
  std::ranges::sort(found, [&](const Found& a, const Found& b) {
    if (numbers && a.mark.number != b.mark.number) return *a.mark.number > *b.mark.number;
    if (dates && a.mark.date != b.mark.date) return a.mark.date < b.mark.date;
    return std::tie(a.written, b.path) < std::tie(b.written, a.path);  // x.log.1.gz is put before x.log.1
  });
}

}  // namespace

std::optional<RotationMark> rotation_mark(std::string_view base, std::string_view name) {
  name = without_packing(name);
  if (name.starts_with(base)) {
    if (auto mark = read_mark(name.substr(base.size()))) return mark;
  }
  const std::size_t dot = base.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const std::string_view stem = base.substr(0, dot);
  const std::string_view extension = base.substr(dot);
  if (name.size() <= base.size() || !name.starts_with(stem) || !name.ends_with(extension)) return std::nullopt;
  return read_mark(name.substr(stem.size(), name.size() - base.size()));
}

bool is_put_aside(std::string_view name) {
  const std::string_view plain = without_packing(name);
  if (plain != name) return true;
  if (name.ends_with(".old")) return true;
  const std::size_t end = name.find_last_not_of("0123456789-._:T");
  if (end == std::string_view::npos || end + 1 == name.size()) return false;
  return read_mark(name.substr(end + 1)).has_value();
}

std::optional<std::string> without_date(std::string_view name) {
  const auto date = find_date(name);
  if (!date) return std::nullopt;
  return fmt::format("{}{}", name.substr(0, date->first), name.substr(date->second));
}

std::vector<std::string> rotated_files(const std::string& path) {
  std::vector<Found> found;
  const fs::path link = path;
  const std::string base = link.filename().string();
  for_each_entry(link.parent_path(), [&](const fs::directory_entry& entry) {
    if (auto mark = rotation_mark(base, entry.path().filename().string())) add(entry, *std::move(mark), found);
  });

  std::error_code error;
  const fs::path target = fs::weakly_canonical(link, error);
  if (!error && target != fs::weakly_canonical(link.parent_path(), error) / base) {
    const std::string name = target.filename().string();
    const std::string shape = shape_of(name);
    for_each_entry(target.parent_path(), [&](const fs::directory_entry& entry) {
      const std::string other = entry.path().filename().string();
      if (other == name) return;
      auto mark = rotation_mark(name, other);
      if (!mark && shape != name && shape_of(without_packing(other)) == shape) {
        mark = RotationMark{};
        std::ranges::copy_if(other, std::back_inserter(mark->date), is_digit);
      }
      if (mark) add(entry, *std::move(mark), found);
    });
  }

  sort_by_age(found);
  std::vector<std::string> paths;
  const std::size_t skipped = found.size() > kMaxRotated ? found.size() - kMaxRotated : 0;
  for (std::size_t i = skipped; i < found.size(); ++i) paths.push_back(std::move(found[i].path));
  return paths;
}

}  // namespace tipstaff
