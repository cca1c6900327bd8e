// The files that have had one name, one behind the other: each is a generation, the last one lies under the name now. A
// rotation adds a generation; the older ones stay until their last line is read and their writer has let go of them.
// The chain opens, finds again and numbers; it hands out no lines and does not wait for anything (file_follower.h
// does).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/file_checkpoint.h"
#include "sources/file_content.h"
#include "sources/file_search.h"
#include "sources/file_watch.h"
#include "sources/source.h"

namespace tipstaff {

struct Generation {
  SavedFile facts;                              ///< its number, its identity, how far it is read
  std::unique_ptr<FileContent> content;         ///< null: not found yet, or done
  std::unique_ptr<FileWatch::Written> watched;  ///< kept here by the follower
  std::optional<std::string> refused;           ///< why it is no text log; it is not read then
  bool complete = false;                        ///< nothing will be added: packed, or a copy
  bool settled = false;                         ///< the generation behind it may be read
  bool done = false;                            ///< nothing more will be read of it
  bool skipping = false;                        ///< in the rest of a line that was cut
  bool current = false;                         ///< the log's own name led to it when it was found
  std::uint64_t furthest = 0;                   ///< what was ever handed out of it ends here (facts.read: where we are)
  std::uint64_t size = 0;                       ///< when it was looked at last
  std::uint64_t catching_up_to = 0;             ///< what lies before stood there when it was found
  Instant modified{};                           ///< written to last
  Instant quiet_since{};                        ///< it has not grown since then
  std::optional<Instant> superseded;            ///< since when there is a newer one
};

class FileChain {
 public:
  using Clock = std::function<Instant()>;

  FileChain(std::string path, Clock now);

  /// Opens the file under the name for the first time, at its end (the start of its last, unfinished line) or start.
  void begin(bool from_start);
  /// Finds the files of the saved place again, and those that came since.
  void restore(const SavedPlace& saved);
  /// Looks whether another file has the name now.
  void look();
  /// Looks for everything again. An open file that was emptied or begun anew meanwhile goes on in a copy, if there is
  /// one; what it holds now is a new generation.
  void advance();
  /// Takes note of the first bytes of a file as they are now. True: the last file has its first line since, and the
  /// chain was looked through once more; the generation may lie elsewhere now.
  bool note_head(Generation& generation, std::string_view first);
  /// Files kept moving while they were looked for: advance() is to be called again, a little later.
  [[nodiscard]] bool unfinished() const { return unfinished_; }
  /// To be called when everything was read: goes on with rotated files for which there was no room yet. True: there is
  /// something to be read again.
  [[nodiscard]] bool take_more();
  /// Nothing more will be read of a generation.
  static void close(Generation& generation);

  [[nodiscard]] std::deque<Generation>& generations() { return generations_; }
  [[nodiscard]] const std::deque<Generation>& generations() const { return generations_; }
  /// Where reading goes on: the first generation that is not settled, or the last one.
  [[nodiscard]] Place position() const;
  [[nodiscard]] FileCheckpoint checkpoint(Place place) const;
  /// Why the name leads to no readable file; none: it does.
  [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  void warn(std::string sentence);
  /// Bytes known to be lost.
  [[nodiscard]] std::uint64_t lost() const { return lost_; }

  static constexpr std::size_t kMaxWarnings = 16;

 private:
  [[nodiscard]] bool take(const FileSearch& search, std::optional<Generation>& fresh);
  [[nodiscard]] bool attach(Generation& generation, const FoundFile& found);
  [[nodiscard]] bool append(const FoundFile& found, std::uint64_t begin);
  [[nodiscard]] std::vector<KnownFile> known_files() const;
  static void note_first_bytes(Generation& generation);
  void drop_changed();
  void give_up(Generation& generation);
  [[nodiscard]] bool has_room() const;
  void make_room();

  std::string path_;
  Clock now_;
  std::deque<Generation> generations_;
  std::uint64_t next_number_ = 1;
  Instant since_{};  // for a chain without generations: when there was none
  bool restoring_ = false;
  bool stood_before_ = true;  // what is found now was written while nobody could look
  bool unfinished_ = false;
  bool more_ = false;      // there are newer files, and no room for them
  bool deferred_ = false;  // what is appended now was left for later
  std::optional<Error> trouble_;
  std::vector<std::string> warnings_;
  std::uint64_t lost_ = 0;
};

}  // namespace tipstaff
