// Finds the messages in a stream of bytes (RFC 6587, RFC 5425 4.3): each with its length before it ("LEN SP MSG"), or each
// ended by a line feed. The first message of a connection decides which, for good: could a message choose, somebody whose
// name gets into a log with a line feed in it could have all that follows swallowed as one message of 99 MB.
//
// Memory is one message of kMaxLine at most, whatever is sent. What a message says is not looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tipstaff {

/// One message as a line, priority included. The text is valid until the next call.
struct SyslogMessage {
  std::string_view text;
  bool cut = false;  ///< longer than kMaxLine, or the connection ended within it
};

/// Makes one line of a message: what ends it is taken off (line feeds, carriage returns, NUL, blanks) and line feeds in
/// it become blanks, since a message that has its length told may hold some and is one message all the same.
[[nodiscard]] std::string_view to_line(char* text, std::size_t size);

class SyslogFraming {
 public:
  /// `nul_ends`: a NUL byte ends a line too, as syslog(3) of the C library writes it to a stream socket.
  explicit SyslogFraming(bool nul_ends) : nul_ends_(nul_ends) {}

  /// The next message that is not empty; what it took is removed from the front of `bytes`. None: all bytes were taken
  /// and more are needed, or broken().
  [[nodiscard]] std::optional<SyslogMessage> next(std::string_view& bytes);

  /// Nothing more comes: what there is of a message that was begun, as a cut one.
  [[nodiscard]] std::optional<SyslogMessage> finish();

  /// No length stands where one has to; where the next message begins cannot be known.
  [[nodiscard]] bool broken() const { return mode_ == Mode::broken; }

 private:
  enum class Mode : std::uint8_t { undecided, length, counted, line, broken };

  void decide(std::string_view& bytes);
  void read_length(std::string_view& bytes);
  [[nodiscard]] bool take_counted(std::string_view& bytes);
  [[nodiscard]] bool take_line(std::string_view& bytes);
  void keep(std::string_view part);
  void forget();
  [[nodiscard]] std::optional<SyslogMessage> give(bool cut);

  Mode mode_ = Mode::undecided;
  bool nul_ends_;
  bool given_ = false;    // text_ is in the caller's hands until the next call
  bool over_ = false;     // text_ has no room for the rest of the message
  std::size_t left_ = 0;  // of a counted message
  std::string text_;      // the message so far; while undecided or in a length: its digits
};

}  // namespace tipstaff
