// The bytes of one file or of standard input, as they lie on the disk, with what the system knows about the file:
// size and time. Reading is sequential and blocking; nothing is mapped, since a log may be cut short while it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tipstaff {

/// Something to read bytes from.
class ByteStream {
 public:
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream(ByteStream&&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  ByteStream& operator=(ByteStream&&) = delete;
  virtual ~ByteStream() = default;
  /// Reads at most `size` bytes, at least one; 0: the end. Nothing may be read after an error.
  [[nodiscard]] virtual Result<std::size_t> read(char* to, std::size_t size) = 0;
};

class InputFile final : public ByteStream {
 public:
  InputFile() = default;
  ~InputFile() override;

  /// "-" is standard input. Directories, missing and unreadable files are errors that say what to do.
  [[nodiscard]] Result<void> open(const std::string& path);
  [[nodiscard]] Result<std::size_t> read(char* to, std::size_t size) override;

  /// The first bytes, read ahead by open() and still to be read: at most kMagic, fewer where the file is shorter.
  [[nodiscard]] std::string_view magic() const { return head_; }
  static constexpr std::size_t kMagic = 6;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Bytes given by read() so far.
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  /// Size in bytes; none for pipes and devices.
  [[nodiscard]] std::optional<std::uint64_t> size() const { return size_; }
  /// When the file was last written; none for standard input, pipes and devices.
  [[nodiscard]] std::optional<Instant> modified() const { return modified_; }

 private:
  [[nodiscard]] Result<std::size_t> read_more(char* to, std::size_t size);

  int fd_ = -1;
  bool owned_ = false;
  std::string name_;
  std::string head_;
  std::uint64_t bytes_read_ = 0;
  std::optional<std::uint64_t> size_;
  std::optional<Instant> modified_;
};

}  // namespace tipstaff
