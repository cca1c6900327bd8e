// The bytes of one file by offset, whether it lies there plain (and may grow) or packed (and is complete), and what
// tells it from other files: device, inode and a fingerprint of its first lines. Offsets are those of the unpacked
// bytes, so a place stays true when a log is compressed.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "sources/input_file.h"

namespace tipstaff {

/// Which file of this machine.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;

  auto operator<=>(const FileId&) const = default;
};

/// A fingerprint of a file's first bytes: of the whole lines within the first kMost bytes, or of all kMost where the
/// first line is longer. A log only grows at its end, so this stays true until the log is cut short and begun anew.
struct FileHead {
  static constexpr std::size_t kMost = 1024;

  std::uint32_t length = 0;  ///< 0: no whole line is there yet
  std::uint64_t hash = 0;    ///< FNV-1a, 64 bits: kept in the ledger, so it never changes

  bool operator==(const FileHead&) const = default;
  /// `first`: the file's first bytes, as many as there are up to kMost.
  [[nodiscard]] static FileHead of(std::string_view first);
  /// True where `first` begins with the bytes that this was made of. A head of no bytes fits everything.
  [[nodiscard]] bool fits(std::string_view first) const;
};

class FileContent {
 public:
  struct Facts {
    std::uint64_t size = 0;  ///< of packed files that of the packed bytes
    Instant modified{};
  };

  /// Errors: not_found, denied, invalid (no regular file, with a sentence), unavailable.
  [[nodiscard]] static Result<std::unique_ptr<FileContent>> open(const std::string& path);
  FileContent(const FileContent&) = delete;
  FileContent(FileContent&&) = delete;
  FileContent& operator=(const FileContent&) = delete;
  FileContent& operator=(FileContent&&) = delete;
  ~FileContent();

  [[nodiscard]] FileId id() const { return id_; }
  /// True for gzip, xz and zstd, told by the first bytes.
  [[nodiscard]] bool packed() const { return unpacked_ != nullptr; }
  [[nodiscard]] int descriptor() const { return fd_; }
  [[nodiscard]] Result<Facts> facts() const;
  /// Up to `size` bytes from `offset`; 0: the end. Packed files are unpacked forwards: going back more than one read
  /// begins at their start again. Bytes before damaged data are given, then the end.
  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t size);
  /// Why a packed file gives no bytes beyond those that it gave; none: it is whole, as far as it was read.
  [[nodiscard]] const std::optional<Error>& damage() const { return damage_; }
  /// The first bytes, at most FileHead::kMost.
  [[nodiscard]] Result<std::string> first();

 private:
  FileContent() = default;
  [[nodiscard]] Result<void> open_packed();
  [[nodiscard]] Result<std::size_t> read_packed(std::uint64_t offset, char* to, std::size_t size);

  int fd_ = -1;
  FileId id_;
  std::unique_ptr<InputFile> file_;       // packed only
  std::unique_ptr<ByteStream> unpacked_;  // packed only
  std::optional<Error> damage_;
  std::string window_;           // the unpacked bytes that were read last ...
  std::uint64_t window_at_ = 0;  // ... and their offset
};

}  // namespace tipstaff
