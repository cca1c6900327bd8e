// The quick way through the lines that most logs consist of, "STAMP host program[pid]: message". Fixed places are compared
// eight bytes at a time; of a line that begins as the one before only what stands behind the host is looked at. Whatever
// is not plain to this is left to split_header(), and what is gets the same header from both (plain_line_test.cc).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "detect/header.h"

namespace tipstaff {

/// What stands behind the host of a plain line: "STAMP host program[pid]: message".
struct PlainTail {
  const char* program = nullptr;
  const char* program_end = nullptr;
  const char* message = nullptr;  ///< its first byte that is no blank; ends with the line, perhaps in blanks
  std::uint32_t pid = 0;          ///< 0: none
};

/// Splits the lines of one source. Most of them are plain and begin as the one before: a stamp written alike and the same
/// host. Of such a line only what stands behind the host is looked at, and whether it is worth a Header is for others to say.
class LineSplitter {
 public:
  /// Whether the line is plain and begins as the plain line split last, with the same day if its stamp has no year. The
  /// program's name is not looked at: it is plain only if is_program_name() says so.
  [[nodiscard]] bool glance(std::string_view line, PlainTail& tail) const;
  /// The header of a line that is plain.
  [[nodiscard]] Header header_of(std::string_view line, const PlainTail& tail) const;
  /// Any line, as split_header() does.
  [[nodiscard]] Header split(std::string_view line, std::string& scratch);

 private:
  // Eight bytes of the stamp: those that must be as they were, and those that must be digits.
  struct Word {
    std::size_t at = 0;
    std::uint64_t fixed = 0;  // all bits of each such byte
    std::uint64_t bytes = 0;
  };
  void remember(std::string_view line, const Header& header);

  StampKind kind_ = StampKind::none;  // none: there was no plain line
  std::size_t stamp_size_ = 0;
  std::size_t words_ = 0;
  std::array<Word, 5> stamp_{};
  std::string host_;  // with the blanks on both sides
};

/// Whether `line` begins "Mon DD HH:MM:SS ".
[[nodiscard]] bool looks_like_bsd(std::string_view line);

/// The header of a plain line with such a stamp; false: it is none.
[[nodiscard]] bool split_plain(std::string_view line, Header& header);

}  // namespace tipstaff
