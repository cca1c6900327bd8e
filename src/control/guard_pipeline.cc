#include "control/guard_pipeline.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "detect/trust.h"

namespace tipstaff {
namespace {

constexpr unsigned kOffsetBits = 44;
constexpr std::uint64_t kMostOffset = (1ULL << kOffsetBits) - 1;
constexpr std::uint64_t kMostGeneration = (1ULL << (64 - kOffsetBits)) - 1;

constexpr std::chrono::minutes kAhead{5};  // of arrival: more is implausible
constexpr std::chrono::hours kBehind{1};   // the same, where nothing is caught up
constexpr std::chrono::hours kJump{1};

constexpr std::size_t kMostRawOfAttempt = std::size_t{16} << 10U;
constexpr std::size_t kMostRaw = std::size_t{16} << 20U;  // of all open attempts of a source

}  // namespace

std::uint64_t pack(Place place) {
  return std::min(place.generation, kMostGeneration) << kOffsetBits | std::min(place.offset, kMostOffset);
}

Place unpack(std::uint64_t packed) { return {packed >> kOffsetBits, packed & kMostOffset}; }

void ReadMark::note(Place place) {
  auto at = std::ranges::lower_bound(places_, place.generation, {}, &Place::generation);
  if (at != places_.end() && at->generation == place.generation) {
    at->offset = std::max(at->offset, place.offset);
    return;
  }
  places_.insert(at, place);
  if (places_.size() > kMostGenerations) places_.erase(places_.begin());
}

bool ReadMark::covers(Place place) const {
  if (places_.empty() || place.generation < places_.front().generation) return !places_.empty();
  const auto at = std::ranges::find(places_, place.generation, &Place::generation);
  return at != places_.end() && place.offset < at->offset;
}

GuardPipeline::GuardPipeline(PipelineOptions options, Sink sink)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      clock_(options_.zone, std::nullopt, options_.started),
      coverage_(options_.readers),
      folder_([this](Change change, Attempt& attempt) { changed(change, attempt); }),
      read_(options_.read) {}

// The time that windows go by. It never falls, except that one line far ahead of the lines around it, as only a source
// that is caught up can have it, is taken back with the next.
Instant GuardPipeline::window_time(const Record& record, std::optional<Instant> stamp) {
  Instant time = record.arrival;
  if (stamp) {
    const bool ahead = *stamp > record.arrival + kAhead;
    const bool behind = !record.catching_up && *stamp < record.arrival - kBehind;
    if (!record.catching_up) times_.skew = record.arrival - *stamp;
    if (ahead || behind) {
      ++times_.implausible;
      stamp.reset();
    } else {
      time = std::min(*stamp, record.arrival);
    }
  }
  // of what lay there already the arrival says nothing
  if (!stamp && record.catching_up && window_) return *window_;
  if (window_ && time < *window_) {
    if (!before_jump_ || time > *window_ - kJump) return *window_;
    window_ = before_jump_;
  }
  before_jump_ = window_ && time > *window_ + kJump ? window_ : std::nullopt;
  window_ = std::max(time, window_.value_or(time));
  return *window_;
}

void GuardPipeline::begin_at(Place place) {
  at_ = std::max(place, at_.value_or(place));
  read_.note(place);
}

bool GuardPipeline::take(const Record& record) {
  Header header;
  if (record.has_header) {
    header.layout = Layout::syslog;
    header.host = record.host;
    header.program = record.program;
    header.pid = record.pid;
    header.message = header.from_program = record.line;
  } else {
    header = split_header(record.line, scratch_);
    clock_.follow(header);
  }
  options_.readers->all().recognize(header, finding_);
  if (record.cut && finding_.fields.has_address) {  // whoever wrote the line chose where it is cut
    finding_.ambiguous = true;
    finding_.fields.has_address = false;
    finding_.fields.port = 0;
  }
  const bool known = options_.read.covers(record.place);
  const bool news = coverage_.note(header, finding_, record.line, record.arrival) && !known;
  const std::optional<Instant> stamp = record.stamp ? record.stamp : clock_.time_of(header);
  const Instant window = window_time(record, stamp);
  times_.catching_up = record.catching_up;
  last_stamp_ = stamp.value_or(record.arrival);
  last_arrival_ = record.arrival;

  if (finding_.understood && finding_.kind != Kind::harmless) {
    if (finding_.ambiguous) ++ambiguous_;
    line_ = record.line;
    line_number_ = pack(record.place);
    line_window_ = window;
    line_known_ = known;
    const bool forged = record.has_header && !is_trusted(*finding_.detector, record.writer, header.program);
    line_unsure_ = forged || (record.untrusted && !options_.trust_network);
    if (!stamp) folder_.pass(record.arrival);
    if (line_unsure_) {
      ++unsure_;
      folder_.add_unsure(header, finding_, stamp, line_number_);
    } else {
      folder_.add(header, finding_, stamp, line_number_);
    }
  }
  begin_at(record.next);
  return news;
}

void GuardPipeline::pass(Instant now) {
  if (!last_stamp_) return;
  line_known_ = options_.read.covers(*at_);  // still behind where it was then
  // as much time has gone by for the stamps as for the clock
  folder_.pass(*last_stamp_ + std::max(now - last_arrival_, Instant::duration::zero()));
}

std::optional<Place> GuardPipeline::resume_at() const {
  if (!at_) return std::nullopt;
  const auto oldest = folder_.oldest_open_line();
  return oldest ? std::min(unpack(*oldest), *at_) : *at_;
}

void GuardPipeline::keep_raw(OpenAttempt& open) {
  std::size_t held = line_.size();
  for (const std::string& line : open.raw) held += line.size();
  if (open.raw.size() >= LineList::kMost || held > kMostRawOfAttempt || raw_bytes_ + line_.size() > kMostRaw) {
    ++raw_dropped_;
    return;
  }
  raw_bytes_ += line_.size();
  open.raw.emplace_back(line_);
}

void GuardPipeline::changed(Change change, Attempt& attempt) {
  const auto [at, is_new] = open_.try_emplace(attempt.line);
  OpenAttempt& open = at->second;
  if (change == Change::made) {
    attempt.window_time = line_window_;
    open.unsure = line_unsure_;
  } else if (change != Change::closed) {
    ++open.version;
  }
  if (change == Change::made || change == Change::amended) {
    if (attempt.lines[attempt.lines.size() - 1] == line_number_) keep_raw(open);
  }
  sink_(change, attempt, open, line_known_);
  if (change == Change::withdrawn || change == Change::closed) {
    for (const std::string& line : open.raw) raw_bytes_ -= line.size();
    open_.erase(at);
  }
}

}  // namespace tipstaff
