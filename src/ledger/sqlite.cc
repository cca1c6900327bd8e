#include "ledger/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <utility>

namespace tipstaff {
namespace {

constexpr int kBusyMilliseconds = 5'000;
constexpr int kMostBytesOfValue = 256 << 20;

ErrorKind kind_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
      return ErrorKind::corrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return ErrorKind::denied;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
      return ErrorKind::unavailable;
    case SQLITE_CONSTRAINT:
      return ErrorKind::conflict;
    default:
      return ErrorKind::internal;
  }
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// For "file:" names, in which ?, # and % mean something.
std::string as_uri(const std::string& path, std::string_view parameters) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '?' || c == '#' || c == '%') {
      uri += fmt::format("%{:02x}", static_cast<unsigned>(c));
    } else {
      uri += c;
    }
  }
  return fmt::format("{}?{}", uri, parameters);
}

}  // namespace

Result<Database> Database::open(const std::string& path, Mode mode) {
  if (!exists(path)) return fail(ErrorKind::not_found, "there is no such file", path);
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (mode == Mode::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  const auto attempt = [&](const std::string& name) -> Result<Database> {
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
    Database database(handle, path);
    if (code != SQLITE_OK) {
      return fail(kind_of(code), fmt::format("cannot be opened: {}", sqlite3_errstr(code)), path);
    }
    sqlite3_busy_timeout(handle, kBusyMilliseconds);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, kMostBytesOfValue);
    database.execute("PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY");
    if (mode == Mode::write) {
      int on = 1;  // a reader of the group has no right to make -wal and -shm
      sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
      // A hot page goes from the WAL into the file once, however often it was written since: so the WAL may be 16 MB.
      // NORMAL can lose the last commits in a power cut, never tear one. Positions stand in the same commit as their
      // rows, so what was lost is read again.
      database.execute(
          "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-4096; PRAGMA "
          "wal_autocheckpoint=4000;"
          "PRAGMA journal_size_limit=33554432; PRAGMA foreign_keys=OFF");
    } else {
      database.execute("PRAGMA query_only=ON; PRAGMA cache_size=-8192");
      static_cast<void>(database.number("SELECT count(*) FROM sqlite_schema"));  // makes it read the file
    }
    if (!database.ok()) return database.take_error();
    return database;
  };
  if (mode == Mode::write) return attempt(path);
  auto opened = attempt(as_uri(path, "mode=ro"));
  // With neither a WAL nor the right to make one there is no writer, so the file does not change under the reader.
  if (!opened && opened.error().kind != ErrorKind::corrupt && !exists(path + "-wal")) {
    return attempt(as_uri(path, "mode=ro&immutable=1"));
  }
  return opened;
}

Result<Database> Database::memory() {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(":memory:", &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(handle, ":memory:");
  if (code != SQLITE_OK) return fail(kind_of(code), sqlite3_errstr(code));
  return database;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), path_(std::move(other.path_)), error_(std::move(other.error_)) {}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(path_, other.path_);
  std::swap(error_, other.error_);
  return *this;
}

Database::~Database() { sqlite3_close_v2(handle_); }

std::unexpected<Error> Database::take_error() {
  Error error = error_ ? std::move(*error_) : Error{ErrorKind::internal, "no error", path_};
  error_.reset();
  return std::unexpected(std::move(error));
}

void Database::set_error(ErrorKind kind, std::string text) {
  if (!error_) error_ = Error{kind, std::move(text), path_};
}

void Database::note(int code, std::string_view doing) {
  if (error_) return;
  std::string text = (code & 0xff) == SQLITE_FULL ? "the disk is full" : sqlite3_errmsg(handle_);
  if (!doing.empty()) text += fmt::format(" ({})", doing.substr(0, 60));
  set_error(kind_of(code), std::move(text));
}

void Database::execute(const char* sql) {
  if (error_) return;
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) note(code, sql);
}

std::uint64_t Database::last_id() const { return static_cast<std::uint64_t>(sqlite3_last_insert_rowid(handle_)); }

std::int64_t Database::number(const char* sql) {
  Statement statement(*this, sql);
  return statement.next() ? statement.integer(0) : 0;
}

Result<void> Database::commit() {
  execute("COMMIT");
  if (ok()) return {};
  roll_back();
  return take_error();
}

void Database::roll_back() {
  if (sqlite3_get_autocommit(handle_) == 0) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Database::checkpoint() {
  if (error_) return;
  const int code = sqlite3_wal_checkpoint_v2(handle_, "main", SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  // A reader in the middle of an answer keeps the WAL from being emptied; its pages have been copied and synced all the
  // same as far as that reader lets them.
  if (code != SQLITE_OK && code != SQLITE_BUSY) note(code, "checkpoint");
}

void Database::release_memory() { sqlite3_db_release_memory(handle_); }

Result<void> Database::copy_to(const std::string& path) {
  sqlite3* target = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE,
                             nullptr);
  if (code == SQLITE_OK) {
    sqlite3_backup* const backup = sqlite3_backup_init(target, "main", handle_, "main");
    if (backup != nullptr) {
      do {  // in steps, so that a writer need not wait; its changes go into the copy or start it anew
        code = sqlite3_backup_step(backup, 4'096);
        if (code == SQLITE_BUSY || code == SQLITE_LOCKED) sqlite3_sleep(10);
      } while (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED);
      code = sqlite3_backup_finish(backup);
    } else {
      code = sqlite3_errcode(target);
    }
  }
  sqlite3_close_v2(target);
  if (code == SQLITE_OK) return {};
  return fail(kind_of(code), fmt::format("cannot be copied: {}", sqlite3_errstr(code)), path);
}

Statement::Statement(Database& database, const char* sql) : database_(&database) {
  if (!database.ok()) return;
  const int code = sqlite3_prepare_v3(database.handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr);
  if (code != SQLITE_OK) database.note(code, sql);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), handle_(std::exchange(other.handle_, nullptr)) {}

bool Statement::next() {
  if (handle_ == nullptr || !database_->ok()) return false;
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) database_->note(code, sqlite3_sql(handle_));
  return false;
}

void Statement::reset() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string_view Statement::bytes(int column) const {
  const void* const data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool Statement::null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

void Statement::bind(int at, std::int64_t value) {
  if (handle_ != nullptr) sqlite3_bind_int64(handle_, at, value);
}

void Statement::bind(int at, Blob value) {
  if (handle_ != nullptr) {  // an empty view may have no address, which would bind NULL
    sqlite3_bind_blob64(handle_, at, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC);
  }
}

void Statement::bind(int at, std::nullptr_t) {
  if (handle_ != nullptr) sqlite3_bind_null(handle_, at);
}

}  // namespace tipstaff
