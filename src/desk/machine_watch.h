// This machine's own troubles, for the administrator at once: a guard that does not answer, a source that is blind, a block
// that does not bite, a ledger that does not record, a disk that fills. Asked of the guard's status again and again; each
// trouble is told when it begins and not again while it lasts, also over restarts of the desk.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "alert/alert_store.h"
#include "base/result.h"
#include "desk/collector.h"

namespace tipstaff {

/// One thing that is wrong; `name` is the same as long as it is the same thing.
struct Trouble {
  std::string name;
  std::string sentence;
  std::string advice;
  bool operator==(const Trouble&) const = default;
};

/// What the guard's status (docs/formats/status.md) tells of that is wrong. An answer that is none is a trouble too.
[[nodiscard]] std::vector<Trouble> troubles_of_status(std::string_view json);

/// Room on the ledger's disk.
struct DiskRoom {
  std::uint64_t free = 0;  ///< bytes for ordinary users
  std::uint64_t size = 0;
};
[[nodiscard]] Result<DiskRoom> room_of(const std::string& folder);
/// Under 5 % and 1 GB, or under 100 MB.
[[nodiscard]] std::vector<Trouble> troubles_of_disk(const std::string& folder, const DiskRoom& room);

class MachineWatch {
 public:
  /// A guard is restarted now and then: it is missed after so long.
  static constexpr std::chrono::minutes kGuardMissed{3};

  struct Options {
    std::string folder;
    std::string host;
    Channels channels;
    TimeZone zone;
    std::function<Result<std::string>()> ask;  ///< the guard's status
  };
  MachineWatch(Options options, AlertStore& store) : options_(std::move(options)), store_(store) {}

  /// Looks once, and puts in what is new.
  [[nodiscard]] Result<void> step(Instant now);

 private:
  Options options_;
  AlertStore& store_;
  std::optional<Instant> missed_since_;
};

}  // namespace tipstaff
