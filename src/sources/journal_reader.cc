// See journal_reader.h. Texts are copied out, since sd-journal keeps a field only until the next one is asked for.
#include "sources/journal_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "sources/library_fault.h"
#include "sources/sd_journal.h"

namespace tipstaff {
namespace {

// Enough for the longest message with its name; what is longer is given cut by sd-journal.
constexpr std::size_t kThreshold = kMaxLine + 64;
constexpr std::uint64_t kEndOfTime = ~0ULL >> 1U;

Instant to_instant(std::uint64_t microseconds) {
  return Instant(std::chrono::microseconds(static_cast<std::int64_t>(std::min(microseconds, kEndOfTime))));
}

std::uint64_t to_microseconds(Instant time) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0));
}

Error error_of(int result, const std::string& directory) {
  const std::string what = directory.empty() ? "the journal" : "the journal in " + directory;
  const int number = -result;
  const std::string why = std::generic_category().message(number);
  if (number == ENOENT || number == ENOTDIR) return {ErrorKind::not_found, what + " is not there", ""};
  if (number == EACCES || number == EPERM) return {ErrorKind::denied, what + " may not be read: " + why, ""};
  if (number == EBADMSG) return {ErrorKind::corrupt, "an entry of " + what + " is damaged", ""};
  return {ErrorKind::unavailable, what + " cannot be read: " + why, ""};
}

// The value behind "x=" among parts divided by semicolons.
std::string_view part_of(std::string_view cursor, std::string_view name) {
  while (!cursor.empty()) {
    const std::string_view part = cursor.substr(0, cursor.find(';'));
    if (part.starts_with(name)) return part.substr(name.size());
    cursor.remove_prefix(std::min(cursor.size(), part.size() + 1));
  }
  return {};
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::uint32_t> journal_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void JournalFields::clear() { has_.fill(false); }

void JournalFields::add(std::string_view field) {
  const std::size_t equals = field.find('=');
  if (equals == std::string_view::npos) return;
  const auto name = static_cast<std::size_t>(std::ranges::find(kNames, field.substr(0, equals)) - kNames.begin());
  if (name == names || has_[name]) return;
  has_[name] = true;
  values_[name].assign(field.substr(equals + 1, kMaxLine + 1));
}

void JournalFields::describe(JournalEntry& entry) {
  const auto value = [this](Name name) { return has_[name] ? std::string_view(values_[name]) : std::string_view(); };
  if (has_[message]) {
    // a second line in a message is text like the first: nobody may write a line of his own this way
    for (char& c : values_[message]) c = c == '\n' || c == '\0' ? ' ' : c;
  }
  entry.has_message = has_[message];
  entry.cut = value(message).size() > kMaxLine;
  entry.message = trim(value(message).substr(0, kMaxLine));
  entry.host = value(host);
  entry.program = value(identifier).empty() ? value(comm) : value(identifier);
  entry.pid = journal_number(value(has_[pid] ? pid : syslog_pid)).value_or(0);
  entry.writer.known = true;  // if only that nothing is vouched for
  entry.writer.unit = value(unit);
  entry.writer.comm = value(comm);
  entry.writer.uid = journal_number(value(uid));
}

void JournalReader::Close::operator()(sd_journal* journal) const {
  if (!survive([&] { sd->close(journal); })) return;  // what it held is lost
}

template <class Function, class... Arguments>
int JournalReader::call(Function function, Arguments... arguments) const {
  if (broken_) return -ENOTRECOVERABLE;
  int result = -ENOTRECOVERABLE;
  if (!survive([&] { result = function(arguments...); })) {
    broken_ = true;
    return -ENOTRECOVERABLE;
  }
  return result;
}

std::optional<std::pair<std::string, std::uint64_t>> JournalReader::broken_at() const {
  if (!broken_ || !at_entry_) return std::nullopt;
  return std::pair(run_, entry_.number);
}

Result<JournalReader> JournalReader::open(const std::string& directory) {
  const auto sd = load_sd_journal();
  if (!sd) return std::unexpected(sd.error());
  sd_journal* journal = nullptr;
  int opened = -ENOTRECOVERABLE;
  static_cast<void>(survive([&] {
    opened = directory.empty() ? (*sd)->open(&journal, SD_JOURNAL_LOCAL_ONLY)
                               : (*sd)->open_directory(&journal, directory.c_str(), 0);
  }));
  if (opened < 0) return std::unexpected(error_of(opened, directory));
  JournalReader reader;
  reader.sd_ = *sd;
  reader.journal_ = {journal, Close{*sd}};
  // before the first entry is read: this begins to watch the directories
  reader.descriptor_ = (*sd)->get_fd(journal);
  if (reader.descriptor_ < 0) return std::unexpected(error_of(reader.descriptor_, directory));
  if (const int set = (*sd)->set_data_threshold(journal, kThreshold); set < 0) {
    return std::unexpected(error_of(set, directory));
  }
  return reader;
}

JournalReader::Change JournalReader::process() {
  switch (call(sd_->process, journal_.get())) {
    case SD_JOURNAL_NOP:
      return Change::nothing;
    case SD_JOURNAL_APPEND:
      return Change::entries;
    default:
      return Change::files;
  }
}

bool JournalReader::can_open(const std::string& file) {
  const auto sd = load_sd_journal();
  if (!sd) return false;
  const char* const files[] = {file.c_str(), nullptr};
  sd_journal* journal = nullptr;
  // the signature is older than const
  int opened = -1;
  return survive([&] {
           opened = (*sd)->open_files(&journal, const_cast<const char**>(files), 0);
           if (opened >= 0) (*sd)->close(journal);
         }) &&
         opened >= 0;
}

void JournalReader::seek_head() { call(sd_->seek_head, journal_.get()); }

void JournalReader::seek_time(Instant time) { call(sd_->seek_realtime_usec, journal_.get(), to_microseconds(time)); }

void JournalReader::seek_number(const std::string& run, std::uint64_t number, Instant time) {
  const std::string cursor = fmt::format("s={};i={:x};t={:x}", run, number, to_microseconds(time));
  if (call(sd_->seek_cursor, journal_.get(), cursor.c_str()) < 0) seek_time(time);  // the saved run is no id
}

bool JournalReader::move_to_last() {
  return call(sd_->seek_tail, journal_.get()) >= 0 && call(sd_->previous, journal_.get()) > 0;
}

// A time before or behind all entries leaves only the files of the run to be found.
JournalReader::Around JournalReader::look_around(const std::string& run, std::uint64_t number) {
  Around around;
  seek_number(run, number > 0 ? number - 1 : 0, to_instant(1));
  around.before = call(sd_->previous, journal_.get()) > 0 && read_cursor() && run_ == run && entry_.number < number;
  seek_number(run, number, to_instant(kEndOfTime));
  if (call(sd_->next, journal_.get()) > 0 && read_cursor() && run_ == run) around.from = entry_.number;
  return around;
}

Result<const JournalEntry*> JournalReader::next() {
  at_entry_ = false;
  const int moved = call(sd_->next, journal_.get());
  if (moved < 0) return std::unexpected(error_of(moved, ""));
  if (moved == 0) return nullptr;
  return entry();
}

bool JournalReader::read_cursor() {
  char* text = nullptr;
  if (call(sd_->get_cursor, journal_.get(), &text) < 0) return false;
  const std::unique_ptr<char, decltype(&std::free)> cursor(text, std::free);
  const std::string_view run = part_of(text, "s=");
  const std::string_view number = part_of(text, "i=");
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), entry_.number, 16);
  if (error != std::errc() || run.empty()) return false;
  run_.assign(run);
  entry_.run = run_;
  return true;
}

