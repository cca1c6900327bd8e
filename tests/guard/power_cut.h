// A disk that loses power, for SQLite: a VFS that passes everything on to the system's and remembers what of each file is
// on the disk for certain (what was synced) and which writes came since. At a chosen write or sync the power goes: from
// then on every write fails, and lay_down() leaves in the folder what such a disk may hold: of the writes since the last
// sync any may be missing, and each may be there in part (sectors of 512 bytes).
//   PowerCut disk(seed);               // SQLite's default VFS from here on, for the folder's files
//   disk.cut_at(40);  ... write ...    // close all databases
//   disk.lay_down(folder);             // now open them again
// Names of files are taken as synced (SQLite and the ledger sync folders); shared-memory files (-shm) vanish.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

namespace tipstaff {

class PowerCut {
 public:
  /// Becomes SQLite's default VFS; only one at a time.
  explicit PowerCut(std::uint64_t seed);
  /// The system's is the default again. No database of this one may be open.
  ~PowerCut();
  PowerCut(const PowerCut&) = delete;
  PowerCut& operator=(const PowerCut&) = delete;

  /// The power goes at the `operation`-th write, truncation or sync from now, counted from 1.
  void cut_at(std::uint64_t operation);
  [[nodiscard]] bool is_cut() const;
  /// Operations since the last cut_at(), or since the beginning.
  [[nodiscard]] std::uint64_t operations() const;
  /// Writes to the folder what is left, and gives the power back. Without a cut it takes place now.
  void lay_down(const std::filesystem::path& folder);
  /// Writes that were lost or torn by the last lay_down().
  [[nodiscard]] std::uint64_t lost() const;

  struct Disk;

 private:
  std::unique_ptr<Disk> disk_;
};

}  // namespace tipstaff
