#include "alert/alert_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace tipstaff {
namespace {

constexpr std::int64_t kForm = 1;  // PRAGMA user_version

constexpr const char* kSchema = R"sql(
CREATE TABLE value(name BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE open_row(id INTEGER PRIMARY KEY, since INTEGER NOT NULL, held INTEGER NOT NULL) STRICT;
CREATE TABLE message(id INTEGER PRIMARY KEY, key BLOB NOT NULL, class BLOB NOT NULL, channel INTEGER NOT NULL,
  recipient BLOB NOT NULL, subject BLOB NOT NULL, text BLOB NOT NULL, html BLOB NOT NULL, created INTEGER NOT NULL, state INTEGER NOT NULL,
  tries INTEGER NOT NULL, next_try INTEGER NOT NULL, sent_at INTEGER NOT NULL, said BLOB NOT NULL,
  UNIQUE(key, channel, recipient)) STRICT;
CREATE INDEX message_waiting ON message(next_try) WHERE state = 0;
CREATE INDEX message_made ON message(class, created);
PRAGMA user_version = 1;
)sql";

constexpr const char* kColumns =
    "SELECT id, key, class, channel, subject, text, html, created, state, tries, next_try, sent_at, said, recipient "
    "FROM message ";

std::int64_t micros(Instant at) { return at.time_since_epoch().count(); }
Instant instant(std::int64_t micros) { return Instant(std::chrono::microseconds(micros)); }

StoredMessage to_message(const Statement& row) {
  StoredMessage one;
  one.id = row.number(0);
  one.key = row.bytes(1);
  one.of = row.bytes(2);
  one.channel = row.integer(3) == 1 ? Channel::webhook : Channel::mail;
  one.subject = row.bytes(4);
  one.text = row.bytes(5);
  one.html = row.bytes(6);
  one.created = instant(row.integer(7));
  const std::int64_t state = row.integer(8);
  one.state = state == 1 ? MessageState::sent : state == 2 ? MessageState::refused : MessageState::waiting;
  one.tries = static_cast<std::uint32_t>(row.integer(9));
  one.next_try = instant(row.integer(10));
  one.sent_at = instant(row.integer(11));
  one.said = row.bytes(12);
  one.to = row.bytes(13);
  return one;
}

std::string select(std::string_view rest) { return std::string(kColumns) + std::string(rest); }

}  // namespace

std::string_view to_text(Channel channel) { return channel == Channel::mail ? "mail" : "webhook"; }

std::string_view to_text(MessageState state) {
  return state == MessageState::waiting ? "waiting" : state == MessageState::sent ? "sent" : "refused";
}

Result<AlertStore> AlertStore::open(const std::string& folder, Database::Mode mode) {
  const std::string path = fmt::format("{}/{}", folder, kFile);
  if (mode == Database::Mode::write) {  // messages name addresses and accounts: as closed as the ledger
    const int made = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (made < 0)
      return fail(errno == EACCES || errno == EROFS ? ErrorKind::denied : ErrorKind::unavailable,
                  fmt::format("{}: {}; the desk keeps its messages there", path, std::strerror(errno)));
    ::close(made);
  }
  auto database = Database::open(path, mode);
  if (!database) return std::unexpected(database.error());
  AlertStore store(std::move(*database));
  std::int64_t form = store.database_.number("PRAGMA user_version");
  if (form == 0 && mode == Database::Mode::write) {
    store.database_.begin();
    store.database_.execute(kSchema);
    if (auto done = store.database_.commit(); !done) return std::unexpected(done.error());
    form = kForm;
  }
  if (!store.database_.ok()) return std::unexpected(store.database_.take_error().error());
  if (form != kForm)
    return fail(ErrorKind::invalid,
                fmt::format("{} is of form {}, this program knows {}: install the newer version", path, form, kForm));
  return store;
}

std::string AlertStore::value(std::string_view name) {
  Statement row(database_, "SELECT value FROM value WHERE name = ?");
  row.start(name);
  return row.next() ? std::string(row.bytes(0)) : std::string();
}

void AlertStore::set(std::string_view name, std::string_view value) {
  Statement(database_, "INSERT INTO value VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value")
      .run(name, value);
}

std::optional<std::uint64_t> AlertStore::place() {
  const std::string text = value("place");
  if (text.empty()) return std::nullopt;
  std::uint64_t place = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || place > std::numeric_limits<std::uint64_t>::max() / 16) return std::nullopt;
    place = place * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return place;
}

std::string AlertStore::ledger() { return value("ledger"); }

Result<void> AlertStore::take_up(const std::string& ledger, std::uint64_t place, const std::vector<std::uint64_t>& rows,
                                 Instant now) {
  database_.begin();
  set("ledger", ledger);
  set("place", std::to_string(place));
  Statement add(database_, "INSERT OR IGNORE INTO open_row VALUES(?, ?, 0)");
  for (const std::uint64_t row : rows) add.run(row, micros(now));
  return database_.commit();
}

