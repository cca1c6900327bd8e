// Hands out the lines of a log file or of standard input, plain or compressed, without copying them: a block of whole
// lines lies in one buffer, and only the piece of a line at its end is moved to the front before the next read. Memory
// is one buffer, whatever the file holds: a line longer than kMaxLine is handed out cut and skipped to its end. It does
// not follow rotation and does not wait for a file to grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "sources/input_file.h"
#include "sources/source.h"

namespace tipstaff {

class LineReader {
 public:
  /// Longest line that is handed out whole, in bytes without its '\n'.
  static constexpr std::size_t kMaxLine = tipstaff::kMaxLine;

  /// Whole lines, valid until the next call of next(). Each ends with '\n', but the last of the file may not. `cut`:
  /// this is one line, its first kMaxLine bytes, without a '\n'.
  struct Block {
    std::string_view bytes;
    bool cut = false;

    /// Calls f(line, cut) for each line, without its '\n'; a '\r' before it stays. One call is one line of the file.
    template <class F>
    void for_each_line(F&& f) const {
      const char* at = bytes.data();
      const char* const end = at + bytes.size();
      while (at < end) {
        const auto left = static_cast<std::size_t>(end - at);
        const auto* const stop = static_cast<const char*>(std::memchr(at, '\n', left));
        if (stop == nullptr) {
          f(std::string_view(at, left), cut);
          return;
        }
        f(std::string_view(at, static_cast<std::size_t>(stop - at)), false);
        at = stop + 1;
      }
    }
  };

  /// "-" is standard input. Waits for the first 4 KiB, to tell text from binary files: those, directories, missing and
  /// unreadable files are errors that say what to do. A UTF-8 byte order mark is dropped.
  [[nodiscard]] static Result<LineReader> open(const std::string& path);

  /// The next lines; nothing at the end. Damaged compressed data are an error after the last whole line before the
  /// damage; the piece of a line behind that is dropped, since half an address is a wrong one.
  [[nodiscard]] Result<std::optional<Block>> next();

  /// As in messages: the path, or "standard input".
  [[nodiscard]] const std::string& name() const { return file_->name(); }
  /// Bytes of the file (compressed ones, if it is compressed) read so far, and its size; no size for pipes.
  [[nodiscard]] std::uint64_t bytes_read() const { return file_->bytes_read(); }
  [[nodiscard]] std::optional<std::uint64_t> size() const { return file_->size(); }
  /// Share of the file that is read, 0 to 1; none for pipes and empty files.
  [[nodiscard]] std::optional<double> progress() const;
  /// When the file was last written; none for standard input, pipes and devices.
  [[nodiscard]] std::optional<Instant> modified() const { return file_->modified(); }

 private:
  LineReader() = default;
  void refill();
  [[nodiscard]] std::optional<Block> take();  // what the buffer holds; none: more must be read
  [[nodiscard]] Block hand_out(std::size_t until);

  std::unique_ptr<InputFile> file_;
  std::unique_ptr<ByteStream> unpacked_;  // null: the file is plain
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;     // first byte not handed out
  std::size_t end_ = 0;       // behind the last byte read
  std::size_t searched_ = 0;  // no '\n' from begin_ up to here
  bool skipping_ = false;     // in the rest of a cut line
  bool ended_ = false;
  std::optional<Error> failed_;
};

}  // namespace tipstaff
