// Errors as values. A function that can fail returns Result<T>; the caller handles it in two visible
// lines and adds context as it rises. Exceptions of libraries are caught in the one file that wraps the library.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace tipstaff {

/// The few kinds of failure a caller may want to tell apart.
enum class ErrorKind : std::uint8_t { not_found, invalid, denied, unavailable, conflict, corrupt, internal };

/// What went wrong, as a sentence for the administrator, and where ("file:line", may be empty).
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string text;
  std::string where;

  /// "where: text", or the text alone.
  [[nodiscard]] std::string message() const { return where.empty() ? text : where + ": " + text; }
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorKind::invalid, "...", "file:3");`
[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string text, std::string where = {}) {
  return std::unexpected<Error>(Error{kind, std::move(text), std::move(where)});
}

}  // namespace tipstaff
