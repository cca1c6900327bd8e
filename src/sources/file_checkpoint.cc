// See file_checkpoint.h. Written by hand, since it is written at every commit; read with Boost.JSON, once at a start.
#include "sources/file_checkpoint.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>

namespace tipstaff {
namespace {

namespace json = boost::json;

std::optional<std::uint64_t> number(const json::object& object, std::string_view key) {
  const json::value* const value = object.if_contains(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* const positive = value->if_uint64()) return *positive;
  const auto* const whole = value->if_int64();
  if (whole == nullptr || *whole < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*whole);
}

std::optional<SavedFile> read_file(const json::value& value) {
  const json::object* const object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto generation = number(*object, "generation");
  const auto device = number(*object, "device");
  const auto inode = number(*object, "inode");
  const auto length = number(*object, "head");
  const auto begin = number(*object, "begin");
  const auto read = number(*object, "read");
  const json::value* const hash = object->if_contains("hash");
  if (!generation || !device || !inode || !length || *length > FileHead::kMost || !begin || !read || hash == nullptr ||
      !hash->is_string()) {
    return std::nullopt;
  }
  SavedFile file{*generation, {*device, *inode}, {static_cast<std::uint32_t>(*length), 0}, *begin, *read, {}};
  file.end = number(*object, "end");
  const json::string& digits = hash->get_string();
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), file.head.hash, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return file;
}

}  // namespace

std::string to_json(const FileCheckpoint& checkpoint) {
  std::string text = fmt::format(R"({{"since":{},"files":[)", checkpoint.since.time_since_epoch().count());
  for (const SavedFile& file : checkpoint.files) {
    if (!text.ends_with('[')) text += ',';
    fmt::format_to(std::back_inserter(text),
                   R"({{"generation":{},"device":{},"inode":{},"head":{},"hash":"{:016x}","begin":{},"read":{})",
                   file.generation, file.id.device, file.id.inode, file.head.length, file.head.hash, file.begin,
                   file.read);
    if (file.end) fmt::format_to(std::back_inserter(text), R"(,"end":{})", *file.end);
    text += '}';
  }
  return text + "]}";
}

Result<FileCheckpoint> parse_file_checkpoint(std::string_view text) {
  const auto bad = [] { return fail(ErrorKind::corrupt, "the saved place of this file cannot be read"); };
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* const object = error ? nullptr : value.if_object();
  const json::value* const files = object != nullptr ? object->if_contains("files") : nullptr;
  const json::value* const since = object != nullptr ? object->if_contains("since") : nullptr;
  if (files == nullptr || !files->is_array() || since == nullptr || !since->is_int64()) return bad();
  FileCheckpoint checkpoint;
  checkpoint.since = Instant(std::chrono::microseconds(since->get_int64()));
  for (const json::value& entry : files->get_array()) {
    auto file = read_file(entry);
    if (!file || (!checkpoint.files.empty() && file->generation <= checkpoint.files.back().generation)) return bad();
    checkpoint.files.push_back(*file);
  }
  return checkpoint;
}

}  // namespace tipstaff
