// A database file of somebody else's making, read by offset. It is not mapped: a file that is cut short while it is in use
// would kill the program with SIGBUS. Instead pages are read when they are needed and a bounded number is kept, of which the
// top of a search tree soon makes most hits. Every read is checked against the size found at opening.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

class DatabaseFile {
 public:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{2} << 30U;

  /// What tells a file from one that took its place.
  struct Mark {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    Instant modified{};
    bool operator==(const Mark&) const = default;
  };

  /// Errors: not_found, denied, invalid (no regular file, or larger than kMostBytes), unavailable.
  [[nodiscard]] static Result<DatabaseFile> open(const std::string& path);
  /// The same of bytes in memory, for tests.
  [[nodiscard]] static DatabaseFile of_bytes(std::string bytes);
  DatabaseFile(DatabaseFile&& other) noexcept;
  DatabaseFile& operator=(DatabaseFile&& other) noexcept;
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;
  ~DatabaseFile();

  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const Mark& mark() const { return mark_; }
  /// The mark of what lies at the path now; nothing where nothing does.
  [[nodiscard]] static std::optional<Mark> mark_of(const std::string& path);

  /// Fills `to`; false where it would go beyond the end, or the bytes cannot be read (any more).
  [[nodiscard]] bool read(std::uint64_t offset, char* to, std::size_t size);
  /// The number in `bytes` (1 to 8) bytes, the highest first.
  [[nodiscard]] std::optional<std::uint64_t> number(std::uint64_t offset, unsigned bytes);
  /// Nothing where read() would fail.
  [[nodiscard]] std::optional<std::string> text(std::uint64_t offset, std::size_t size);

 private:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kPages = 256;  // kept: 1 MiB
  struct Page {
    std::uint64_t number = ~0ULL;
    std::array<char, kPage> bytes;
  };

  DatabaseFile() = default;
  [[nodiscard]] const char* page(std::uint64_t number);

  int fd_ = -1;
  std::string bytes_;  // where there is no file
  std::uint64_t size_ = 0;
  Mark mark_;
  std::vector<std::unique_ptr<Page>> pages_;  // by number modulo kPages, each made when it is first needed
};

}  // namespace tipstaff