Result<const JournalEntry*> JournalReader::entry() {
  sd_journal* const journal = journal_.get();
  if (!read_cursor()) return std::unexpected(error_of(-EBADMSG, ""));
  at_entry_ = true;
  std::uint64_t realtime = 0;
  if (const int got = call(sd_->get_realtime_usec, journal, &realtime); got < 0) {
    return std::unexpected(error_of(-EBADMSG, ""));
  }
  entry_.realtime = to_instant(realtime);
  fields_.clear();
  const void* data = nullptr;
  std::size_t size = 0;
  int got = 0;
  const auto restart = [this](sd_journal* on) { return sd_->restart_data(on), 0; };
  call(restart, journal);
  while ((got = call(sd_->enumerate_available_data, journal, &data, &size)) > 0) {
    fields_.add({static_cast<const char*>(data), size});
  }
  if (got < 0) return std::unexpected(error_of(-EBADMSG, ""));
  fields_.describe(entry_);
  return &entry_;
}

std::optional<Instant> JournalReader::oldest() const {
  std::uint64_t from = 0;
  std::uint64_t until = 0;
  if (call(sd_->get_cutoff_realtime_usec, journal_.get(), &from, &until) <= 0) return std::nullopt;
  return to_instant(from);
}

std::uint64_t JournalReader::disk_space() const {
  std::uint64_t bytes = 0;
  return call(sd_->get_usage, journal_.get(), &bytes) < 0 ? 0 : bytes;
}

}  // namespace tipstaff
