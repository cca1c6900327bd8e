// See file_follower.h. A block is read first and then checked: if the file still has its head afterwards, it was not
// begun anew before the block was read, so the block belongs to this generation. A line without a line feed is read
// again with the next block; that costs less than keeping a buffer for each file.
#include "sources/file_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "sources/text_check.h"

namespace tipstaff {
namespace {

constexpr std::size_t kBlock = std::size_t{128} << 10U;
static_assert(kBlock > kMaxLine + 1, "a block holds a whole line, or one that is too long");
constexpr std::chrono::minutes kLongPause{1};        // behind it lines are no news any more
constexpr std::chrono::milliseconds kLookAgain{20};  // behind a rotation that was going on
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

Instant system_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

}  // namespace

FileFollower::FileFollower(FileWatch& watch, FileOptions options, std::optional<SavedPlace> saved)
    : watch_(&watch),
      options_(std::move(options)),
      saved_(std::move(saved)),
      name_("file:" + options_.path),
      chain_(options_.path, options_.now ? options_.now : system_now) {
  if (!options_.now) options_.now = system_now;
}

FileFollower::~FileFollower() = default;

Result<void> FileFollower::start(boost::asio::io_context& /*loop*/, RecordSink sink) {
  if (!options_.path.starts_with('/')) {
    return fail(ErrorKind::invalid, "a log file must be named with its whole path, beginning with /", options_.path);
  }
  sink_ = std::move(sink);
  listener_ = watch_->listen([this](FileWatch::Wake why) { wake(why); });
  listener_->watch_names([this] { return watch_points(options_.path); });
  if (saved_) {
    chain_.restore(*saved_);
  } else {
    chain_.begin(options_.from_start);
  }
  listener_->wake();
  return {};
}

void FileFollower::pause(bool on) {
  if (paused_ == on) return;
  paused_ = on;
  if (on) {
    paused_since_ = options_.now();
    return;
  }
  if (options_.now() - paused_since_ > kLongPause) {
    for (Generation& generation : chain_.generations()) {
      const auto facts = generation.content ? generation.content->facts() : fail(ErrorKind::not_found, "");
      if (facts) generation.catching_up_to = std::max(generation.catching_up_to, facts->size);
    }
  }
  if (listener_) listener_->wake();
}

void FileFollower::wake(FileWatch::Wake why) {
  if (why == FileWatch::Wake::names) {
    listener_->watch_names([this] { return watch_points(options_.path); });
    chain_.look();
  } else if (chain_.unfinished()) {
    chain_.advance();
  }
  if (chain_.unfinished()) listener_->wake(kLookAgain);
  if (!paused_) {
    read();
    let_go();
  }
  for (Generation& generation : chain_.generations()) {
    if (!generation.content || generation.complete || generation.watched) continue;
    generation.watched = listener_->watch_file(generation.content->descriptor());
    if (generation.watched) listener_->wake();  // it may have been written to before it was watched
  }
}

void FileFollower::read() {
  std::deque<Generation>& generations = chain_.generations();
  for (std::size_t i = 0; i < generations.size(); ++i) {
    if (!generations[i].content) continue;
    if (read_block(generations[i]) != Step::nothing) return listener_->wake();
    if (paused_) return;
    if (i + 1 < generations.size() && wait_for(generations[i])) return;
  }
  if (chain_.take_more()) listener_->wake();
}

FileFollower::Step FileFollower::read_block(Generation& generation) {
  FileContent& content = *generation.content;
  SavedFile& at = generation.facts;
  const auto facts = content.facts();
  if (!facts) return fail_reading(generation, facts.error()), Step::nothing;

  const std::uint64_t until = std::min(content.packed() ? at.read + kBlock : facts->size, at.end.value_or(~0ULL));
  std::uint64_t wanted = until > at.read ? std::min<std::uint64_t>(until - at.read, kBlock) : 0;
  if (generation.refused) wanted = 0;
  const auto buffer = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(wanted));
  const auto got = content.read(at.read, buffer.get(), static_cast<std::size_t>(wanted));
  if (!got) return fail_reading(generation, got.error()), Step::nothing;
  const std::string_view block(buffer.get(), *got);
  if (!generation.complete && !check(generation, *facts)) return Step::changed;
  if (at.head.length > 0) generation.modified = facts->modified;  // until then: when it was found
  if (!content.packed() && facts->size > generation.size) generation.quiet_since = options_.now();
  generation.size = content.packed() ? at.read + block.size() : facts->size;
  if (&generation == &chain_.generations().back()) fault_.reset();
  if (generation.refused) return Step::nothing;

  const bool at_end = block.size() < kBlock && at.read + block.size() >= until;
  const bool ends = at_end ? generation.complete || at.end == until : content.packed() && block.size() < wanted;
  if (at.read == 0) refuse_unless_text(generation, block);
  if (!generation.refused) hand_out(generation, block, ends && !content.damage());
  if (paused_) return Step::nothing;
  if (ends || (generation.refused && generation.complete)) {
    if (content.damage()) chain_.warn(fmt::format("a rotated file of {}: {}", options_.path, content.damage()->text));
    FileChain::close(generation);
    return Step::nothing;
  }
  return block.size() == kBlock ? Step::more : Step::nothing;
}

