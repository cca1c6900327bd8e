#include "ledger/state_file.h"

#include <fmt/format.h>

#include <utility>

namespace tipstaff {
namespace {

constexpr const char* kFileColumns =
    "SELECT id, name, first_batch, first_row, last_batch, last_row, link_before, link, expired_failures, "
    "expired_successes, gone FROM file ";

ChainFile read_file(const Statement& row) {
  ChainFile file;
  file.id = row.number(0);
  file.name = row.bytes(1);
  file.begin = {row.number(2), row.number(3), digest_of(row.bytes(6)).value_or(Digest{})};
  file.end = {row.number(4), row.number(5), digest_of(row.bytes(7)).value_or(Digest{})};
  file.expired_failures = row.number(8);
  file.expired_successes = row.number(9);
  if (!row.null(10)) file.gone = std::string(row.bytes(10));
  return file;
}

}  // namespace

StateFile::StateFile(Database database)
    : database_(std::move(database)),
      version_(database_, "PRAGMA data_version"),
      set_end_(database_, "UPDATE file SET last_batch = ?, last_row = ?, link = ? WHERE id = ?"),
      save_(database_,
            "INSERT INTO position VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET generation = excluded.generation, "
            "offset = excluded.offset, checkpoint = excluded.checkpoint, seen_generation = excluded.seen_generation, "
            "seen_offset = excluded.seen_offset") {
  static_cast<void>(changed());
}

bool StateFile::changed() {
  const std::int64_t version = version_.start().next() ? version_.integer(0) : 0;
  version_.reset();
  return std::exchange(seen_version_, version) != version;
}

std::string StateFile::host() {
  Statement read(database_, "SELECT uuid FROM host WHERE id = 1");
  return read.next() ? std::string(read.bytes(0)) : std::string();
}

std::string StateFile::public_key() {
  Statement read(database_, "SELECT key FROM host WHERE id = 1");
  return read.next() ? std::string(read.bytes(0)) : std::string();
}

void StateFile::set_host(const std::string& uuid, const std::string& public_key) {
  Statement(database_, "INSERT OR REPLACE INTO host VALUES(1, ?, ?)").run(uuid, public_key);
}

std::vector<ChainFile> StateFile::files() {
  Statement all(database_, (std::string(kFileColumns) + "ORDER BY id").c_str());
  std::vector<ChainFile> files;
  while (all.next()) files.push_back(read_file(all));
  return files;
}

std::optional<ChainFile> StateFile::file(const std::string& name) {
  Statement one(database_, (std::string(kFileColumns) + "WHERE name = ? AND gone IS NULL ORDER BY id DESC").c_str());
  if (!one.start(name).next()) return std::nullopt;
  return read_file(one);
}

void StateFile::add_file(const ChainFile& file) {
  Statement(database_, "INSERT INTO file VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, 0, 0, NULL)")
      .run(file.name, file.begin.batch, file.begin.row, file.end.batch, file.end.row, bytes_of(file.begin.link),
           bytes_of(file.end.link));
}

void StateFile::set_end(std::uint64_t file, const ChainEnd& end) {
  set_end_.run(end.batch, end.row, bytes_of(end.link), file);
}

void StateFile::set_gone(std::uint64_t file, const std::string& reason) {
  Statement(database_, "UPDATE file SET gone = ? WHERE id = ?").run(reason, file);
}

void StateFile::set_expired(std::uint64_t file, std::uint64_t failures, std::uint64_t successes) {
  Statement(database_, "UPDATE file SET expired_failures = ?, expired_successes = ? WHERE id = ?")
      .run(failures, successes, file);
}

std::optional<ChainEnd> StateFile::last_end() {
  Statement last(database_, (std::string(kFileColumns) + "ORDER BY last_batch DESC, id DESC LIMIT 1").c_str());
  if (!last.next()) return std::nullopt;
  return read_file(last).end;
}

std::vector<StoredPosition> StateFile::sources() {
  Statement all(database_, "SELECT source, generation, offset, checkpoint, seen_generation, seen_offset FROM position");
  return read_positions(all);
}

void StateFile::save(const StoredPosition& source) {
  save_.run(Blob(source.position.source), source.position.generation, source.position.offset,
            Blob(source.position.checkpoint), source.seen.generation, source.seen.offset);
}

std::vector<SignedHead> StateFile::heads() {
  const std::string uuid = host();
  Statement all(database_, "SELECT batch, at, link, key, signature FROM head ORDER BY batch, at");
  std::vector<SignedHead> heads;
  while (all.next()) {
    heads.push_back({uuid, all.number(0), to_hex(all.bytes(2)), from_micros(all.integer(1)), to_hex(all.bytes(4)),
                     to_hex(all.bytes(3))});
  }
  return heads;
}

void StateFile::add(const SignedHead& head) {
  Statement(database_, "INSERT OR REPLACE INTO head VALUES(?, ?, ?, ?, ?)")
      .run(head.batch, to_micros(head.at), from_hex(head.link).value_or(""), from_hex(head.key).value_or(""),
           from_hex(head.signature).value_or(""));
}

std::optional<std::string> StateFile::hold_of(IpAddress address) {
  Statement one(database_, "SELECT reason FROM hold WHERE address = ?");
  if (!one.start(to_bytes(address)).next()) return std::nullopt;
  return std::string(one.bytes(0));
}

void StateFile::set_hold(IpAddress address, const std::string& reason, Instant now) {
  Statement(database_, "INSERT OR REPLACE INTO hold VALUES(?, ?, ?)").run(to_bytes(address), reason, to_micros(now));
}

bool StateFile::lift_hold(IpAddress address) {
  const bool there = hold_of(address).has_value();
  Statement(database_, "DELETE FROM hold WHERE address = ?").run(to_bytes(address));
  // What expire() passed over because of the hold is looked at again.
  database_.execute("UPDATE file SET expired_failures = 0, expired_successes = 0");
  return there;
}

std::uint64_t StateFile::begin_erasure(const Erasure& erasure) {
  Statement(database_, "INSERT INTO erasing VALUES(NULL, ?, ?, ?)")
      .run(erasure.file, pack_ids(erasure.rows), erasure.reason);
  return database_.last_id();
}

void StateFile::end_erasure(std::uint64_t id) { Statement(database_, "DELETE FROM erasing WHERE id = ?").run(id); }

std::vector<Erasure> StateFile::erasures() {
  Statement all(database_, "SELECT id, file, ids, reason FROM erasing ORDER BY id");
  std::vector<Erasure> list;
  while (all.next()) {
    list.push_back({all.number(0), std::string(all.bytes(1)), unpack_ids(all.bytes(2)), std::string(all.bytes(3))});
  }
  return list;
}

std::string signed_text(const SignedHead& head) {
  return fmt::format("tipstaff-head 1 {} {} {} {} {}", head.host, head.batch, head.link,
                     head.at.time_since_epoch().count(), head.key);
}

std::string SignedHead::to_text() const { return signed_text(*this) + " " + signature; }

Result<SignedHead> read_head(std::string_view text) {
  const auto bad = [] {
    return fail(ErrorKind::invalid,
                "this is no signed head: it is one line, 'tipstaff-head 1 HOST BATCH LINK TIME KEY SIGNATURE'");
  };
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(" \t\r\n"), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  if (words.size() != 8 || words[0] != "tipstaff-head" || words[1] != "1") return bad();
  SignedHead head;
  head.host = words[2];
  head.link = words[4];
  head.key = words[6];
  head.signature = words[7];
  const auto number = [](std::string_view digits) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9' || digits.size() > 18) return std::nullopt;
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
  };
  const auto batch = number(words[3]);
  const auto at = number(words[5]);
  const auto key = from_hex(head.key);
  const auto signature = from_hex(head.signature);
  if (!batch || !at || !key || !signature || head.link.size() != 64) return bad();
  head.batch = *batch;
  head.at = from_micros(static_cast<std::int64_t>(*at));
  if (!signature_is_good(*key, signed_text(head), *signature)) {
    return fail(ErrorKind::invalid, "the signature of this head is wrong: a character of it was changed");
  }
  return head;
}

}  // namespace tipstaff
