// See file_search.h. A candidate is opened once, for its first kilobyte, and closed again: there may be dozens of them.
#include "sources/file_search.h"

#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "sources/rotated_names.h"

namespace tipstaff {
namespace {

struct Candidate {
  FoundFile file;
  bool packed = false;
  bool taken = false;
};

Result<Candidate> look_at(const std::string& path, bool current) {
  const auto content = FileContent::open(path);
  if (!content) return std::unexpected(content.error());
  const auto facts = (*content)->facts();
  if (!facts) return std::unexpected(facts.error());
  auto first = (*content)->first();
  if (!first) return std::unexpected(first.error());
  return Candidate{{path, (*content)->id(), *std::move(first), facts->size, facts->modified, current},
                   (*content)->packed()};
}

constexpr int kSameFile = 5;

/// How well a candidate fits a known file; 0: not at all.
int rank(const KnownFile& known, const Candidate& candidate) {
  const bool same_inode = candidate.file.id == known.id && !candidate.packed;
  if (known.head.length == 0) return same_inode && !candidate.file.current ? 1 : 0;  // or the inode was given out again
  if (!known.head.fits(candidate.file.first)) return 0;
  if (same_inode) return kSameFile;
  if (candidate.packed) return 3;
  if (candidate.file.size >= known.read) return 4;
  return candidate.file.current ? 0 : 2;
}

bool is_copy_of(const Candidate& copy, const Candidate& of) {
  if (copy.file.first.empty() || of.file.first.empty()) return false;
  const std::size_t common = std::min(copy.file.first.size(), of.file.first.size());
  if (std::string_view(copy.file.first).substr(0, common) != std::string_view(of.file.first).substr(0, common))
    return false;
  return copy.packed || (!of.packed && of.file.size >= copy.file.size);
}

/// True where the same bytes are read from another candidate, or were.
bool is_superfluous(const std::vector<Candidate>& candidates, std::size_t at) {
  for (std::size_t other = 0; other < candidates.size(); ++other) {
    if (other == at || !(candidates[other].taken || other > at)) continue;
    if (is_copy_of(candidates[at], candidates[other])) return true;
  }
  return false;
}

/// What a name led to when it was looked at.
struct Seen {
  std::string path;
  std::optional<FileId> id;  // none: there was no such file
  bool empty = false;
};

/// True where each name still leads to the file that was looked at, and there are no others. A copy in the making is
/// empty at first: where it has been filled since, the current file may have been emptied before it was looked at.
bool stood_still(const std::string& path, const std::vector<std::string>& rotated, const std::vector<Seen>& seen) {
  const auto same = [&](const Seen& one) {
    struct stat facts{};
    const bool there = stat(one.path.c_str(), &facts) == 0;
    if (!one.id) return !there || !S_ISREG(facts.st_mode);
    const bool filled = one.empty && one.path != path && facts.st_size > 0;
    return there && *one.id == FileId{facts.st_dev, facts.st_ino} && !filled;
  };
  return std::ranges::all_of(seen, same) && rotated_files(path) == rotated;
}

}  // namespace

FileSearch search_files(const std::string& path, std::span<const KnownFile> known, Instant since) {
  FileSearch search;
  std::vector<Candidate> candidates;
  std::vector<Seen> seen;
  const std::vector<std::string> rotated = rotated_files(path);
  for (const std::string& name : rotated) {
    auto candidate = look_at(name, false);
    if (candidate) {
      seen.push_back({name, candidate->file.id, candidate->file.size == 0});
      candidates.push_back(*std::move(candidate));
    } else {
      search.disturbed = search.disturbed || candidate.error().kind == ErrorKind::not_found;
    }
  }
  if (auto candidate = look_at(path, true)) {
    seen.push_back({path, candidate->file.id});
    std::erase_if(candidates, [&](const Candidate& c) { return c.file.id == candidate->file.id; });  // a hard link
    candidates.push_back(*std::move(candidate));
  } else {
    if (candidate.error().kind == ErrorKind::not_found) seen.push_back({path, std::nullopt});
    search.current_error = candidate.error();
  }
  search.disturbed = search.disturbed || !stood_still(path, rotated, seen);

  search.known.resize(known.size());
  std::optional<std::size_t> last;  // the candidate that is the last known file
  for (int wanted = kSameFile; wanted > 0; --wanted) {
    for (std::size_t k = 0; k < known.size(); ++k) {
      if (search.known[k]) continue;
      for (std::size_t c = 0; c < candidates.size(); ++c) {
        // one inode may be known twice: a name that was swapped away and back
        if ((candidates[c].taken && wanted != kSameFile) || rank(known[k], candidates[c]) != wanted) continue;
        candidates[c].taken = true;
        search.known[k] = candidates[c].file;
        if (k + 1 == known.size()) last = c;
        break;
      }
    }
  }

  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const Candidate& candidate = candidates[c];
    if (candidate.taken) continue;
    const bool follows = last ? c > *last && candidate.file.modified >= since : candidate.file.modified > since;
    if (candidate.file.current || (follows && !is_superfluous(candidates, c))) search.newer.push_back(candidate.file);
  }
  return search;
}

}  // namespace tipstaff
