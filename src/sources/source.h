// What every source of the guard looks like to it: a followed file, the journal, the syslog receiver. A source hands
// out records, each with a place that survives a restart, and says how it fares. All of it runs on the thread of the
// loop. A source does not understand what a line says, and it saves nothing itself: the guard keeps the place and the
// checkpoint text beside the attempts (in the same transaction) and gives both back when it makes the source again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace boost::asio {
class io_context;
}

namespace tipstaff {

/// A place in a source that survives a restart. `generation` tells one file (journal, run of a receiver) from its
/// successor under the same name; it only rises. Places compare in the order in which their records were handed out.
struct Place {
  std::uint64_t generation = 0;
  std::uint64_t offset = 0;

  auto operator<=>(const Place&) const = default;
};

/// What a journal vouches for about who wrote an entry (its trusted fields). Other sources vouch for nothing.
struct Writer {
  bool known = false;
  std::string_view unit;
  std::string_view comm;
  std::optional<std::uint32_t> uid;
};

/// One line or entry. All text is valid during the call of the sink only.
struct Record {
  std::string_view line;         ///< without its line feed; what lies behind kMaxLine is dropped
  bool cut = false;              ///< it was longer than kMaxLine
  Place place;                   ///< of its first byte (journal: its sequence number)
  Place next;                    ///< where reading goes on behind it
  Instant arrival{};             ///< when it was read, by the guard's clock
  std::optional<Instant> stamp;  ///< a time the source itself vouches for (journal); none: the line's header tells
  bool catching_up = false;      ///< stood in the source when it was opened, or came after an outage
  bool untrusted = false;        ///< anybody on the network can have written it (UDP)
  Writer writer;
  bool has_header = false;  ///< host, program and pid below are known from fields, and `line` is the message alone
  std::string_view host;
  std::string_view program;
  std::uint32_t pid = 0;  ///< 0: none
};

/// Longest line that is handed out whole, in bytes without its line feed.
inline constexpr std::size_t kMaxLine = std::size_t{64} << 10U;

/// Longest text that Source::checkpoint() gives, in bytes.
inline constexpr std::size_t kMaxCheckpoint = std::size_t{4} << 10U;

/// What the guard saved of a source and gives back after a restart.
struct SavedPlace {
  Place place;
  std::string checkpoint;
};

/// How a source fares, for status and log.
struct SourceHealth {
  enum class State : std::uint8_t {
    following,   ///< it is open and read
    waiting,     ///< nothing is wrong, but there is nothing to read yet: a file that was never there
    missing,     ///< it was there and is gone
    denied,      ///< the right to read it is missing
    unreadable,  ///< it is no text log, or reading it fails
  };

  State state = State::waiting;
  std::string sentence;               ///< for the administrator, what to do included; empty while all is well
  std::uint64_t behind = 0;           ///< bytes (journal: entries) known to be unread
  std::uint64_t records = 0;          ///< handed out since start()
  std::uint64_t cut = 0;              ///< of these, longer than kMaxLine
  std::uint64_t dropped = 0;          ///< known to be lost, in the unit of `behind`
  std::optional<Instant> last;        ///< arrival of the last record
  std::vector<std::string> warnings;  ///< what went wrong since start() and is over, oldest first; at most 16
};

/// Called for each record, on the loop's thread. It may call pause() of the source that calls it: then no further
/// record follows after this one until pause(false).
using RecordSink = std::function<void(const Record&)>;

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  /// Ends reading; the sink is not called any more.
  virtual ~Source() = default;

  /// "file:/var/log/auth.log", "journal", "syslog:udp:127.0.0.1:514": its key in the ledger, so it never changes.
  [[nodiscard]] virtual const std::string& name() const = 0;

  /// Begins reading. A source that is not there yet, or may not be read, is no error: it waits, health() says so, and
  /// it begins by itself when that changes. Errors: invalid (it can never be read as it is configured), unavailable.
  /// The sink is never called from within start(). Call it once; `loop` must outlive the source.
  [[nodiscard]] virtual Result<void> start(boost::asio::io_context& loop, RecordSink sink) = 0;

  /// Where reading goes on: behind the last record, or, before there was one, where reading begins. It is to be saved
  /// soon after start() too: without a saved place a restart would begin at the end again and miss what came between.
  /// A file that was never there has {0, 0}: whatever appears under its name is read from its start.
  [[nodiscard]] virtual Place position() const = 0;

  /// What the ledger stores beside `place` so that a restart finds it again: opaque text of at most kMaxCheckpoint
  /// bytes. `place` is one that position() or a record gave, or the saved one that this source was made with.
  [[nodiscard]] virtual std::string checkpoint(Place place) const = 0;

  /// Back-pressure: while on, no record is handed out, and what can wait (files, the journal) waits where it is.
  virtual void pause(bool on) = 0;

  [[nodiscard]] virtual SourceHealth health() const = 0;
};

}  // namespace tipstaff
