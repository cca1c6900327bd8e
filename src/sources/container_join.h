// Puts the lines of containers together again. Docker (json-file) and Kubernetes (CRI) write a line of more than 16 KiB
// in several pieces, each in a record of its own. Read one by one, the second piece would begin with whatever bytes a
// stranger placed there, and look like a line of the program. This stands between a followed file and its reader.
//
// The two streams of a container, output and errors, may interleave, so each has its own unfinished line. A line has at
// most kMaxLine bytes; what is beyond is dropped and the record is marked as cut. A piece of which it is not known
// whether it begins a line is marked as cut too: nobody takes an address from it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sources/source.h"

namespace tipstaff {

/// True for paths as Docker and Kubernetes have them for the logs of containers, wherever their folders were put: a
/// folder "containers" or "pods", a name that ends with "-json.log".
[[nodiscard]] bool is_container_log(std::string_view path);

class ContainerSource final : public Source {
 public:
  explicit ContainerSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] const std::string& name() const override { return inner_->name(); }
  [[nodiscard]] Result<void> start(boost::asio::io_context& loop, RecordSink sink) override;
  /// Never behind the first piece of an unfinished line.
  [[nodiscard]] Place position() const override { return not_behind_unfinished(inner_->position()); }
  [[nodiscard]] std::string checkpoint(Place place) const override { return inner_->checkpoint(place); }
  void pause(bool on) override { inner_->pause(on); }
  [[nodiscard]] SourceHealth health() const override;

  /// An unfinished line is given up when its rest has not come for so long (its container has died).
  static constexpr std::chrono::seconds kPatience{60};

 private:
  struct Stream {
    bool unfinished = false;
    bool doubtful = false;  // the next piece may be the rest of a line whose beginning is lost
    bool cut = false;
    bool catching_up = false;
    std::string line;  // up to where the next piece goes on
    std::string end;   // what stands behind the text (JSON)
    Place place;
    Instant arrival{};
  };

  void take(const Record& record);
  void give_up_old(Instant now);
  [[nodiscard]] Place not_behind_unfinished(Place place) const;

  std::unique_ptr<Source> inner_;
  RecordSink sink_;
  std::array<Stream, 2> streams_;
  std::uint64_t dropped_ = 0;
};

}  // namespace tipstaff
