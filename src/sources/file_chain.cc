// See file_chain.h. Every change, at a start or later, goes one way: what is known of the generations is looked for
// among the files that lie there (search_files), found files are opened and compared with what was found, newer ones
// become generations. A rotation that runs just then makes the comparison fail, and it is done again.
#include "sources/file_chain.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/failpoint.h"

namespace tipstaff {
namespace {

constexpr int kTries = 5;  // of a search that a rotation disturbs; the next event or re-check tries again

/// The clock by which files are stamped, whatever the guard's own clock says.
Instant file_time() { return std::chrono::time_point_cast<Instant::duration>(std::chrono::system_clock::now()); }

/// Behind the last line feed of the first `size` bytes; `size` where the last line is longer than kMaxLine.
std::uint64_t last_line_start(FileContent& content, std::uint64_t size) {
  const std::uint64_t from = size - std::min<std::uint64_t>(size, kMaxLine);
  std::string tail(static_cast<std::size_t>(size - from), '\0');
  const auto got = content.read(from, tail.data(), tail.size());
  const std::size_t stop = std::string_view(tail).substr(0, got.value_or(0)).rfind('\n');
  if (stop != std::string_view::npos) return from + stop + 1;
  return from == 0 ? 0 : size;
}

/// True where `offset` lies within a line: reading must not take the rest for a line of its own.
bool within_line(FileContent& content, std::uint64_t offset) {
  char before = '\n';
  if (offset == 0 || content.read(offset - 1, &before, 1).value_or(0) == 0) return false;
  return before != '\n' && before != '\0';
}

/// True where the open file still is what was read of it: it was not emptied, nor begun anew.
bool goes_on(const Generation& generation) {
  if (generation.complete) return true;
  const auto facts = generation.content->facts();
  const auto first = generation.content->first();
  if (!facts || !first || !generation.facts.head.fits(*first)) return false;
  return facts->size >= (generation.refused ? generation.size : generation.furthest);
}

}  // namespace

FileChain::FileChain(std::string path, Clock now) : path_(std::move(path)), now_(std::move(now)) {}

void FileChain::begin(bool from_start) {
  since_ = file_time();
  const auto content = FileContent::open(path_);
  if (!content) {
    trouble_ = content.error();
  } else if (const auto facts = (*content)->facts(); facts) {
    const std::uint64_t at = from_start ? 0 : last_line_start(**content, facts->size);
    if (!append({path_, (*content)->id(), {}, facts->size, facts->modified, true}, at)) advance();
  }
  stood_before_ = false;
}

void FileChain::restore(const SavedPlace& saved) {
  restoring_ = true;
  since_ = file_time();
  next_number_ = saved.place.generation + 1;
  if (auto checkpoint = parse_file_checkpoint(saved.checkpoint)) {
    since_ = checkpoint->since;
    for (const SavedFile& file : checkpoint->files) {
      Generation& generation = generations_.emplace_back();
      generation.facts = file;
      generation.furthest = std::min(file.read, file.end.value_or(file.read));
      generation.settled = file.generation < saved.place.generation;
      if (file.generation == saved.place.generation) generation.facts.read = saved.place.offset;
      if (file.generation > saved.place.generation) generation.facts.read = file.begin;
      next_number_ = std::max(next_number_, file.generation + 1);
    }
  } else {
    warn(checkpoint.error().message() + ": it is read from the start of the present file");
  }
  // Nothing was read of a file without a head, and its inode proves nothing: it is found as a newer one.
  while (!generations_.empty() && generations_.back().facts.head.length == 0) {
    next_number_ = generations_.back().facts.generation;
    generations_.pop_back();
  }
  if (!generations_.empty()) generations_.back().modified = since_;
  advance();
}

void FileChain::look() {
  struct stat facts{};
  if (stat(path_.c_str(), &facts) == 0 && !generations_.empty()) {
    const Generation& last = generations_.back();
    if (!unfinished_ && last.content && last.facts.id == FileId{facts.st_dev, facts.st_ino}) {
      trouble_.reset();
      return;
    }
  }
  failpoint("files.between_rename_and_reopen");
  advance();
}

bool FileChain::note_head(Generation& generation, std::string_view first) {
  const FileHead head = FileHead::of(first);
  if (head.length <= generation.facts.head.length) return false;
  if (generation.facts.head.length == 0 && &generation == &generations_.back()) return advance(), true;
  generation.facts.head = head;
  return false;
}

void FileChain::close(Generation& generation) {
  generation.content.reset();
  generation.watched.reset();
  generation.settled = generation.done = true;
}

Place FileChain::position() const {
  if (generations_.empty()) return {next_number_ - 1, 0};
  const auto open = std::ranges::find_if(generations_, [](const Generation& g) { return !g.settled; });
  const SavedFile& at = (open == generations_.end() ? generations_.back() : *open).facts;
  return {at.generation, at.read};
}

FileCheckpoint FileChain::checkpoint(Place place) const {
  FileCheckpoint checkpoint{{}, generations_.empty() ? since_ : generations_.back().modified};
  for (std::size_t i = 0; i < generations_.size(); ++i) {
    const bool later = generations_[i].facts.generation >= place.generation;
    const bool just_before = i + 1 < generations_.size() && generations_[i + 1].facts.generation == place.generation;
    if (!later && !just_before && !generations_[i].content) continue;
    SavedFile& file = checkpoint.files.emplace_back(generations_[i].facts);
    if (later) file.read = generations_[i].furthest;
  }
  return checkpoint;
}

void FileChain::warn(std::string sentence) {
  if (warnings_.size() == kMaxWarnings) warnings_.erase(warnings_.begin());
  warnings_.push_back(std::move(sentence));
}

void FileChain::advance() {
  drop_changed();
  // Nothing is known of a last file that was empty so far, not even that nothing came before it: files that had the
  // name since then may have been put aside unseen, and its own inode may hold what came after them.
  std::optional<Generation> fresh;
  if (!generations_.empty() && generations_.back().content && generations_.back().facts.head.length == 0) {
    fresh = std::move(generations_.back());
    generations_.pop_back();
    next_number_ = fresh->facts.generation;
    note_first_bytes(*fresh);
  }
  for (Generation& generation : generations_) note_first_bytes(generation);

  stood_before_ = stood_before_ || (trouble_ && trouble_->kind != ErrorKind::not_found);
  unfinished_ = true;
  deferred_ = std::exchange(more_, false);
  for (int tries = 0; unfinished_ && tries < kTries; ++tries) {
    const Instant last = generations_.empty() ? since_ : generations_.back().modified;
    const FileSearch search = search_files(path_, known_files(), fresh ? fresh->modified : last);
    trouble_ = search.current_error;
    unfinished_ = search.disturbed || !take(search, fresh);
  }
  if (!unfinished_) restoring_ = stood_before_ = false;
  drop_changed();
}

bool FileChain::take_more() {
  if (!more_ || unfinished_) return false;
  if (!has_room() && generations_.front().content) {
    generations_.front().complete = true;  // it ends with an unfinished line: its next end is the last
    return true;
  }
  advance();
  return true;
}

void FileChain::note_first_bytes(Generation& generation) {
  if (!generation.content) return;
  const auto first = generation.content->first();
  if (!first) return;
  const FileHead head = FileHead::of(*first);
  if (head.length > generation.facts.head.length) generation.facts.head = head;
}

std::vector<KnownFile> FileChain::known_files() const {
  std::vector<KnownFile> known;
  for (const Generation& generation : generations_) {
    known.push_back({generation.facts.id, generation.facts.head, generation.furthest});
  }
  return known;
}

void FileChain::drop_changed() {
  for (Generation& generation : generations_) {
    if (!generation.content || goes_on(generation)) continue;
    generation.content.reset();
    generation.watched.reset();
  }
}

bool FileChain::take(const FileSearch& search, std::optional<Generation>& fresh) {
  for (std::size_t i = 0; i < search.known.size(); ++i) {
    Generation& generation = generations_[i];
    const std::optional<FoundFile>& found = search.known[i];
    const bool replaced = found && found->current && found->id != generation.facts.id;  // by a copy of itself
    if (generation.done || (generation.content && !replaced)) continue;
    if (!found) {
      give_up(generation);
    } else if (!attach(generation, *found)) {
      return false;
    }
  }

  // The name may lead to a file that had it before: that one goes on, as a new generation, where it was left. The same
  // where it lost its end (a power cut): the old places must not name other lines.
  const auto is_current = [](const std::optional<FoundFile>& found) { return found && found->current; };
  const auto again = std::ranges::find_if(search.known.rbegin(), search.known.rend(), is_current);
  if (again != search.known.rend()) {
    const auto at = static_cast<std::size_t>(again.base() - search.known.begin()) - 1;
    Generation& before = generations_[at];
    const bool goes_on_later = at + 1 < generations_.size() || (*again)->size < before.furthest;
    if (goes_on_later && !has_room()) {
      more_ = true;
    } else if (goes_on_later) {
      if ((*again)->size < before.furthest) {
        warn(fmt::format("{} lost its end, {} bytes that had been read", path_, before.furthest - (*again)->size));
      }
      const std::uint64_t begin = std::min(before.furthest, (*again)->size);
      before.facts.end = before.furthest = begin;
      before.facts.read = std::min(before.facts.read, begin);
      if (!append(**again, begin)) return false;
    }
  }

  const auto is_fresh = [&](const FoundFile& found) {
    if (!fresh) return false;
    const FileHead& head = fresh->facts.head;
    return found.id == fresh->facts.id || (head.length > 0 && head.fits(found.first));
  };
  const auto put_back = [&] {
    make_room();
    fresh->facts.generation = next_number_++;
    generations_.push_back(*std::exchange(fresh, std::nullopt));
  };
  if (fresh && std::ranges::none_of(search.newer, is_fresh)) put_back();
  for (const FoundFile& found : search.newer) {
    const bool have = !generations_.empty() && generations_.back().content && generations_.back().facts.id == found.id;
    if (!have && !has_room()) {  // the older ones are read first
      more_ = true;
      break;
    }
    if (is_fresh(found)) {
      put_back();
    } else if (!have && (found.current || !found.first.empty()) && !append(found, 0)) {
      return false;
    }
  }
  return true;
}

bool FileChain::attach(Generation& generation, const FoundFile& found) {
  auto content = FileContent::open(found.path);
  if (!content || (*content)->id() != found.id) return false;
  const auto facts = (*content)->facts();
  if (!facts) return false;
  generation.complete = (*content)->packed() || (found.id != generation.facts.id && !found.current);
  generation.facts.id = found.id;
  generation.size = (*content)->packed() ? generation.facts.read : facts->size;
  generation.modified = found.modified;  // not now: a copy may have been made since
  generation.quiet_since = std::min(facts->modified, now_());
  generation.skipping = within_line(**content, generation.facts.read);
  generation.current = found.current;
  if (!(*content)->packed() && !found.current && facts->size < generation.furthest) {
    generation.facts.end = generation.furthest = facts->size;
  }
  if (stood_before_ || deferred_) {
    generation.catching_up_to = (*content)->packed() ? std::numeric_limits<std::uint64_t>::max() : facts->size;
  }
  generation.content = *std::move(content);
  generation.watched.reset();
  return true;
}

bool FileChain::append(const FoundFile& found, std::uint64_t begin) {
  Generation made;
  made.facts.generation = next_number_;
  made.facts.id = found.id;
  made.facts.begin = made.facts.read = made.furthest = begin;
  if (!attach(made, found)) return false;
  const auto first = made.content->first();
  if (!first || !first->starts_with(found.first)) return false;  // emptied, or begun anew, since it was found
  made.facts.head = FileHead::of(*first);
  if (!found.current) made.catching_up_to = std::numeric_limits<std::uint64_t>::max();
  if (!generations_.empty()) {
    generations_.back().superseded = restoring_ || deferred_ ? generations_.back().quiet_since : now_();
  }
  make_room();
  generations_.push_back(std::move(made));
  ++next_number_;
  return true;
}

void FileChain::give_up(Generation& generation) {
  const std::uint64_t unread = generation.size > generation.facts.read ? generation.size - generation.facts.read : 0;
  if (restoring_ && !generation.settled && generation.facts.head.length > 0) {
    const std::uint64_t read = generation.facts.read;
    warn(
        fmt::format("the file that had been {} and was {} is not found beside it, nor a copy with the same first "
                    "lines; {} was missed",
                    path_, read > 0 ? fmt::format("read up to byte {}", read) : "not read yet",
                    read > 0 ? "if more was written to it, that" : "what stood in it"));
  } else if (unread > 0) {
    warn(fmt::format("{} was emptied before {} bytes of it were read, and no copy was found beside it", path_, unread));
    lost_ += unread;
  }
  close(generation);
}

// A checkpoint has room for so many. What was not read yet is not given up for newer files: these wait.
bool FileChain::has_room() const {
  if (generations_.size() < kMaxSavedFiles) return true;
  const Generation& oldest = generations_.front();
  return oldest.done || (oldest.settled && oldest.size <= oldest.facts.read);
}

void FileChain::make_room() {
  while (generations_.size() >= kMaxSavedFiles) generations_.pop_front();
}

}  // namespace tipstaff
