#include "ledger/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "ledger/folder.h"
#include "ledger/schema.h"
#include "ledger/writer_state.h"

namespace tipstaff {
namespace {

constexpr std::uint64_t kPageBytes = 4'096;

bool is_damage(const Error& error) { return error.kind == ErrorKind::corrupt; }

std::unexpected<Error> no_lock(const std::string& folder) {
  return fail(ErrorKind::denied, "the ledger's folder cannot be locked: is it there, and may this user open it?",
              folder);
}

}  // namespace

std::string pack_end(const ChainFile& file) {
  std::string detail;
  put_number(detail, file.begin.batch);
  put_number(detail, file.end.batch);
  put_number(detail, file.end.row);
  put_text(detail, bytes_of(file.end.link));
  return detail;
}

Instant LedgerWriter::State::now() const {
  return options.clock ? options.clock()
                       : std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

void LedgerWriter::State::notice(const std::string& text) const {
  if (options.notice) options.notice(text);
}

void LedgerWriter::State::pend(const std::string& kind, const std::string& text, std::string detail) {
  pending.push_back({{kind, now(), {}, text}, std::move(detail)});
  notice(text);
}

Result<void> LedgerWriter::State::open_state() {
  const std::string file = path("state.db");
  for (const bool again : {false, true}) {
    if (auto made = make_file(file); !made) return made;
    auto database = Database::open(file, Database::Mode::write);
    Result<void> good;
    if (database) good = migrate(*database, state_schema());
    if (!database) good = std::unexpected(database.error());
    if (good) {
      state = std::make_unique<StateFile>(std::move(*database));
      if (state->database().ok()) return {};
      good = state->database().take_error();
    }
    if (again || !is_damage(good.error())) return good;
    database = fail(ErrorKind::internal, "");  // closes it
    state.reset();
    auto aside = tipstaff::set_aside(file, now());
    if (!aside) return std::unexpected(aside.error());
    pend("set_aside",
         fmt::format("state.db was damaged ({}) and is now {}. Signed heads and holds in it are lost to this "
                     "ledger: keep the file. A new one is made from the months.",
                     good.error().text, *aside));
  }
  return {};
}

Result<void> LedgerWriter::State::put_aside(std::string name, const std::string& why) {
  if (!set_aside.insert(name).second) {
    return fail(ErrorKind::corrupt,
                fmt::format("the new file is damaged as well ({}): the disk or memory is failing. Nothing is recorded "
                            "until the guard is started again.",
                            why),
                path(name));
  }
  month.reset();
  older.erase(name);
  auto aside = tipstaff::set_aside(path(name), now());
  if (!aside) return std::unexpected(aside.error());
  const std::string text = fmt::format(
      "{} was damaged ({}) and is now {}. Recording goes on in a new file; what stood in "
      "the damaged one is missing from reports. A backup can be restored beside it.",
      name, why, *aside);
  std::string detail;
  if (const auto file = state->file(name)) {
    state->set_gone(file->id, text);
    detail = pack_end(*file);
  }
  pend("set_aside", text, std::move(detail));
  return {};
}

Result<std::unique_ptr<MonthWriter>> LedgerWriter::State::open_month(const std::string& name) {
  std::string why;
  {
    auto database = Database::open(path(name), Database::Mode::write);
    Result<void> good;
    if (database) good = migrate(*database, month_schema());
    if (!database) good = std::unexpected(database.error());
    if (good) {
      if (options.most_bytes > 0) {
        database->execute(fmt::format("PRAGMA max_page_count={}", options.most_bytes / kPageBytes).c_str());
      }
      auto opened = std::make_unique<MonthWriter>(std::move(*database), name);
      if (opened->database().ok() && !opened->host().empty()) return opened;
      if (opened->database().ok()) {
        opened->database().set_error(ErrorKind::corrupt, "its first row is missing");
      }
      good = opened->database().take_error();
    }
    if (!is_damage(good.error())) return std::unexpected(good.error());
    why = good.error().text;
  }
  if (auto done = put_aside(name, why); !done) return std::unexpected(done.error());
  return std::unique_ptr<MonthWriter>();
}

// Brings state.db to what the file says, which is the truth; a file that ends before what state.db has seen lost its last
// commits in a power cut.
void LedgerWriter::State::reconcile(MonthWriter& file) {
  const auto known = state->file(file.name());
  if (!known) {
    state->add_file({.name = file.name(), .begin = file.begin(), .end = file.end(), .gone = {}});
    return;
  }
  if (known->end.batch > file.end().batch) {
    pend("lost",
         fmt::format("{} lost its last {} commits in a power cut; the lines are read again from the positions that "
                     "were saved with the rest.",
                     file.name(), known->end.batch - file.end().batch));
  }
  if (known->end.batch != file.end().batch || known->end.link != file.end().link) {
    state->set_end(known->id, file.end());
  }
}

Result<void> LedgerWriter::State::open_months() {
  month.reset();
  older.clear();
  recent.clear();
  for (const auto& name : list_months(options.folder)) {
    auto opened = open_month(name);
    if (!opened) return std::unexpected(opened.error());
    if (!*opened) continue;
    reconcile(**opened);
    month = std::move(*opened);
  }
  if (month) month->load_recent(recent);
  if (month && !month->database().ok()) {
    const Error error = month->database().take_error().error();
    if (!is_damage(error)) return std::unexpected(error);
    if (auto done = put_aside(month->name(), error.text); !done) return done;
    return open_months();
  }
  // A month whose rows were re-read is found by its places; the state's copy knows those of a file that is gone.
  for (const auto& [position, saved, seen] : state->sources()) {
    if (seen != LedgerPlace{}) recent.note_older(recent.number_of(position.source), seen);
  }
  return {};
}

Result<void> LedgerWriter::State::reload() {
  if (auto done = open_months(); !done) return done;
  static_cast<void>(state->changed());
  if (!state->database().ok()) return state->database().take_error();
  return {};
}

Result<void> LedgerWriter::State::begin_month(const std::string& name) {
  std::vector<StoredPosition> sources;
  if (month) {
    // The new file says where reading goes on, so what it rests on must be on the disk first.
    month->database().checkpoint();
    if (!month->database().ok()) return month->database().take_error();
    sources = month->sources();
  } else {
    sources = state->sources();
  }
  for (auto& source : sources) {
    source.seen = recent.farthest(recent.number_of(source.position.source)).value_or(source.seen);
  }
  ChainEnd end = month ? month->end() : ChainEnd{};
  if (const auto last = state->last_end(); last && last->batch > end.batch) end = *last;
  month.reset();
  // Made under another name, so that a crash leaves no half file under this one.
  const std::string fresh = path(name + ".new");
  remove_database(fresh);
  if (auto made = make_file(fresh); !made) return made;
  {
    auto database = Database::open(fresh, Database::Mode::write);
    if (!database) return std::unexpected(database.error());
    if (auto done = migrate(*database, month_schema()); !done) return done;
    if (auto done = MonthWriter::begin_file(*database, host, end, sources, now()); !done) return done;
    database->checkpoint();
    if (!database->ok()) return database->take_error();
  }
  if (auto moved = move_database(fresh, path(name)); !moved) return moved;
  auto opened = open_month(name);
  if (!opened) return std::unexpected(opened.error());
  if (!*opened) return fail(ErrorKind::corrupt, "a file that was just made cannot be read", path(name));
  month = std::move(*opened);
  reconcile(*month);
  older.clear();
  return {};
}

Result<void> LedgerWriter::State::ready(Instant recorded) {
  if (!month || state->changed()) {
    if (auto done = reload(); !done) return done;
  }
  const std::string name = month_file_of(recorded);
  if (!month || month->name() < name) return begin_month(name);  // a clock set back does not open an old month
  return {};
}

MonthWriter* LedgerWriter::State::older_month(const std::string& name) {
  auto& opened = older[name];
  if (!opened) {
    auto database = Database::open(path(name), Database::Mode::read);
    if (!database || !check_schema(*database, month_schema())) return nullptr;
    opened = std::make_unique<MonthWriter>(std::move(*database), name);
  }
  return opened->database().ok() ? opened.get() : nullptr;
}

MonthWriter::Around LedgerWriter::State::around() {
  // Newest first, until `ask` has an answer.
  const auto ask_older = [this](auto&& ask) {
    const auto names = list_months(options.folder);
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
      if (month && *name >= month->name()) continue;
      if (MonthWriter* const file = older_month(*name); file != nullptr && ask(*file)) return;
    }
  };
  return {.recent = recent,
          .account_key = account_key,
          .find_older =
              [ask_older](const AttemptKey& wanted) {
                std::optional<RecentKeys::Known> known;
                ask_older([&](MonthWriter& file) { return (known = file.find(wanted)).has_value(); });
                return known;
              },
          .older_row =
              [ask_older](std::uint64_t row) {
                std::optional<Found<StoredAttempt>> found;
                ask_older([&](MonthWriter& file) {
                  if (row <= file.begin().row) return false;
                  found = file.rows().attempt(row);
                  return true;
                });
                return found;
              },
          .older_verdict =
              [ask_older](const AttemptKey& cause, const std::string& rule) {
                bool has = false;
                ask_older([&](MonthWriter& file) { return has = file.has_verdict(cause, rule); });
                return has;
              }};
}

Result<WriteCounts> LedgerWriter::State::try_write(const Batch& batch) {
  if (auto done = ready(batch.recorded); !done) return std::unexpected(done.error());
  Database& database = month->database();
  auto surroundings = around();
  database.begin();
  const WriteCounts counts = month->append(batch, pending, surroundings);
  failpoint("ledger.before_commit");
  if (auto done = database.commit(); !done) {
    month.reset();  // ids and keys in memory may be of rows that are not there
    return std::unexpected(done.error());
  }
  failpoint("ledger.after_commit");
  pending.clear();
  follow(batch);
  return counts;
}

Result<WriteCounts> LedgerWriter::State::write(const Batch& batch) {
  auto counts = try_write(batch);
  if (!counts && is_damage(counts.error())) {
    const auto names = list_months(options.folder);
    if (names.empty() || counts.error().where != path(names.back())) return counts;  // not the month that is written
    if (auto done = put_aside(names.back(), counts.error().text); !done) return std::unexpected(done.error());
    counts = try_write(batch);
  }
  return counts;
}

// state.db's copy. Its errors are not the batch's: the months are the truth, and the next batch tries again.
void LedgerWriter::State::follow(const Batch& batch) {
  Database& database = state->database();
  database.begin();
  if (const auto file = state->file(month->name())) state->set_end(file->id, month->end());
  for (const auto& position : batch.positions) {
    const auto seen = recent.farthest(recent.number_of(position.source));
    state->save({position, true, seen.value_or(LedgerPlace{})});
  }
  if (auto done = database.commit(); !done && is_damage(done.error())) {
    notice("state.db is damaged; it is put aside at the next start. " + done.error().message());
  }
}

LedgerWriter::LedgerWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
LedgerWriter::~LedgerWriter() = default;

Result<std::unique_ptr<LedgerWriter>> LedgerWriter::open(LedgerOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  const std::string& folder = state->options.folder;
  if (auto made = make_folder(folder); !made) return std::unexpected(made.error());
  const FolderLock lock(folder);
  if (!lock.held()) return no_lock(folder);
  bool key_made = false;
  auto key = SigningKey::open(folder + "/head.key", key_made);
  if (!key) return std::unexpected(key.error());
  state->key = std::move(*key);
  state->account_key = state->key.derive("account names");
  if (auto done = state->open_state(); !done) return std::unexpected(done.error());
  state->host = state->state->host();
  if (auto done = state->reload(); !done) return std::unexpected(done.error());
  if (state->host.empty()) state->host = state->month ? state->month->host() : random_uuid();
  const std::string key_before = state->state->public_key();
  if (key_before != state->key.public_key()) {
    if (!key_before.empty()) {
      state->pend("key",
                  fmt::format("head.key is another one: heads signed before carry the key {}.", to_hex(key_before)),
                  key_before);
    }
    state->state->set_host(state->host, state->key.public_key());
  }
  if (!state->state->database().ok()) return state->state->database().take_error();
  if (auto done = state->finish_erasures(); !done) return std::unexpected(done.error());
  return std::unique_ptr<LedgerWriter>(new LedgerWriter(std::move(state)));
}

Result<WriteCounts> LedgerWriter::write(const Batch& batch) {
  const FolderLock lock(state_->options.folder);
  if (!lock.held()) return no_lock(state_->options.folder);
  return state_->write(batch);
}

void LedgerWriter::rest() {
  if (state_->month) state_->month->database().release_memory();
  state_->state->database().release_memory();
}

Result<std::vector<PositionRow>> LedgerWriter::positions() {
  const FolderLock lock(state_->options.folder);
  if (!lock.held()) return no_lock(state_->options.folder);
  if (!state_->month || state_->state->changed()) {
    if (auto done = state_->reload(); !done) return std::unexpected(done.error());
  }
  std::vector<PositionRow> positions;
  const bool from_month = state_->month != nullptr;
  for (auto& source : from_month ? state_->month->sources() : state_->state->sources()) {
    if (source.saved) positions.push_back(std::move(source.position));
  }
  Database& database = from_month ? state_->month->database() : state_->state->database();
  if (!database.ok()) return database.take_error();
  return positions;
}

Result<SignedHead> LedgerWriter::sign_head(Instant now) {
  const FolderLock lock(state_->options.folder);
  if (!lock.held()) return no_lock(state_->options.folder);
  if (auto done = state_->ready(now); !done) return std::unexpected(done.error());
  Database& month = state_->month->database();
  month.checkpoint();  // a head must never be ahead of what a power cut leaves
  if (!month.ok()) return month.take_error();
  const ChainEnd& end = state_->month->end();
  SignedHead head{state_->host, end.batch, to_hex(bytes_of(end.link)), now, {}, to_hex(state_->key.public_key())};
  auto signature = state_->key.sign(signed_text(head));
  if (!signature) return std::unexpected(signature.error());
  head.signature = to_hex(*signature);
  Database& database = state_->state->database();
  state_->state->add(head);
  database.checkpoint();
  if (!database.ok()) return database.take_error();
  return head;
}

Result<void> LedgerWriter::hold(IpAddress address, const std::string& reason, Instant now) {
  Database& database = state_->state->database();
  state_->state->set_hold(address, reason, now);
  if (!database.ok()) return database.take_error();
  return {};
}

Result<void> LedgerWriter::lift_hold(IpAddress address) {
  Database& database = state_->state->database();
  const bool there = state_->state->lift_hold(address);
  if (!database.ok()) return database.take_error();
  if (!there) return fail(ErrorKind::not_found, fmt::format("there is no hold on {}", address.to_string()));
  return {};
}

const std::string& LedgerWriter::host() const { return state_->host; }

}  // namespace tipstaff
