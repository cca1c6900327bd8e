// The one thing the program is about: a try to log in, however many lines told of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/time.h"

namespace tipstaff {

/// How a try ended. A probe is no try to log in: a scan, a protocol error, a refused connection.
enum class Outcome : std::uint8_t { failure, success, probe };

[[nodiscard]] constexpr std::string_view to_text(Outcome outcome) {
  return outcome == Outcome::failure ? "failure" : outcome == Outcome::success ? "success" : "probe";
}

/// The numbers of the lines that told of an attempt, ascending, at most kMost (further ones are dropped).
class LineList {
 public:
  static constexpr std::size_t kMost = 64;
  void clear() { size_ = 0, more_.clear(); }
  void add(std::uint64_t line) {
    if (size_ >= kMost || (size_ > 0 && (*this)[size_ - 1] == line)) return;
    if (size_ < few_.size()) {
      few_[size_] = line;
    } else {
      more_.push_back(line);
    }
    ++size_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::uint64_t operator[](std::size_t i) const {
    return i < few_.size() ? few_[i] : more_[i - few_.size()];
  }

 private:
  std::size_t size_ = 0;
  std::array<std::uint64_t, 6> few_{};
  std::vector<std::uint64_t> more_;
};

/// One attempt, complete: no later line changes it any more. Texts are bytes as logged, not checked for UTF-8.
struct Attempt {
  Outcome outcome = Outcome::failure;
  std::optional<IpAddress> address;  ///< none: no line told it, or it is ambiguous (possible forgery)
  std::uint16_t port = 0;            ///< the client's; 0: not told
  std::uint32_t count = 1;           ///< tries this attempt stands for, at least 1
  bool has_account = false;          ///< an empty account is an account that was sent empty
  std::string account;
  std::string_view service;     ///< "sshd"; lives as long as the detectors
  std::string_view detector;    ///< name of the detector
  std::string_view origin;      ///< "sshd", "Windows"
  std::string extra;            ///< method or logon type ("password", "10 - Remote interactive"); may be empty
  std::string host;             ///< host that logged it; empty: the line names none
  std::optional<Instant> time;  ///< stamp as written, UTC; none: the line has no readable stamp
  Instant window_time{};        ///< the time windows go by: never less than that of the attempt before
  std::uint64_t line = 0;       ///< 1-based number of the line that made it
  LineList lines;               ///< all lines that told of it
};

}  // namespace tipstaff
