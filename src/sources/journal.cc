// See journal.h. Whatever happens (an entry, a rotation, the directory replaced) leads to the same two steps: open the
// journal if it is not open as it is now, and read from where reading stands until the end. A batch of entries is read
// at a time, then other sources run.
#include "sources/journal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <map>
#include <set>
#include <utility>

#include "sources/journal_files.h"
#include "sources/journal_place.h"
#include "sources/journal_reader.h"
#include "sources/read_right.h"

namespace tipstaff {
namespace {

constexpr int kBatch = 256;
constexpr std::size_t kMostWarnings = 14;          // health() adds up to two
constexpr std::size_t kMostDamaged = 64;           // files whose damage was told of
constexpr int kMostBroken = 64;                    // each leaves some memory behind
constexpr std::chrono::minutes kLongPause{1};      // behind it entries are no news any more
constexpr std::chrono::microseconds kNextTime{1};  // the least step of a journal's clock

Instant system_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

struct JournalFollower::Core {
  Core(FileWatch& on, JournalOptions with, std::optional<SavedPlace> saved);

  void look();
  void open();
  void begin();
  void go_on();
  void watch_events();
  void wait_for_events();
  void wake(FileWatch::Wake why);
  void take_events();
  void read();
  void pass_over();
  void hand_out(const JournalEntry& entry);
  [[nodiscard]] bool begins_later() const;
  void tell_loss(Place place);
  void check_files();
  void warn(std::string sentence);
  [[nodiscard]] std::string what() const {
    return options.directory.empty() ? "the journal" : "the journal in " + options.directory;
  }

  FileWatch* watch;
  JournalOptions options;
  std::string name;
  std::vector<std::string> directories;
  RecordSink sink;
  std::unique_ptr<FileWatch::Listener> listener;
  std::optional<JournalReader> reader;
  std::shared_ptr<boost::asio::posix::stream_descriptor> events;  // its end ends the waiting
  boost::asio::io_context* loop = nullptr;
  JournalFiles files;                           // as they were when it was looked last
  std::vector<std::pair<dev_t, ino_t>> opened;  // the directories that `reader` has open

  // where reading stands
  Place at;
  Place behind;             // all that was ever read; after a restart `at` can be before it
  Instant last_time{};      // of the entry before that
  Instant end_time{};       // everything logged before was read
  bool read_again = false;  // what is read now was read before the restart
  JournalRuns runs;
  JournalTimes times;
  std::map<std::uint64_t, std::uint64_t> read_to;  // generation -> behind the last entry read
  bool fresh = false;                              // nothing was saved: begin at the end
  bool paused = false;
  Instant paused_since{};
  bool catching_up = true;
  bool check_due = false;   // at the end of what can be read now
  bool maybe_lost = false;  // the oldest entry is younger than what was read
  std::optional<std::string> fault;
  std::set<std::string> damaged;
  bool damaged_inside = false;
  bool was_there = false;

