// Writes sshd's lines into several logs, as a busy host does, and knows what has to be made of them: connections of
// several lines that interleave, lines that arrive in two halves, and logs that are rotated in every way there is. It
// keeps a list of the tries it told of, with a port and account for each connection, so that exactly once can be checked.
//   Feeder feeder({.folder = folder, .seed = 7, .lines = 10'000});
//   while (!feeder.done()) feeder.feed(100);
// It has no thread and no clock of its own: its log's time goes on with the lines. It never loses a line: it does not
// write between the copy and the truncation of a log, and a log is deleted only when the caller says so.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/time.h"

namespace tipstaff {

/// One try as the ledger has to tell of it. Ordered, so that lists can be sorted and compared.
struct Told {
  std::string address;
  std::uint16_t port = 0;
  std::string account;
  std::string outcome;
  Instant time{};  ///< whole seconds: one of the logs has no finer ones
  std::uint32_t count = 1;
  std::string host;  ///< a log's lines are all of one host
  auto operator<=>(const Told&) const = default;
};

/// For messages of failed tests.
[[nodiscard]] std::string to_string(const Told& told);

/// The ways in which a log begins anew.
enum class Rotation : std::uint8_t {
  rename_numbers,  ///< auth.log -> auth.log.1 -> auth.log.2; the writer goes on in the old one for some lines
  rename_dates,    ///< secure -> secure-20261125-17
  compress,        ///< as rename_numbers, but the renamed one is packed: auth.log.1.gz
  copy_truncate,   ///< auth.log is copied to auth.log.1 and cut to nothing
  symlink,         ///< current.log points to run-17.log, then to run-18.log
  new_name,        ///< no link: host-17.log, then host-18.log, found by a glob
  remove,          ///< deleted, and made again some lines later
};

class Feeder {
 public:
  struct Options {
    std::filesystem::path folder;
    std::uint64_t seed = 1;
    std::size_t lines = 10'000;        ///< in all
    Instant begin{};                   ///< stamp of the first line
    std::chrono::microseconds step{};  ///< from one line to the next
  };
  explicit Feeder(const Options& options);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  /// Writes about that many lines, and rotates what is due of the kinds that lose nothing when nobody reads
  /// (rename_numbers, rename_dates, symlink, new_name). When all are written every connection has ended.
  void feed(std::size_t lines);
  [[nodiscard]] bool done() const;
  [[nodiscard]] std::size_t written() const;

  /// Rotates the log of that kind now. `remove`: whoever follows must have read all of it before, and it is made anew by
  /// one of the next calls of feed().
  void rotate(Rotation kind);
  /// Writes the lines that are missing to end the connections of that log; it takes no new ones before it is rotated.
  /// Half lines of all logs are completed too.
  void finish(Rotation kind);
  [[nodiscard]] std::size_t rotations(Rotation kind) const;

  /// What to follow: absolute paths and one glob.
  [[nodiscard]] std::vector<std::string> paths() const;
  /// All tries told of by the lines that are written up to now, sorted. What was told of in part may still change.
  [[nodiscard]] std::vector<Told> expected() const;
  /// Those of one log.
  [[nodiscard]] std::vector<Told> expected(Rotation kind) const;
  /// All lines of a log in their order, whatever became of its files: a file that is never rotated, outside of paths().
  [[nodiscard]] std::vector<std::filesystem::path> copies() const;

 private:
  class Log;
  [[nodiscard]] Log& log_of(Rotation kind);
  void write_line(Log& log);

  Options options_;
  std::mt19937_64 random_;
  std::size_t written_ = 0;
  std::uint32_t sessions_ = 0;
  bool done_ = false;
  std::vector<std::unique_ptr<Log>> logs_;
};

}  // namespace tipstaff
