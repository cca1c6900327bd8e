// Finds files again after rotations: which of the files that lie beside a log now are the ones that were read before,
// and which came after them. It goes by inode, fingerprint and size, not by names alone, since names move on, copies
// have other inodes, inodes are given out again and old logs get packed. It opens nothing for good.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sources/file_content.h"

namespace tipstaff {

/// What is known of a file that was read.
struct KnownFile {
  FileId id;
  FileHead head;
  std::uint64_t read = 0;  ///< it had at least so many bytes
};

/// A file that lies there now.
struct FoundFile {
  std::string path;
  FileId id;
  std::string first;       ///< its first bytes, at most FileHead::kMost
  std::uint64_t size = 0;  ///< in bytes; of packed files that of the packed bytes
  Instant modified{};      ///< written to last, before `first` was read
  bool current = false;    ///< it is the one that the log's own name leads to
};

struct FileSearch {
  std::vector<std::optional<FoundFile>> known;  ///< one for each known file, in the order asked for
  std::vector<FoundFile> newer;                 ///< came after the last known one, oldest first; some may be empty
  std::optional<Error> current_error;           ///< why there is no current file, or why it cannot be read
  bool disturbed = false;  ///< names moved on meanwhile: what was not found may be there all the same
};

/// Looks beside the log at `path`. `known`: oldest first. `since`: when the last of them, as far as is known, was
/// written to last; what was not written to after that is not newer, except the current file.
///
/// A known file is: the same inode with the same head; else a file with the same head: one no shorter, a packed one, a
/// shorter one (a copy made before its last lines came), in this order. One whose head is not known yet is the same
/// inode under a rotated name. A file that begins with all bytes of another one is a copy, never a newer file.
[[nodiscard]] FileSearch search_files(const std::string& path, std::span<const KnownFile> known, Instant since);

}  // namespace tipstaff
