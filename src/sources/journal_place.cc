// See journal_place.h. Checkpoints come back from the ledger, so they are read as strictly as anything from outside.
#include "sources/journal_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace tipstaff {
namespace {

constexpr std::size_t kIdLength = 32;

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

bool is_id(std::string_view text) {
  return text.size() == kIdLength && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::uint64_t JournalRuns::generation_of(std::string_view id) {
  // nearly always the run of the entry before
  const auto known = std::ranges::find(runs_.rbegin(), runs_.rend(), id, &Run::id);
  if (known != runs_.rend()) return known->generation;
  if (runs_.size() == kMost) {
    runs_.erase(runs_.begin());
    ++forgotten_;
  }
  runs_.push_back({++last_, std::string(id)});
  return last_;
}

std::string JournalRuns::id_of(std::uint64_t generation) const {
  const auto known = std::ranges::find(runs_, generation, &Run::generation);
  return known == runs_.end() ? std::string() : known->id;
}

void JournalRuns::restore(Run run) {
  begin_above(run.generation);
  runs_.push_back(std::move(run));
}

std::string to_text(const JournalCheckpoint& checkpoint) {
  const auto number = [](Instant time) { return time.time_since_epoch().count(); };
  std::string text =
      fmt::format("from={};last={};end={};run={};number={}", number(checkpoint.from), number(checkpoint.last),
                  number(checkpoint.end), checkpoint.behind.generation, checkpoint.behind.offset);
  for (const JournalRuns::Run& run : checkpoint.runs) text += fmt::format(";{}={}", run.generation, run.id);
  return text;
}

Result<JournalCheckpoint> parse_journal_checkpoint(std::string_view text) {
  const auto damaged = [] { return fail(ErrorKind::corrupt, "the saved place of the journal cannot be read"); };
  constexpr std::array<std::string_view, 5> kNames = {"from", "last", "end", "run", "number"};
  std::array<std::uint64_t, kNames.size()> numbers{};
  JournalCheckpoint checkpoint;
  std::size_t part = 0;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos) return damaged();
    const std::string_view name = one.substr(0, equals);
    const std::string_view value = one.substr(equals + 1);
    if (part < kNames.size()) {
      if (name != kNames[part] || !read_number(value, numbers[part])) return damaged();
    } else {
      JournalRuns::Run run{0, std::string(value)};
      const bool rises = read_number(name, run.generation) && run.generation > 0 &&
                         (checkpoint.runs.empty() || run.generation > checkpoint.runs.back().generation);
      if (!rises || !is_id(value) || checkpoint.runs.size() == JournalRuns::kMost) return damaged();
      checkpoint.runs.push_back(std::move(run));
    }
    ++part;
  }
  constexpr auto kLatest = static_cast<std::uint64_t>(Instant::max().time_since_epoch().count());
  if (part < kNames.size() || std::max({numbers[0], numbers[1], numbers[2]}) > kLatest) return damaged();
  const auto time = [](std::uint64_t number) { return Instant(std::chrono::microseconds(number)); };
  checkpoint.from = time(numbers[0]);
  checkpoint.last = time(numbers[1]);
  checkpoint.end = time(numbers[2]);
  checkpoint.behind = {numbers[3], numbers[4]};
  return checkpoint;
}

void JournalTimes::note(Place place, Instant time) {
  if (!noted_.empty() && noted_.back().place.generation == place.generation &&
      std::chrono::abs(time - noted_.back().time) < std::chrono::seconds(1)) {
    return;
  }
  if (noted_.size() == kMost) noted_.pop_front();
  noted_.push_back({place, time});
}

std::optional<Instant> JournalTimes::not_after(Place place) const {
  for (auto at = noted_.rbegin(); at != noted_.rend(); ++at) {
    if (at->place.generation == place.generation && at->place.offset <= place.offset) return at->time;
  }
  if (noted_.empty()) return std::nullopt;
  return noted_.front().time;
}

}  // namespace tipstaff
