// Journal files as a stranger made them. What sd-journal makes of the bytes is its own affair, but whatever it hands out
// becomes bounded, single lines and a writer whom only trusted fields name; no input stops the reading for ever. Input
// that does not begin like a journal file is taken as the fields of one entry, divided by NUL bytes, and as the text of
// a checkpoint. The file lies in memory (/dev/shm), since sd-journal maps files.
//
// Compressed fields are left out: where one is shorter than it claims to be, libsystemd 252 gives up in an assertion
// (decompress_blob_zstd). Reading survives that, but what the call held looks like a leak to the sanitizers.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "sources/journal_place.h"
#include "sources/journal_reader.h"

namespace tipstaff {
namespace {

constexpr int kMostEntries = 200;

void demand(bool held) {
  if (!held) std::abort();
}

void check(const JournalEntry& entry) {
  demand(entry.message.size() <= kMaxLine);
  demand(entry.message.find('\n') == std::string_view::npos && entry.message.find('\0') == std::string_view::npos);
  demand(entry.has_message || (entry.message.empty() && !entry.cut));
}

// Offsets of objects are multiples of 8; one begins with its kind, 1 for a field, and a byte that tells of compression.
std::string without_compression(std::string_view bytes) {
  std::string file(bytes);
  for (std::size_t at = 0; at + 1 < file.size(); at += 8) {
    if (file[at] == 1) file[at + 1] = 0;
  }
  return file;
}

void read_files(const std::string& directory) {
  auto reader = JournalReader::open(directory);
  if (!reader) return;
  static_cast<void>(reader->oldest());
  static_cast<void>(reader->disk_space());
  reader->seek_head();
  std::string run;
  std::uint64_t number = 0;
  for (int i = 0; i < kMostEntries; ++i) {
    const auto next = reader->next();
    if (!next && next.error().kind == ErrorKind::corrupt) continue;
    if (!next || *next == nullptr) break;
    check(**next);
    run = (*next)->run;
    number = (*next)->number;
  }
  if (!run.empty()) static_cast<void>(reader->look_around(run, number));
  if (!reader->move_to_last()) return;
  if (const auto last = reader->entry()) check(**last);
}

void read_fields(std::string_view text) {
  bool vouched = false;
  JournalFields fields;
  fields.clear();
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find('\0'));
    vouched =
        vouched || field.starts_with("_SYSTEMD_UNIT=") || field.starts_with("_COMM=") || field.starts_with("_UID=");
    fields.add(field);
    text.remove_prefix(std::min(text.size(), field.size() + 1));
  }
  JournalEntry entry;
  fields.describe(entry);
  check(entry);
  demand(vouched || (entry.writer.unit.empty() && entry.writer.comm.empty() && !entry.writer.uid));
}

void read_checkpoint(std::string_view text) {
  const auto checkpoint = parse_journal_checkpoint(text);
  if (!checkpoint) return;
  const std::string again = to_text(*checkpoint);
  demand(again.size() <= kMaxCheckpoint);
  demand(parse_journal_checkpoint(again) == *checkpoint);
}

}  // namespace
}  // namespace tipstaff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.starts_with("LPKSHHRH")) {
    tipstaff::read_fields(bytes);
    tipstaff::read_checkpoint(bytes);
    return 0;
  }
  const fs::path root = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
  const fs::path directory = root / ("tipstaff-fuzz-journal-" + std::to_string(::getpid()));
  std::error_code code;
  fs::create_directory(directory, code);
  std::ofstream(directory / "system.journal", std::ios::binary) << tipstaff::without_compression(bytes);
  tipstaff::read_files(directory.string());
  fs::remove_all(directory, code);
  return 0;
}