bool FileFollower::check(Generation& generation, const FileContent::Facts& facts) {
  const auto first = generation.content->first();
  if (!first) return fail_reading(generation, first.error()), false;
  const std::uint64_t least = generation.refused ? generation.size : generation.furthest;
  if (!generation.facts.head.fits(*first) || facts.size < least) return chain_.advance(), false;
  const bool last = &generation == &chain_.generations().back();
  if (last && facts.size == 0 && facts.modified > generation.modified) {  // something came and was put aside unseen
    chain_.advance();
    if (!chain_.generations().empty()) chain_.generations().back().modified = facts.modified;
    return false;
  }
  return !chain_.note_head(generation, *first);
}

void FileFollower::refuse_unless_text(Generation& generation, std::string_view block) {
  block.remove_prefix(std::min(block.find_first_not_of('\0'), block.size()));
  std::optional<std::string> why = why_no_text(block, options_.path);
  if (generation.content->packed() && generation.current) {
    why = "is compressed; name the log that is written to";
  }
  generation.refused = std::move(why);
}

void FileFollower::hand_out(Generation& generation, std::string_view block, bool ends) {
  SavedFile& file = generation.facts;
  const std::uint64_t base = file.read;
  Record record;
  record.arrival = options_.now();

  const auto hand = [&](std::size_t begin, std::size_t end, std::size_t next, bool cut) {
    record.line = block.substr(begin, std::min(end - begin, kMaxLine));
    record.cut = cut || end - begin > kMaxLine;
    record.place = {file.generation, base + begin};
    record.next = {file.generation, base + next};
    record.catching_up = record.place.offset < generation.catching_up_to;
    file.read = record.next.offset;
    generation.furthest = std::max(generation.furthest, file.read);
    ++records_;
    cut_ += record.cut ? 1 : 0;
    last_ = record.arrival;
    sink_(record);
  };

  std::size_t at = base == 0 && block.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < block.size() && !paused_) {
    const std::size_t stop = block.find('\n', at);
    const bool whole = stop != std::string_view::npos;
    const std::size_t next = whole ? stop + 1 : block.size();
    if (generation.skipping) {
      generation.skipping = !whole;
    } else if (block[at] == '\0') {  // left by a power cut, or by a writer that kept its position in an emptied file
      at = std::min(block.find_first_not_of('\0', at), block.size());
      file.read = base + at;
      continue;
    } else if (whole) {
      hand(at, stop, next, false);
    } else if (ends || block.size() - at > kMaxLine) {
      generation.skipping = !ends;
      hand(at, next, next, true);
    } else {
      break;
    }
    at = next;
    file.read = base + at;
  }
}

bool FileFollower::wait_for(Generation& generation) {
  if (generation.settled) return false;
  const Instant now = options_.now();
  const Instant superseded = generation.superseded.value_or(generation.quiet_since);  // none: before a restart
  const Instant silent_since = std::max(generation.quiet_since, superseded);
  const auto silent = now - silent_since;
  if (silent >= options_.settle || silent.count() < 0 || now - superseded >= options_.settle_most) {
    generation.settled = true;
    return false;
  }
  listener_->wake(std::chrono::ceil<std::chrono::milliseconds>(options_.settle - silent));
  return true;
}

void FileFollower::let_go() {
  const Instant now = options_.now();
  std::deque<Generation>& generations = chain_.generations();
  for (std::size_t i = 0; i + 1 < generations.size(); ++i) {
    Generation& generation = generations[i];
    const Instant superseded = generation.superseded.value_or(generation.quiet_since);
    const bool quiet = now - std::max(generation.quiet_since, superseded) >= options_.linger;
    if (!generation.content || !generation.settled || generation.complete || !quiet) continue;
    generation.complete = true;  // its next end is the last
    listener_->wake();
  }
}

void FileFollower::fail_reading(Generation& generation, const Error& error) {
  if (&generation == &chain_.generations().back()) {
    fault_ = error.text;
    generation.content.reset();  // it is looked for again
    generation.watched.reset();
  } else {
    chain_.warn(fmt::format("a rotated file of {}: {}", options_.path, error.text));
    FileChain::close(generation);
  }
}

SourceHealth FileFollower::health() const {
  using enum SourceHealth::State;
  SourceHealth health;
  health.records = records_;
  health.cut = cut_;
  health.last = last_;
  health.dropped = chain_.lost();
  health.warnings = chain_.warnings();
  const auto& generations = chain_.generations();
  for (const Generation& generation : generations) {
    if (!generation.content || generation.refused) continue;
    const auto facts = generation.content->facts();
    const std::uint64_t size = facts && !generation.content->packed() ? facts->size : generation.size;
    if (size > generation.facts.read) health.behind += size - generation.facts.read;
  }

  const auto say = [&](SourceHealth::State state, std::string sentence) {
    health.state = state;
    health.sentence = std::move(sentence);
  };
  const std::optional<Error>& trouble = chain_.trouble();
  if (trouble && trouble->kind == ErrorKind::not_found) {
    if (generations.empty()) {
      say(waiting, "there is no such file yet; it is read as soon as it exists");
    } else {
      say(missing, "there is no such file any more; a new one is read as soon as it exists");
    }
  } else if (trouble) {
    say(trouble->kind == ErrorKind::denied ? denied : unreadable, trouble->text);
  } else if (!generations.empty() && generations.back().refused) {
    say(unreadable, *generations.back().refused);
  } else if (fault_) {
    say(unreadable, *fault_);
  } else {
    say(following, watch_->trouble());
  }
  return health;
}

}  // namespace tipstaff