  std::uint64_t records = 0;
  std::uint64_t cut = 0;
  int broken = 0;                     // times that libsystemd gave up within a call
  std::uint64_t removed = 0;          // before they were read
  std::uint64_t without_message = 0;  // that could be read
  std::optional<Instant> last;
  std::vector<std::string> warnings;
};

JournalFollower::Core::Core(FileWatch& on, JournalOptions with, std::optional<SavedPlace> saved)
    : watch(&on),
      options(std::move(with)),
      name(options.directory.empty() ? "journal" : "journal:" + options.directory),
      directories(journal_directories(options.directory)),
      fresh(!saved && !options.from_start) {
  if (!options.now) options.now = system_now;
  if (!saved) return;
  const auto checkpoint = parse_journal_checkpoint(saved->checkpoint);
  if (!checkpoint) {
    warn(fmt::format("{}: {}; reading begins at its end", name, checkpoint.error().text));
    runs.begin_above(saved->place.generation);
    fresh = true;
    return;
  }
  for (const JournalRuns::Run& run : checkpoint->runs) runs.restore(run);
  runs.begin_above(saved->place.generation);
  at = saved->place;
  behind = checkpoint->behind;
  read_again = true;
  last_time = checkpoint->last;
  end_time = checkpoint->end;
  was_there = at.generation > 0;
  times.note(at, checkpoint->from);
}

void JournalFollower::Core::warn(std::string sentence) {
  if (warnings.size() == kMostWarnings) warnings.erase(warnings.begin());
  warnings.push_back(std::move(sentence));
}

void JournalFollower::Core::look() {
  listener->watch_names([this] {
    std::vector<WatchPoint> points;
    for (const std::string& directory : directories)
      std::ranges::move(watch_points(directory), std::back_inserter(points));
    return points;
  });
  files = look_for_journal_files(directories);
  if (!reader || files.directories != opened) open();
}

void JournalFollower::Core::open() {
  events.reset();
  reader.reset();
  fault.reset();
  opened = files.directories;
  if (opened.empty()) {
    fresh = false;  // what appears later is new as a whole
    return;
  }
  was_there = true;
  if (broken > kMostBroken) {
    fault = fmt::format(
        "{} is not read any more: libsystemd gave up {} times at damaged entries ('journalctl --verify' names the "
        "files; "
        "move them away and restart the guard)",
        what(), broken);
    return;
  }
  auto made = JournalReader::open(options.directory);
  if (!made) {
    fault = made.error().text;
    if (std::exchange(fresh, false)) last_time = end_time = options.now();
    return;
  }
  reader = std::move(*made);
  catching_up = true;
  check_due = true;
  damaged_inside = false;
  if (std::exchange(fresh, false)) {
    begin();
  } else {
    go_on();
  }
  if (!reader->broken()) return watch_events();
  ++broken;  // while it looked for the place: nothing can be said of that; it is tried again at the next re-check
  fault = fmt::format("libsystemd gave up at a damaged file of {} ('journalctl --verify' names it)", what());
  reader.reset();
}

// Nothing was saved: behind the last entry, or, where there is none that can be read, from now on.
void JournalFollower::Core::begin() {
  last_time = end_time = options.now();
  catching_up = false;
  if (reader->move_to_last()) {
    if (const auto entry = reader->entry()) {
      at = behind = {runs.generation_of((*entry)->run), (*entry)->number + 1};
      last_time = (*entry)->realtime;
      read_to[at.generation] = at.offset;
      return;
    }
  }
  reader->seek_time(last_time);
}

// By the number of the place, else by that of the last entry read, else by time. In the latter cases connections that
// were open are not read again: what is there can be a copy of what was read, under other numbers.
void JournalFollower::Core::go_on() {
  if (at.generation == 0) return reader->seek_time(last_time);
  for (const Place place : {at, behind}) {
    const std::string run = runs.id_of(place.generation);
    if (run.empty()) continue;
    const JournalReader::Around around = reader->look_around(run, place.offset);
    if (!around.before && !around.from) continue;
    reader->seek_number(run, place.offset, place == at ? times.not_after(at).value_or(last_time) : last_time);
    maybe_lost = !around.before && begins_later();
    return;
  }
  const std::string run = runs.id_of(behind.generation);
  if (run.empty()) {
    reader->seek_time(last_time + kNextTime);
  } else {
    reader->seek_number(run, behind.offset, last_time + kNextTime);  // should its file come back
  }
  if (reader->oldest()) {
    warn(fmt::format(
        "{} no longer has the entry up to which it was read; reading goes on with the first entry after {}. "
        "What was logged after that and removed since is lost",
        what(), to_rfc3339(last_time)));
  }
}

// Whether what it begins with was logged after everything that was read.
bool JournalFollower::Core::begins_later() const {
  const std::optional<Instant> oldest = reader->oldest();
  return at.generation > 0 && oldest && *oldest > std::max(last_time, end_time);
}

void JournalFollower::Core::watch_events() {
  const int descriptor = ::dup(reader->descriptor());
  if (descriptor < 0) return;  // then the re-check of FileWatch wakes it once a minute
  events = std::make_shared<boost::asio::posix::stream_descriptor>(*loop, descriptor);
  wait_for_events();
}

void JournalFollower::Core::wait_for_events() {
  const auto how = boost::asio::posix::stream_descriptor::wait_read;
  events->async_wait(how, [this, waited = std::weak_ptr(events)](boost::system::error_code error) {
    if (error || waited.expired()) return;
    take_events();
    wait_for_events();
    read();
  });
}

void JournalFollower::Core::take_events() {
  if (reader->process() != JournalReader::Change::files) return;
  check_due = true;
  maybe_lost = maybe_lost || begins_later();
}

void JournalFollower::Core::wake(FileWatch::Wake why) {
  if (!reader || why == FileWatch::Wake::names) look();
  if (!reader) return;
  take_events();
  read();
}

void JournalFollower::Core::read() {
  for (int i = 0; i < kBatch; ++i) {
    if (paused) return;
    const auto next = reader->next();
    if (!next && reader->broken()) {
      pass_over();
      return;
    }
    if (!next && next.error().kind == ErrorKind::corrupt) {
      ++without_message;
    } else if (!next) {
      events.reset();
      reader.reset();  // opened again at the next re-check
      fault = next.error().text;
      return;
    } else if (*next == nullptr) {
      end_time = options.now();
      catching_up = read_again = false;
      if (std::exchange(check_due, false)) check_files();
      return;
    } else {
      hand_out(**next);
    }
  }
  listener->wake();
}

// libsystemd gave up at an entry. Where that had no number, the next place is as good a guess as any.
void JournalFollower::Core::pass_over() {
  ++broken;
  ++without_message;
  const auto bad = reader->broken_at();
  if (bad) {
    at = {runs.generation_of(bad->first), bad->second + 1};
  } else if (at.generation > 0) {
    ++at.offset;
  } else {
    last_time += kNextTime;
  }
  behind = std::max(behind, at);
  read_to[at.generation] = at.offset;
  if (read_to.size() > JournalRuns::kMost) read_to.erase(read_to.begin());
  warn(fmt::format(
      "an entry of {} is so damaged that libsystemd gave up at it; it is passed over ('journalctl --verify' "
      "names its file)",
      what()));
  open();
  listener->wake();
}

void JournalFollower::Core::hand_out(const JournalEntry& entry) {
  Record record;
  record.place = {runs.generation_of(entry.run), entry.number};
  record.next = {record.place.generation, entry.number + 1};
  if (std::exchange(maybe_lost, false)) tell_loss(record.place);
  at = record.next;
  read_again = read_again && record.place < behind;
  if (!read_again) {
    behind = at;
    last_time = entry.realtime;
  }
  times.note(record.place, entry.realtime);
  read_to[at.generation] = at.offset;
  if (read_to.size() > JournalRuns::kMost) read_to.erase(read_to.begin());
  without_message += entry.has_message ? 0 : 1;
  if (entry.message.empty()) return;

  record.line = entry.message;
  record.cut = entry.cut;
  record.arrival = options.now();
  record.stamp = entry.realtime;
  record.catching_up = catching_up;
  record.writer = entry.writer;
  record.has_header = true;
  record.host = entry.host;
  record.program = entry.program;
  record.pid = entry.pid;
  ++records;
  cut += record.cut ? 1 : 0;
  last = record.arrival;
  sink(record);
}

// Numbers say for certain whether entries are missing, as long as the run is the same.
void JournalFollower::Core::tell_loss(Place place) {
  const Instant since = std::max(last_time, end_time);
  if (place.generation == at.generation) {
    if (place.offset <= at.offset) return;
    removed += place.offset - at.offset;
    warn(fmt::format("{} entries of {} were removed before they were read, all after {}", place.offset - at.offset,
                     what(), to_rfc3339(since)));
    return;
  }
  warn(fmt::format("{} begins later than {}, up to which it was read; what was logged in between is lost", what(),
                   to_rfc3339(since)));
}

// sd-journal leaves a file out in silence when it cannot be opened, and when an entry in it cannot be reached.
void JournalFollower::Core::check_files() {
  std::uint64_t read_space = 0;
  do {
    files = look_for_journal_files(directories);
    read_space = reader->disk_space();
  } while (reader->process() == JournalReader::Change::files);
  if (files.disk_space <= read_space) return;
  std::uint64_t missing = files.disk_space - read_space;
  for (const std::string& file : files.readable) {
    if (JournalReader::can_open(file)) continue;
    missing -= std::min(missing, disk_space_of(file));
    if (damaged.size() < kMostDamaged && damaged.insert(file).second) {
      warn(fmt::format("{} is damaged and not read", file));
    }
  }
  if (missing > 0 && !std::exchange(damaged_inside, true)) {
    warn(fmt::format("a file of {} is damaged inside and is not read behind the damage; journalctl --verify names it",
                     what()));
  }
}

JournalFollower::JournalFollower(FileWatch& watch, JournalOptions options, std::optional<SavedPlace> saved)
    : core_(std::make_unique<Core>(watch, std::move(options), std::move(saved))) {}

JournalFollower::~JournalFollower() = default;

const std::string& JournalFollower::name() const { return core_->name; }

Result<void> JournalFollower::start(boost::asio::io_context& loop, RecordSink sink) {
  const std::string& directory = core_->options.directory;
  if (!directory.empty() && !directory.starts_with('/')) {
    return fail(ErrorKind::invalid, "a directory of journal files must be named with its whole path, beginning with /",
                directory);
  }
  core_->loop = &loop;
  core_->sink = std::move(sink);
  core_->listener = core_->watch->listen([core = core_.get()](FileWatch::Wake why) { core->wake(why); });
  core_->look();
  core_->listener->wake();
  return {};
}

Place JournalFollower::position() const { return core_->at; }

std::string JournalFollower::checkpoint(Place place) const {
  const auto read_to = core_->read_to.find(place.generation);
  const bool all_read = read_to != core_->read_to.end() && place.offset >= read_to->second;
  JournalCheckpoint checkpoint;
  checkpoint.last = core_->last_time;
  checkpoint.behind = core_->behind;
  checkpoint.end = core_->end_time;
  checkpoint.from = all_read ? core_->last_time : core_->times.not_after(place).value_or(core_->last_time);
  checkpoint.runs = core_->runs.all();
  return to_text(checkpoint);
}

void JournalFollower::pause(bool on) {
  if (core_->paused == on) return;
  core_->paused = on;
  if (on) {
    core_->paused_since = core_->options.now();
    return;
  }
  if (core_->options.now() - core_->paused_since > kLongPause) core_->catching_up = true;
  if (core_->listener) core_->listener->wake();
}

SourceHealth JournalFollower::health() const {
  using State = SourceHealth::State;
  SourceHealth health;
  const Core& core = *core_;
  if (core.opened.empty()) {
    health.state = core.was_there ? State::missing : State::waiting;
    health.sentence = fmt::format("{} is {}; it is read as soon as {} is there", core.what(),
                                  core.was_there ? "gone" : "not there", fmt::join(core.directories, " or "));
  } else if (core.files.denied) {
    health.state = State::denied;
    health.sentence = fmt::format("{}: {}", *core.files.denied, why_denied(*core.files.denied));
  } else if (core.fault) {
    health.state = State::unreadable;
    health.sentence = *core.fault;
  } else {
    health.state = State::following;
    health.sentence = core.watch->trouble();
  }
  health.records = core.records;
  health.cut = core.cut;
  health.dropped = core.removed + core.without_message;
  health.last = core.last;
  health.warnings = core.warnings;
  if (core.without_message > 0) {
    health.warnings.push_back(
        fmt::format("{} entries of {} had no message that could be read, since they are damaged or "
                    "were written so",
                    core.without_message, core.what()));
  }
  if (core.runs.forgotten() > 0) {
    health.warnings.push_back(
        fmt::format("{} holds the journals of more than {} machines; after a restart entries can "
                    "count twice. Give each its own directory and source",
                    core.what(), JournalRuns::kMost));
  }
  return health;
}

}  // namespace tipstaff