std::vector<AlertStore::Open> AlertStore::rows_of(int held, std::size_t most) {
  std::vector<Open> all;
  Statement rows(database_, "SELECT id, since FROM open_row WHERE held = ? ORDER BY id LIMIT ?");
  rows.start(held, static_cast<std::uint64_t>(most));
  while (rows.next()) all.push_back({rows.number(0), instant(rows.integer(1))});
  return all;
}

std::vector<AlertStore::Open> AlertStore::open_rows(std::size_t most) { return rows_of(0, most); }

std::vector<AlertStore::Open> AlertStore::held_rows(std::size_t most) { return rows_of(1, most); }

Result<void> AlertStore::hold(std::uint64_t row) {
  database_.begin();
  Statement(database_, "UPDATE open_row SET held = 1 WHERE id = ?").run(row);
  return database_.commit();
}

void AlertStore::add(const std::vector<StoredMessage>& messages) {
  Statement row(database_,
                "INSERT OR IGNORE INTO message(key, class, channel, recipient, subject, text, html, created, state, "
                "tries, next_try, sent_at, said) VALUES(?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, x'')");
  for (const StoredMessage& one : messages)
    row.run(one.key, one.of, one.channel == Channel::webhook ? 1 : 0, one.to, one.subject, one.text, one.html,
            micros(one.created), micros(one.created));
}

Result<void> AlertStore::put(const std::vector<StoredMessage>& messages, const std::vector<std::uint64_t>& rows) {
  database_.begin();
  add(messages);
  Statement end(database_, "DELETE FROM open_row WHERE id = ?");
  for (const std::uint64_t row : rows) end.run(row);
  return database_.commit();
}

Result<void> AlertStore::put_with_value(const std::vector<StoredMessage>& messages, std::string_view name,
                                        std::string_view value) {
  database_.begin();
  add(messages);
  set(name, value);
  return database_.commit();
}

std::vector<StoredMessage> AlertStore::due(Instant now, std::size_t most) {
  std::vector<StoredMessage> all;
  Statement rows(database_,
                 select("WHERE state = 0 AND next_try <= ? ORDER BY class <> CAST('now' AS BLOB), id LIMIT ?").c_str());
  rows.start(micros(now), static_cast<std::uint64_t>(most));
  while (rows.next()) all.push_back(to_message(rows));
  return all;
}

std::optional<Instant> AlertStore::next_due() {
  Statement row(database_, "SELECT min(next_try) FROM message WHERE state = 0");
  row.start();
  return row.next() && !row.null(0) ? std::optional(instant(row.integer(0))) : std::nullopt;
}

std::uint64_t AlertStore::made_since(std::string_view of, Instant since) {
  Statement row(database_, "SELECT count(DISTINCT key) FROM message WHERE class = ? AND created > ?");
  row.start(of, micros(since));
  return row.next() ? row.number(0) : 0;
}

Result<void> AlertStore::tried(std::uint64_t id, MessageState state, Instant next_try, Instant now,
                               std::string_view said) {
  database_.begin();
  Statement(database_,
            "UPDATE message SET state = ?, tries = tries + 1, next_try = ?, sent_at = ?, said = ? WHERE id = ?")
      .run(static_cast<int>(state), micros(next_try), state == MessageState::sent ? micros(now) : 0, said, id);
  return database_.commit();
}

Result<std::uint64_t> AlertStore::retry(std::uint64_t id, Instant now) {
  database_.begin();
  Statement(database_, "UPDATE message SET state = 0, next_try = ?1 WHERE state <> 1 AND (?2 = 0 OR id = ?2)")
      .run(micros(now), id);
  const std::int64_t changed = database_.number("SELECT changes()");
  if (auto done = database_.commit(); !done) return std::unexpected(done.error());
  return static_cast<std::uint64_t>(changed);
}

std::vector<StoredMessage> AlertStore::messages(std::size_t most) {
  std::vector<StoredMessage> all;
  Statement rows(database_, select("ORDER BY id DESC LIMIT ?").c_str());
  rows.start(static_cast<std::uint64_t>(most));
  while (rows.next()) all.push_back(to_message(rows));
  return all;
}

std::optional<StoredMessage> AlertStore::message(std::uint64_t id) {
  Statement row(database_, select("WHERE id = ?").c_str());
  row.start(id);
  return row.next() ? std::optional(to_message(row)) : std::nullopt;
}

Result<void> AlertStore::forget_before(Instant then) {
  database_.begin();
  Statement(database_, "DELETE FROM message WHERE state = 1 AND created < ?").run(micros(then));
  return database_.commit();
}

}  // namespace tipstaff
