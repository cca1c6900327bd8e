// Follows one log through whatever rotates it: hands out its whole lines as they are written, each once, with a place
// by which a restart goes on. file_watch.h wakes it, file_chain.h knows which files have had the name. It reads a block
// of one file at a time and then lets other sources run; it keeps no buffer while there is nothing to read.
//
// After a rotation the old file is read until it was silent for `settle`, then the new one. Its writer may still write
// to it (a web server that ends old connections first): the old file stays open for `linger` more, and such late lines
// are handed out when they come, with their own, older place.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "sources/file_chain.h"
#include "sources/file_watch.h"
#include "sources/source.h"

namespace tipstaff {

struct FileOptions {
  std::string path;         ///< absolute
  bool from_start = false;  ///< without a saved place: what stands in it is read too
  std::chrono::milliseconds settle{1000};
  std::chrono::milliseconds settle_most{10'000};  ///< after so long the new file is read even if the old one is busy
  std::chrono::seconds linger{600};
  std::function<Instant()> now;  ///< the guard's clock; empty: the system's
};

class FileFollower final : public Source {
 public:
  /// `watch` must outlive this.
  FileFollower(FileWatch& watch, FileOptions options, std::optional<SavedPlace> saved);
  ~FileFollower() override;

  [[nodiscard]] const std::string& name() const override { return name_; }
  /// Errors: invalid (the path is not absolute). The loop is that of the watch.
  [[nodiscard]] Result<void> start(boost::asio::io_context& loop, RecordSink sink) override;
  [[nodiscard]] Place position() const override { return chain_.position(); }
  [[nodiscard]] std::string checkpoint(Place place) const override { return to_json(chain_.checkpoint(place)); }
  void pause(bool on) override;
  [[nodiscard]] SourceHealth health() const override;

 private:
  /// What came of looking at one generation.
  enum class Step : std::uint8_t { nothing, more, changed };

  void wake(FileWatch::Wake why);
  void read();
  [[nodiscard]] Step read_block(Generation& generation);
  /// False: the block is not of this generation; then the chain was put right.
  [[nodiscard]] bool check(Generation& generation, const FileContent::Facts& facts);
  void refuse_unless_text(Generation& generation, std::string_view block);
  void hand_out(Generation& generation, std::string_view block, bool ends);
  [[nodiscard]] bool wait_for(Generation& generation);
  void let_go();
  void fail_reading(Generation& generation, const Error& error);

  FileWatch* watch_;
  FileOptions options_;
  std::optional<SavedPlace> saved_;
  std::string name_;
  FileChain chain_;
  RecordSink sink_;
  std::unique_ptr<FileWatch::Listener> listener_;
  bool paused_ = false;
  Instant paused_since_{};
  std::optional<std::string> fault_;  // why the file under the name could not be read when that was tried last
  std::uint64_t records_ = 0;
  std::uint64_t cut_ = 0;
  std::optional<Instant> last_;
};

}  // namespace tipstaff
