// A journal as files on the disk: which directories hold it, whether they are there and may be read, how much space
// they take. sd-journal leaves out in silence what it cannot read; what it should have read is known from here.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tipstaff {

struct JournalFiles {
  std::vector<std::pair<dev_t, ino_t>> directories;  ///< those that are there
  std::vector<std::string> readable;                 ///< journal files
  std::optional<std::string> denied;                 ///< a directory or file of interest that may not be read
  std::uint64_t disk_space = 0;                      ///< of the readable files, in bytes
};

/// The directories of this machine's journal, kept and volatile; or `directory` itself, if it is not empty.
[[nodiscard]] std::vector<std::string> journal_directories(const std::string& directory);

/// What is in them now, and in their subdirectories that are named by a machine's id.
[[nodiscard]] JournalFiles look_for_journal_files(const std::vector<std::string>& directories);

/// Space that a file takes on the disk, in bytes; 0 if it is gone.
[[nodiscard]] std::uint64_t disk_space_of(const std::string& file);

}  // namespace tipstaff
