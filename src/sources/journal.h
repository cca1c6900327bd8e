// Follows the journal of this machine, or a directory of journal files, through rotation and vacuum: hands out each
// entry once, as one line with what journald vouches for about its writer. Woken by sd-journal's descriptor; FileWatch
// tells when the directory itself comes or is replaced. It goes on after a restart by sequence number, and where that
// is gone by time, and says so.
//
// Limits, sd-journal's own: an entry that arrives in one file with a time before the last one read from another
// machine's file is not seen; a file that turns out damaged is read up to the damage.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sources/file_watch.h"
#include "sources/source.h"

namespace tipstaff {

struct JournalOptions {
  std::string directory;         ///< absolute; empty: this machine's journal
  bool from_start = false;       ///< without a saved place: what stands in it is read too
  std::function<Instant()> now;  ///< the guard's clock; empty: the system's
};

class JournalFollower final : public Source {
 public:
  /// `watch` must outlive this.
  JournalFollower(FileWatch& watch, JournalOptions options, std::optional<SavedPlace> saved);
  ~JournalFollower() override;

  /// "journal" or "journal:/directory".
  [[nodiscard]] const std::string& name() const override;
  /// Errors: invalid (the directory is not absolute). The loop is that of the watch.
  [[nodiscard]] Result<void> start(boost::asio::io_context& loop, RecordSink sink) override;
  [[nodiscard]] Place position() const override;
  [[nodiscard]] std::string checkpoint(Place place) const override;
  void pause(bool on) override;
  [[nodiscard]] SourceHealth health() const override;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace tipstaff
