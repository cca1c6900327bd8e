// The text that the ledger keeps beside a followed file's place: by what its files are found again. JSON, written and
// read here only; docs/formats/sources.md describes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "sources/file_content.h"

namespace tipstaff {

/// One file that had, or has, the name.
struct SavedFile {
  std::uint64_t generation = 0;
  FileId id;
  FileHead head;
  std::uint64_t begin = 0;           ///< where reading it began
  std::uint64_t read = 0;            ///< how far it had been read
  std::optional<std::uint64_t> end;  ///< where it ends for this generation: the rest belongs to a later one

  bool operator==(const SavedFile&) const = default;
};

struct FileCheckpoint {
  std::vector<SavedFile> files;  ///< generations rising
  Instant since{};               ///< when the last of them was written to last

  bool operator==(const FileCheckpoint&) const = default;
};

/// Files that are kept in a checkpoint, at most: with the largest numbers these are less than kMaxCheckpoint bytes.
inline constexpr std::size_t kMaxSavedFiles = 16;

[[nodiscard]] std::string to_json(const FileCheckpoint& checkpoint);
/// Errors: corrupt.
[[nodiscard]] Result<FileCheckpoint> parse_file_checkpoint(std::string_view text);

}  // namespace tipstaff
