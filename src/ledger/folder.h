// The ledger's files and who may read them: YYYY-MM.db for each month of recording, state.db, head.key. Files are 0640 so
// that a group may read; a file that root's command makes belongs to the folder's owner, so that the guard can go on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// "2026-11.db", by UTC.
[[nodiscard]] std::string month_file_of(Instant time);
/// Names of all month files in the folder, oldest first.
[[nodiscard]] std::vector<std::string> list_months(const std::string& folder);

/// Makes it (0750) where it is not. Errors: denied, unavailable.
[[nodiscard]] Result<void> make_folder(const std::string& folder);
/// Makes an empty file, 0640, where there is none; an existing one loses rights beyond 0640.
[[nodiscard]] Result<void> make_file(const std::string& path);

/// Renames a database with its -wal and -shm to "NAME.damaged-YYYYMMDD-HHMMSS"; gives the new name.
[[nodiscard]] Result<std::string> set_aside(const std::string& path, Instant now);
/// Renames a closed database and brings the folder to the disk. Errors: unavailable.
[[nodiscard]] Result<void> move_database(const std::string& from, const std::string& to);
/// Removes a database with its -wal and -shm.
void remove_database(const std::string& path);

/// One process at a time between the lines of a change that spans several files. Released by the destructor.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  int file_;
  bool held_ = false;
};

}  // namespace tipstaff
