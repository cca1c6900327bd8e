// SQLite's C interface as two classes. Errors stick to the database as they do to a stream: after the first one every
// statement does nothing and gives no rows, and whoever ends a transaction or an answer asks ok() once. That keeps
// sequences of twenty statements readable without a check behind each. Files may be hostile: schemas are not trusted,
// lengths are limited. No other file includes sqlite3.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tipstaff {

class Database {
 public:
  enum class Mode : std::uint8_t { read, write };

  /// Opens an existing file. `write` sets WAL and synchronous NORMAL, `read` never changes the file and reads it as
  /// immutable where this user may not take part in its WAL and nobody has one open.
  [[nodiscard]] static Result<Database> open(const std::string& path, Mode mode);
  /// An empty one in memory.
  [[nodiscard]] static Result<Database> memory();
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  [[nodiscard]] bool ok() const { return !error_; }
  /// The first error since the last call; it is cleared.
  [[nodiscard]] std::unexpected<Error> take_error();
  void set_error(ErrorKind kind, std::string text);

  void execute(const char* sql);
  /// Id of the row inserted last.
  [[nodiscard]] std::uint64_t last_id() const;
  /// Of a statement that gives one number; 0 where it gives none.
  [[nodiscard]] std::int64_t number(const char* sql);
  /// Begins a transaction that will write; another process's is waited for, 5 s at most.
  void begin() { execute("BEGIN IMMEDIATE"); }
  /// Commits if all went well, else rolls back and gives the error.
  [[nodiscard]] Result<void> commit();
  void roll_back();
  /// WAL into the file, both brought to the disk; the WAL is emptied.
  void checkpoint();
  /// Pages that are kept in memory and can be read again are let go.
  void release_memory();
  /// Copies all of it to a new file, page by page, while others may write.
  [[nodiscard]] Result<void> copy_to(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class Statement;
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void note(int code, std::string_view doing);

  sqlite3* handle_ = nullptr;
  std::string path_;
  std::optional<Error> error_;
};

/// Bytes for a BLOB column; a plain string_view is bound as one too.
using Blob = std::string_view;

/// One prepared statement. Values are bound in order; views must live until the statement has run.
class Statement {
 public:
  Statement(Database& database, const char* sql);
  ~Statement();
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;

  /// Starts anew with these values.
  template <class... T>
  Statement& start(const T&... values) {
    reset();
    int at = 0;
    (bind(++at, values), ...);
    return *this;
  }
  /// A row, or false at the end or after an error.
  bool next();
  /// start(), then to the end.
  template <class... T>
  void run(const T&... values) {
    start(values...);
    while (next()) {
    }
    reset();
  }
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  /// Of BLOB and TEXT; valid until the next call.
  [[nodiscard]] std::string_view bytes(int column) const;
  [[nodiscard]] bool null(int column) const;
  void reset();

  void bind(int at, std::int64_t value);
  void bind(int at, std::uint64_t value) { bind(at, static_cast<std::int64_t>(value)); }
  void bind(int at, int value) { bind(at, std::int64_t{value}); }
  void bind(int at, unsigned value) { bind(at, std::int64_t{value}); }
  void bind(int at, Blob value);
  void bind(int at, const std::string& value) { bind(at, Blob(value)); }
  void bind(int at, std::nullptr_t);
  template <class T>
  void bind(int at, const std::optional<T>& value) {
    value ? bind(at, *value) : bind(at, nullptr);
  }

 private:
  Database* database_;
  sqlite3_stmt* handle_ = nullptr;
};

}  // namespace tipstaff
